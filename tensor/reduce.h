// Reductions: many elements become one. Over the axes named, or over all of them where none is; keep_dims leaves
// the reduced axes in place with size 1. Axes may count from the end.
//
// Floating elements are folded in f64 and rounded once, so a sum over any length is as good as its dtype can hold.
// The order is fixed by the sizes alone: any number of threads gives the same bits.
#pragma once
#include "tensor/tensor.h"

namespace fovea {

Tensor sum(const Tensor& x, const Axes& axes = {}, bool keep_dims = false);   // of i64 and bool: i64; of nothing 0
Tensor mean(const Tensor& x, const Axes& axes = {}, bool keep_dims = false);  // f32, f64; of nothing NaN
Tensor prod(const Tensor& x, const Axes& axes = {}, bool keep_dims = false);  // f32, f64; of nothing 1

// Σ (x - mean)² / (n - correction), in two passes; NaN where n <= correction (with n = correction = 1: 0 / 0).
Tensor var(const Tensor& x, const Axes& axes = {}, bool keep_dims = false, int64_t correction = 1);
Tensor stddev(const Tensor& x, const Axes& axes = {}, bool keep_dims = false, int64_t correction = 1);

// NaN if any is NaN; of nothing: an error. Of bool: bool.
Tensor min(const Tensor& x, const Axes& axes = {}, bool keep_dims = false);
Tensor max(const Tensor& x, const Axes& axes = {}, bool keep_dims = false);

// Where the least or greatest stands along an axis, i64: the first of several, the first NaN if there is one.
Tensor argmin(const Tensor& x, int axis = -1, bool keep_dims = false);
Tensor argmax(const Tensor& x, int axis = -1, bool keep_dims = false);

// log Σ exp(x), without overflow; of nothing -inf.
Tensor logsumexp(const Tensor& x, const Axes& axes = {}, bool keep_dims = false);

// (Σ |x|^p)^(1/p); p = infinity: the largest |x|.
Tensor norm(const Tensor& x, double p = 2, const Axes& axes = {}, bool keep_dims = false);

// bool; an element counts as true where it is not zero. Of nothing: any is false, all is true.
Tensor any(const Tensor& x, const Axes& axes = {}, bool keep_dims = false);
Tensor all(const Tensor& x, const Axes& axes = {}, bool keep_dims = false);
Tensor count_nonzero(const Tensor& x, const Axes& axes = {}, bool keep_dims = false);  // i64

// y_i = x_0 + … + x_i along an axis; of bool: i64.
Tensor cumsum(const Tensor& x, int axis);

// Sums x back to a shape that broadcasts to x's: what a gradient needs where an operand was stretched.
Tensor sum_to(const Tensor& x, const Shape& shape);

}  // namespace fovea
