#include "tensor/pooling.h"

#include <algorithm>

#include "tensor/loop.h"

namespace fovea {
namespace {

// One axis: its windows begin at −padding, stride − padding, …
struct PoolAxis {
  int64_t input, window, stride, padding;

  int64_t output() const { return (input + 2 * padding - window) / stride + 1; }
  int64_t begin(int64_t o) const { return std::max<int64_t>(o * stride - padding, 0); }
  int64_t end(int64_t o) const { return std::min(o * stride - padding + window, input); }
};

template <class T> void argmax_of_plane(const T* plane, const PoolAxis& down, const PoolAxis& across, int64_t* places) {
  for (int64_t i = 0; i < down.output(); ++i) {
    const int64_t top = down.begin(i), bottom = down.end(i);
    for (int64_t j = 0, columns = across.output(); j < columns; ++j) {
      const int64_t left = across.begin(j), right = across.end(j);
      int64_t best = top * across.input + left;
      for (int64_t row = top; row < bottom; ++row) {
        for (int64_t at = row * across.input + left; at < row * across.input + right; ++at) {
          const bool is_nan = plane[best] != plane[best];  // then that is the result
          if (!is_nan && !(plane[at] <= plane[best])) best = at;
        }
      }
      *places++ = best;
    }
  }
}

}  // namespace

void check_pooling(const char* name, const Shape& x, Size2d window, Size2d stride, Size2d padding) {
  if (x.rank() != 4) fail(ErrorKind::shape, name, ": takes [batch, channels, height, width], got ", x);
  const auto check = [&](const char* axis, const PoolAxis& a) {
    if (a.window < 1 || a.stride < 1 || a.padding < 0 || a.padding > a.window / 2)
      fail(ErrorKind::value, name, ": along the ", axis, " the window is ", a.window, ", the stride ", a.stride,
           ", the padding ", a.padding, "; the first two must be at least 1, the padding 0 to half the window");
    if (a.window > a.input + 2 * a.padding)
      fail(ErrorKind::shape, name, ": a window of ", a.window, " on x ", x, ", whose ", axis, " is ", a.input,
           " + 2 · ", a.padding, " = ", a.input + 2 * a.padding);
  };
  check("height", {x[2], window.height, stride.height, padding.height});
  check("width", {x[3], window.width, stride.width, padding.width});
}

Tensor max_pool2d_places(const Tensor& x, Size2d window, Size2d stride, Size2d padding) {
  check_pooling("max_pool2d", x.shape(), window, stride, padding);
  const PoolAxis down{x.size(2), window.height, stride.height, padding.height};
  const PoolAxis across{x.size(3), window.width, stride.width, padding.width};
  Tensor places = empty({x.size(0), x.size(1), down.output(), across.output()}, DType::i64);
  const int64_t planes = x.size(0) * x.size(1), in_plane = x.size(2) * x.size(3);
  const int64_t results = down.output() * across.output();
  const Tensor dense = x.contiguous();
  with_floating(x.dtype(), "max_pool2d", [&]<class T>(T) {
    const T* data = dense.data<T>();
    int64_t* found = places.data<int64_t>();
    const int64_t grain = kGrain / std::max<int64_t>(results * window.height * window.width, 1) + 1;
    parallel_for(planes, grain, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p) argmax_of_plane(data + p * in_plane, down, across, found + p * results);
    });
  });
  return places;
}

}  // namespace fovea
