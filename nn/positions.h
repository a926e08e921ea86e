// Positions: attention treats its keys as a set, so where each stands in the sequence is added to what it is.
#pragma once
#include "autograd/views.h"
#include "nn/init.h"
#include "nn/module.h"

namespace fovea::nn {

// [length, dim]: sin(t / 10000^(2i/dim)) at channel 2i, the cosine of the same angle at 2i + 1, for t from `start` on
// (Vaswani et al. 2017, §3.5). Each channel pair is a clock hand; the offset by k positions is a rotation of each.
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

}  // namespace fovea::nn
