// Positions: attention treats its keys as a set, so where each stands in the sequence has to be said. Either in the
// embeddings, by adding a vector to what stands there (this file), or in the scores, by how far a key lies from the
// query (nn/relative_positions.h).
#pragma once
#include <array>
#include <optional>

#include "autograd/views.h"
#include "nn/init.h"
#include "nn/module.h"

namespace fovea::nn {

// The one field of a configuration that says how a model knows where things stand.
enum class Positions {
  none,            // it does not: the sequence is a set
  sinusoidal,      // in the embeddings: waves of many lengths (Vaswani et al. 2017)
  learned,         // in the embeddings: a vector for each of `context` positions, and no position beyond
  t5,              // in the scores: a number per head and bucket of distances (Raffel et al. 2020)
  transformer_xl,  // in the scores: four terms, of content and of waves (Dai et al. 2019)
  deberta,         // in the scores: content to place and place to content (He et al. 2021)
  alibi,           // in the scores: a penalty that grows with the distance (Press, Smith & Lewis 2022)
  rope,            // in the scores: queries and keys turned by an angle that grows with the place (Su et al. 2021)
};
inline constexpr std::array<Positions, 8> all_positions = {
    Positions::none,           Positions::sinusoidal, Positions::learned, Positions::t5,
    Positions::transformer_xl, Positions::deberta,    Positions::alibi,   Positions::rope};
const char* name(Positions positions);                                  // as it is spelt above
constexpr bool is_relative(Positions p) { return p >= Positions::t5; }  // one in the scores: those come last

// [length, dim / 2], f64: t · base^(-2i/dim) for the places t from `start` on and the channel pairs i.
Tensor position_angles(int64_t length, int64_t dim, int64_t start, double base = 10000);

// [length, dim]: the sine of those angles at channel 2i, the cosine at 2i + 1 (Vaswani et al. 2017, §3.5). Each channel
// pair is a clock hand; the offset by k positions is a rotation of each.
Tensor sinusoidal_positions(int64_t length, int64_t dim, DType dtype = DType::f32, int64_t start = 0);

// A vector for each of `context` positions, learned as any weight: GPT's way.
struct LearnedPositions : Module {
  Parameter weight;  // [context, dim]

  LearnedPositions(int64_t context, int64_t dim, Rng& rng, double deviation = 0.02)
      : weight(normal({context, dim}, 0, deviation, rng)) {}

  int64_t context() const { return weight.size(0); }
  Variable operator()(int64_t length, int64_t start = 0) const;  // [length, dim]

  void visit(Visitor& v) override { v("weight", weight); }
};

struct PositionEmbeddingConfig {
  Positions positions = Positions::none;
  int64_t dim = 0;
  int64_t context = 0;  // of learned positions
  double size = 1;      // the height of the waves, or the deviation of learned vectors at first
};

// The part of the positions that is in the embeddings: of the schemes above either of the first three, else nothing.
struct PositionEmbedding : Module {
  Positions positions;
  double size;
  std::optional<LearnedPositions> learned;

  PositionEmbedding(const PositionEmbeddingConfig& config, Rng& rng);

  Variable operator()(const Variable& x, int64_t start = 0) const;  // x [..., T, dim] plus those of its places

  void visit(Visitor& v) override {
    if (learned) learned->visit(v);
  }
};

}  // namespace fovea::nn
