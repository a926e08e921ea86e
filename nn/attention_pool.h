// attention_pool: attention in its general form, a weighted mean of the values under any score.
//
//   f(q) = Σ_i α(q, k_i) v_i,   α(q, ·) = softmax(score(q, k_1), score(q, k_2), …)
//
// Scaled dot products and no need for the weights: scaled_dot_product_attention (nn/attention.h) is faster.
#pragma once
#include "nn/attention.h"
#include "nn/scores.h"

namespace fovea::nn {

// The same from scores [..., L, S] at hand; a score of −∞ gives weight 0. v [..., S, d_v]; the mask broadcasts to the
// scores. A row that has nothing left has weights, output and gradient 0.
Attention pool_by_scores(const Variable& scores, const Variable& v, const Mask& mask = {});

// q [..., L, d_q], k [..., S, d_k], v [..., S, d_v] -> output [..., L, d_v], weights [..., L, S]. `score` is one of
// nn/scores.h or a function like them.
template <class S>
Attention attention_pool(const S& score, const Variable& q, const Variable& k, const Variable& v,
                         const Mask& mask = {}) {
  return pool_by_scores(score(q, k), v, mask);
}

}  // namespace fovea::nn
