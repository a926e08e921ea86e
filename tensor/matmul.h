// Matrix products over tensors, on the blocked kernels of gemm.h. f32 and f64; both operands of one dtype.
#pragma once
#include "tensor/tensor.h"

namespace fovea {

// a [..., m, k] times b [..., k, n] -> [..., m, n], the batch axes in front broadcast against each other.
// A 1-D a counts as a row [1, k], a 1-D b as a column [k, 1]; that axis is left out of the result. Transposed and
// sliced operands are read where they lie.
Tensor matmul(const Tensor& a, const Tensor& b);

// The same into an existing tensor of the result's shape that shares no element with a or b: out = a b, or out += a b.
void matmul_into(const Tensor& a, const Tensor& b, Tensor& out, bool accumulate = false);

Tensor dot(const Tensor& a, const Tensor& b);    // [k], [k] -> []
Tensor outer(const Tensor& a, const Tensor& b);  // [m], [n] -> [m, n]

}  // namespace fovea
