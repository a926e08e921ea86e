#include "nn/pooling.h"

#include <limits>

#include "autograd/indexing.h"
#include "autograd/reduce.h"
#include "autograd/views.h"
#include "tensor/elementwise.h"

namespace fovea::nn {
namespace {

// x with its padding: [B, C, H + 2 p, W + 2 p].
Variable checked_and_padded(const char* name, const Variable& x, Size2d window, Size2d stride, Size2d p, double value) {
  if (x.rank() != 4) fail(ErrorKind::shape, name, ": takes [batch, channels, height, width], got ", x.shape());
  const auto check = [&](const char* axis, int64_t size, int64_t length, int64_t step, int64_t padding) {
    if (length < 1 || step < 1 || padding < 0 || padding > length / 2)
      fail(ErrorKind::value, name, ": along the ", axis, " the window is ", length, ", the stride ", step,
           ", the padding ", padding, "; the first two must be at least 1, the padding 0 to half the window");
    if (length > size + 2 * padding)
      fail(ErrorKind::shape, name, ": a window of ", length, " on x ", x.shape(), ", whose ", axis, " is ", size,
           " + 2 · ", padding, " = ", size + 2 * padding);
  };
  check("height", x.size(2), window.height, stride.height, p.height);
  check("width", x.size(3), window.width, stride.width, p.width);
  Variable padded = x;
  if (p.height > 0) padded = pad(padded, 2, p.height, p.height, value);
  if (p.width > 0) padded = pad(padded, 3, p.width, p.width, value);
  return padded;
}

// [B, C, H, W] -> [B, C, H', W', wh, ww], a view.
template <class T> T windows_of(const T& x, Size2d window, Size2d stride) {
  return unfold(unfold(x, 2, window.height, stride.height), 3, window.width, stride.width);
}

// Where element (0, 0) of each window lies in a plane of `width` columns: [H', W'].
Tensor window_corners(int64_t rows, int64_t columns, Size2d stride, int64_t width) {
  const Tensor row = unsqueeze(arange(rows), 1) * double(stride.height * width);  // [H', 1]
  return row + arange(columns) * double(stride.width);
}

}  // namespace

// The places of the largest elements are found without the tape; what is recorded is that they are taken.
Variable max_pool2d(const Variable& x, Size2d window, const PoolOptions& options) {
  const Size2d stride = options.stride.value_or(window);
  constexpr double lowest = -std::numeric_limits<double>::infinity();
  const Variable padded = checked_and_padded("max_pool2d", x, window, stride, options.padding, lowest);
  const Tensor windows = windows_of(padded.value(), window, stride);
  const int64_t rows = windows.size(2), columns = windows.size(3), width = padded.size(3);
  const Tensor inside = flatten(window_corners(window.height, window.width, 1, width));  // [wh ww]
  const Tensor offset = take_rows(inside, argmax(flatten(windows, 4, 5)));               // [B, C, H', W']
  const Tensor place = offset + window_corners(rows, columns, stride, width);
  const Variable taken = gather(flatten(padded, 2, 3), 2, flatten(place, 2, 3));  // [B, C, H' W']
  return reshape(taken, place.shape());
}

Variable avg_pool2d(const Variable& x, Size2d window, const PoolOptions& options) {
  const Size2d stride = options.stride.value_or(window);
  const Variable padded = checked_and_padded("avg_pool2d", x, window, stride, options.padding, 0);
  return mean(windows_of(padded, window, stride), {4, 5});
}

}  // namespace fovea::nn
