// Operations along one axis: softmax and the normalisations, fused; the twins of tensor/rows.h. What each computes
// is written out in primitives beside it in tests, which hold the two equal.
#pragma once
#include "autograd/variable.h"
#include "tensor/rows.h"

namespace fovea {

Variable softmax(const Variable& x, int axis = -1);
Variable log_softmax(const Variable& x, int axis = -1);

// softmax(scale · x) along the last axis over the elements that `keep` (bool, broadcast to x, true = keep; undefined:
// all) and, if `causal`, the lower triangle let through: the others get weight 0 exactly and no gradient. A row with
// nothing left is all zeros.
Variable masked_softmax(const Variable& x, double scale, const Tensor& keep, bool causal = false);

// (x − mean) / √(variance + eps) along the last axis, times weight, plus bias (Ba, Kiros & Hinton 2016).
// weight and bias [C], or undefined: 1 and 0.
Variable layer_norm(const Variable& x, const Variable& weight = {}, const Variable& bias = {}, double eps = 1e-5);
// x / √(mean(x²) + eps) along the last axis, times weight [C] (Zhang & Sennrich 2019).
Variable rms_norm(const Variable& x, const Variable& weight = {}, double eps = 1e-5);

}  // namespace fovea
