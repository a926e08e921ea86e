// Scores of random queries and keys, which the experiments on their size share.
#pragma once
#include "examples/claims/claim.h"
#include "tensor/elementwise.h"
#include "tensor/matmul.h"
#include "tensor/views.h"

namespace fovea::claims {

inline const std::vector<double> score_widths = {4, 16, 64, 256, 512, 1024};  // d_k
inline Axis score_width_axis() { return {.label = "d_k", .log = true, .ticks = score_widths}; }

// q·k of n random queries with `keys` random keys each, all their numbers independent of variance 1. f64 [n, keys]
inline Tensor random_scores(int64_t n, int64_t keys, int64_t d, Rng rng) {
  const Tensor q = randn({n, d, 1}, rng), k = randn({n, keys, d}, rng);
  return squeeze(matmul(k, q), -1).to(DType::f64);
}

}  // namespace fovea::claims
