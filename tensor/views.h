// Views: other shapes, orders and parts of the same storage. O(1); writing to a view writes to its base.
// Axes may count from the end. Each function's Variable twin is in autograd/views.h.
#pragma once
#include "tensor/tensor.h"

namespace fovea {

// One size may be -1: whatever is left. A view where the strides allow it, else a copy.
Tensor reshape(const Tensor& x, const Shape& shape);
Tensor flatten(const Tensor& x, int first_axis = 0, int last_axis = -1);  // axes first … last become one
Tensor permute(const Tensor& x, const Axes& order);                       // axis i of the result is order[i]
Tensor transpose(const Tensor& x, int axis_a = -1, int axis_b = -2);      // two axes swapped
Tensor slice(const Tensor& x, int axis, int64_t start, int64_t stop,
             int64_t step = 1);                                           // clamped as in Python
Tensor narrow(const Tensor& x, int axis, int64_t start, int64_t length);  // exact: outside is an error
Tensor select(const Tensor& x, int axis, int64_t index);                  // one index; the axis goes
Tensor squeeze(const Tensor& x, int axis);                                // drops an axis of size 1
Tensor squeeze(const Tensor& x);                                          // drops every axis of size 1
Tensor unsqueeze(const Tensor& x, int axis);                              // a new axis of size 1 at that place
Tensor expand(const Tensor& x, const Shape& shape);                       // size-1 axes repeated by stride 0
Tensor diagonal(const Tensor& x, int64_t offset = 0, int axis_a = -2,
                int axis_b = -1);  // becomes the last axis
// Sliding windows: axis of n becomes (n - span) / step + 1 windows; a last axis of `size` holds each, its elements
// `dilation` apart, so that a window spans (size - 1) dilation + 1.
Tensor unfold(const Tensor& x, int axis, int64_t size, int64_t step, int64_t dilation = 1);

}  // namespace fovea
