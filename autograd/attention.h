// Attention in tiles as one operation: the weights are not stored, only each query's normaliser. nn/attention.h has it
// composed from primitives; tests hold the two equal.
#pragma once
#include "autograd/variable.h"

namespace fovea {

// softmax(scale · q kᵀ) v over the keys that `keep` (bool, broadcast to [..., L, S], true = keep; undefined: all) and,
// if `causal`, the lower triangle let through. q [..., L, d_k], k [..., S, d_k], v [..., S, d_v] -> [..., L, d_v]; the
// axes in front broadcast. A query that sees no key gets 0, and gives no gradient. Memory grows with L + S, not with L
// · S.
Variable attention(const Variable& q, const Variable& k, const Variable& v, double scale, const Tensor& keep = {},
                   bool causal = false);

}  // namespace fovea
