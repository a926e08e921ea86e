// Attention in tiles: softmax(scale · q kᵀ) v without ever holding all the scores. They are computed a tile at a time,
// in the cache, and used up at once; backward computes them again. The memory grows with the number of queries and
// keys, not with their product (Dao et al. 2022, "FlashAttention"; on a CPU the tiles are those of the second-level
// cache).
//
// The result of a query depends on that query, the keys and the values only, bit for bit: neither on the batch nor on
// the other queries nor on the number of threads.
#pragma once
#include "tensor/tensor.h"

namespace fovea {

struct AttentionOptions {
  double scale = 1;     // of the scores, positive; 1 / √d_k in Transformers
  Tensor keep;          // bool, true = may be seen, broadcast to [..., L, S]; undefined: all
  bool causal = false;  // query i sees the keys up to i + (S - L), so that the last query sees every key
};

struct AttentionResult {
  Tensor out;    // [..., L, d_v]; 0 where a query sees no key. In memory its axes lie in the order of those of q
  Tensor stats;  // [..., L, 2], what backward needs of each query: its largest scaled score, 1 / Σ e^(score - largest)
};

// q [..., L, d_k], k [..., S, d_k], v [..., S, d_v], all f32 or all f64; the axes in front broadcast. Rows of adjacent
// elements are read where they lie, so the heads of a projection [B, T, H, d] can be passed as a permuted view.
AttentionResult attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options = {});

struct AttentionNeeds {
  bool dq = true, dk = true, dv = true;
};
struct AttentionGradients {
  Tensor dq, dk, dv;  // undefined where not needed; the axes in front are those of the result
};

// With weights p and scores s:  dv = pᵀ dout,  dp = dout vᵀ,  ds = p ∘ (dp - Σ dout ∘ out),  dq = scale ds k,
// dk = scale dsᵀ q.
AttentionGradients attention_backward(const Tensor& dout, const Tensor& q, const Tensor& k, const Tensor& v,
                                      const AttentionOptions& options, const AttentionResult& result,
                                      AttentionNeeds needs = {});

}  // namespace fovea
