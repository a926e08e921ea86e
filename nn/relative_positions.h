// Relative positions: what the distance between a query and a key does to their score. Often put as one formula,
// q kᵀ + R(i - j); it is several mechanisms, each of which is a struct here. RelativePositions holds the one that was
// chosen, and is all that attention knows of them.
//
// L queries, S keys, H heads, d channels in a head. Query i stands at place S - L + i, the last query at the last key,
// as causal masks have it and as it is when a cache holds the keys before. A distance is that of the query less that of
// the key: positive where the key lies back.
#pragma once
#include <variant>

#include "nn/linear.h"
#include "nn/positions.h"

namespace fovea::nn {

// From products with distances to scores, without a [L, S, d] tensor: each row of [..., L, S + L] holds what its query
// makes of the distances S - 1, S - 2, … -L, of which it meets the S from its own place on. Each row begins one column
// before the row above, so read with rows that are one shorter they stand in line (Dai et al. 2019, appendix B): views.
Variable relative_shift(const Variable& by_distance);  // [..., L, S + L] -> [..., L, S]

// The bucket of a distance (Raffel et al. 2020, §2.1; the code of T5): near distances have one each, farther ones share
// one, in steps that grow with the distance, and from max_distance on all share the last. If causal, keys after the
// query are in bucket 0; else the upper half of the buckets is theirs.
int64_t t5_bucket(int64_t distance, bool causal, int64_t buckets = 32, int64_t max_distance = 128);

// T5: score + b[bucket of the distance], a number for each head, learned (Raffel et al. 2020, "Exploring the limits of
// transfer learning with a unified text-to-text Transformer", §2.1). A stack of layers shares one table.
struct T5Positions : Module {
  Parameter weight;  // [buckets, H]
  bool causal;
  int64_t max_distance;

  T5Positions(int64_t heads, bool causal, int64_t max_distance, double deviation, Rng& rng);
  Variable operator()(int64_t queries, int64_t keys) const;  // [H, L, S]
  void visit(Visitor& v) override { v("weight", weight); }
};

// ALiBi: score - m |distance| with a slope m for each head, not learned (Press, Smith & Lewis 2022, "Train short, test
// long", §3). The paper is about causal attention; keys after the query are treated as those before.
struct AlibiPositions {
  Tensor slopes;  // [H], f64: 2^(-8/H), 2^(-16/H), … where H is a power of two

  explicit AlibiPositions(int64_t heads);
  Variable operator()(int64_t queries, int64_t keys, DType dtype) const;  // [H, L, S]
};

// Transformer-XL: (q_i k_jᵀ + q_i r_{i-j}ᵀ + u k_jᵀ + v r_{i-j}ᵀ) / √d with r = R W_{k,R}, R the sinusoids of the
// distances and u, v a query of each head that is the same everywhere (Dai et al. 2019, "Transformer-XL", §3.3).
struct TransformerXLPositions : Module {
  Linear relative_key;  // W_{k,R}: [C] -> [C]
  Parameter u, v;       // [H, d]

  TransformerXLPositions(int64_t dim, int64_t heads, Rng& rng);
  Variable operator()(const Variable& q, const Variable& k) const;  // the last three terms: [B, H, L, S]
  void visit(Visitor& visitor) override;
};

// DeBERTa: (q_i k_jᵀ + q_i kr_{i-j}ᵀ + k_j qr_{j-i}ᵀ) / √(3d), content to content, content to place and place to
// content; kr = P W_{k,r} and qr = P W_{q,r}, P a learned vector for each distance from -max_distance to max_distance -
// 1, beyond which all are alike (He et al. 2021, "DeBERTa", §3.1, eq. 4). The paper's layers share P; here each has its
// own.
struct DebertaPositions : Module {
  Parameter distances;                  // P [2 · max_distance, C]
  Linear relative_query, relative_key;  // [C] -> [C]
  int64_t heads;

  DebertaPositions(int64_t dim, int64_t heads, int64_t max_distance, Rng& rng);
  Variable operator()(const Variable& q, const Variable& k) const;  // the last two terms: [B, H, L, S]
  void visit(Visitor& v) override;
};

struct RelativePositionsConfig {
  Positions positions = Positions::none;  // those that are not relative: nothing
  int64_t dim = 0;
  int64_t heads = 1;
  bool causal = false;         // T5: no query ever looks ahead, so all buckets are for the keys before it
  int64_t max_distance = 128;  // T5, DeBERTa: from there on distances look alike
};

// The scheme that was chosen, behind what attention asks of any: to turn queries and keys, and to add to the scores.
struct RelativePositions : Module {
  Positions positions;
  std::variant<std::monostate, T5Positions, AlibiPositions, TransformerXLPositions, DebertaPositions> scheme;

  RelativePositions(const RelativePositionsConfig& config, Rng& rng);

  Variable rotate(const Variable& x, int64_t start) const;  // RoPE: queries or keys [B, H, T, d] from place `start` on
  double scale(int64_t d) const;                            // of the products q kᵀ: 1 / √d, DeBERTa's 1 / √(3d)
  // What is added to the scaled products, [H, L, S] or [B, H, L, S]; undefined where the scheme adds nothing.
  // q [B, H, L, d], k [B, H, S, d].
  Variable bias(const Variable& q, const Variable& k) const;
  // The same where it depends on the places alone: T5's and ALiBi's. A stack computes it once for all its layers.
  Variable bias(int64_t queries, int64_t keys, DType dtype) const;

  void visit(Visitor& v) override;
};

}  // namespace fovea::nn
