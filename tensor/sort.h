// Order along an axis. Sorting is stable: equal elements keep their order. NaN comes last, whichever the direction.
#pragma once
#include "tensor/tensor.h"

namespace fovea {

struct Sorted {
  Tensor values;
  Tensor indices;  // i64: where each value stood along the axis
};

Sorted sort(const Tensor& x, int axis = -1, bool descending = false);
Tensor argsort(const Tensor& x, int axis = -1, bool descending = false);  // i64

// The k largest (or smallest) along the axis, in order; of equal ones the first. The axis becomes k long.
Sorted topk(const Tensor& x, int64_t k, int axis = -1, bool largest = true);

}  // namespace fovea
