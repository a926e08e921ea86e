// What the tests of scores and pooling share: every score in all its settings, and formulas over pairs in plain loops.
#pragma once
#include <cmath>
#include <functional>

#include "autograd/reduce.h"
#include "nn/scores.h"

namespace fovea::tests {

using Row = std::vector<double>;
using Formula = std::function<double(const Row&, const Row&)>;

inline Tensor random_f64(const Shape& shape, uint64_t seed) {
  Rng rng(seed);
  return randn(shape, rng, DType::f64);
}

inline nn::Score score_of(const nn::ScoreConfig& config, uint64_t seed = 1) {
  Rng rng(seed);
  nn::Score score(config, rng);
  score.to(DType::f64);
  for (const auto& [path, p] : score.parameters()) {
    if (path == "bias") p->value() = randn(p->shape(), rng, DType::f64);  // not zero, so that it is seen
  }
  return score;
}

// Every score, in all its settings, for queries and keys of `dim` channels. The bounded kernels reach 1/w = 3.
inline std::vector<nn::ScoreConfig> every_config(int64_t dim) {
  using nn::ScoreKind;
  std::vector<nn::ScoreConfig> configs;
  for (int kind = 0; kind < nn::kScoreKinds; ++kind) {
    nn::ScoreConfig config = {.kind = ScoreKind(kind), .query_dim = dim, .hidden = 4, .temperature = 0.5, .w = 1.0 / 3};
    configs.push_back(config);
    config.learned = true;
    if (config.kind == ScoreKind::cosine || config.kind == ScoreKind::gaussian) configs.push_back(config);
    config.bias = false;
    if (config.kind == ScoreKind::additive || config.kind == ScoreKind::concat) configs.push_back(config);
  }
  return configs;
}

inline double product(const Row& a, const Row& b) {
  double sum = 0;
  for (size_t c = 0; c < a.size(); ++c) sum += a[c] * b[c];
  return sum;
}

inline double distance(const Row& a, const Row& b) {
  double sum = 0;
  for (size_t c = 0; c < a.size(); ++c) sum += (a[c] - b[c]) * (a[c] - b[c]);
  return std::sqrt(sum);
}

// f(q_i, k_j) for all pairs: q [L, d_q], k [S, d_k] -> [L, S].
inline Tensor for_pairs(const Tensor& q, const Tensor& k, const Formula& f) {
  const auto row_of = [](const Tensor& x, int64_t i) {
    Row row;
    for (int64_t c = 0; c < x.size(1); ++c) row.push_back(x.at({i, c}));
    return row;
  };
  Tensor y = zeros({q.size(0), k.size(0)}, DType::f64);
  for (int64_t i = 0; i < q.size(0); ++i) {
    for (int64_t j = 0; j < k.size(0); ++j) y.set({i, j}, f(row_of(q, i), row_of(k, j)));
  }
  return y;
}

// A loss that no symmetry makes blind: each element counts with a weight of its own.
inline Variable weighted_sum(const Variable& y) { return sum(y * random_f64(y.shape(), 99)); }

}  // namespace fovea::tests
