// Convolution of images, [B, C, H, W]: each pixel of the result is a weight matrix times the patch under the kernel.
//
// The channels stand in front because then one tap of the kernel reads rows of adjacent pixels, the patches of an image
// are a matrix [C · kh · kw, H' · W'], and weight [O, C · kh · kw] times that is the result where it is to lie. As
// tokens for attention, [B, H · W, C], an image is a transposed view.
#pragma once
#include "tensor/tensor.h"

namespace fovea {

struct Size2d {
  int64_t height, width;
  Size2d(int64_t both) : height(both), width(both) {}
  Size2d(int64_t h, int64_t w) : height(h), width(w) {}
};

struct Conv2dOptions {
  Size2d stride = 1;    // from one patch to the next
  Size2d padding = 0;   // zeros on each side of the image
  Size2d dilation = 1;  // from one tap of the kernel to the next
  int64_t groups = 1;   // C and O are cut into so many parts, and part g of O sees part g of C only
};

// y[b, o, i, j] = Σ_{c, k, l} weight[o, c, k, l] x[b, c, i s − p + k d, j s − p + l d], zeros outside of x.
// x [B, C, H, W], weight [O, C / groups, kh, kw] -> [B, O, H', W'] with H' = (H + 2 p − (kh − 1) d − 1) / s + 1, and
// W' alike. It is a correlation, as everywhere in the field: the kernel is not flipped. f32 and f64.
Tensor conv2d(const Tensor& x, const Tensor& weight, const Conv2dOptions& options = {});

// Its derivatives; dy [B, O, H', W'].
Tensor conv2d_backward_input(const Tensor& dy, const Tensor& weight, const Shape& x_shape,
                             const Conv2dOptions& options = {});
Tensor conv2d_backward_weight(const Tensor& dy, const Tensor& x, const Shape& weight_shape,
                              const Conv2dOptions& options = {});

}  // namespace fovea
