#include "nn/pooling.h"

#include "autograd/indexing.h"
#include "autograd/views.h"
#include "tensor/pooling.h"

namespace fovea::nn {

// The places are found without the tape; what is recorded is that the elements are taken from there.
Variable max_pool2d(const Variable& x, Size2d window, const PoolOptions& options) {
  const Size2d stride = options.stride.value_or(window);
  const Tensor places = max_pool2d_places(x.value(), window, stride, options.padding);  // [B, C, H', W']
  const Variable taken = gather(flatten(x, 2, 3), 2, flatten(places, 2, 3));            // [B, C, H' W']
  return reshape(taken, places.shape());
}

// A convolution of each channel by itself, whose weights are all alike.
Variable avg_pool2d(const Variable& x, Size2d window, const PoolOptions& options) {
  const Size2d stride = options.stride.value_or(window);
  check_pooling("avg_pool2d", x.shape(), window, stride, options.padding);
  const double share = 1 / double(window.height * window.width);
  const Tensor weight = full({x.size(1), 1, window.height, window.width}, share, x.dtype());
  return conv2d(x, weight, {.stride = stride, .padding = options.padding, .groups = x.size(1)});
}

}  // namespace fovea::nn
