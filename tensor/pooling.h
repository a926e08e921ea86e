// Where the largest elements of an image's windows stand: the search of max pooling, whose rest is to gather them.
#pragma once
#include "tensor/convolution.h"

namespace fovea {

// For each window on x [B, C, H, W], the place of its largest element in its plane, row · W + column: i64
// [B, C, H', W'] with H' = (H + 2 p − window) / stride + 1, and W' alike. Of several equal ones the first, the first
// NaN if there is one; never the padding, which is at most half the window.
Tensor max_pool2d_places(const Tensor& x, Size2d window, Size2d stride, Size2d padding = 0);

// Refuses sizes that do not fit, in the name of a pooling of either kind.
void check_pooling(const char* name, const Shape& x, Size2d window, Size2d stride, Size2d padding);

}  // namespace fovea
