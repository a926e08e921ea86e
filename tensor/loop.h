// The walk over the elements of several tensors at once, which every elementwise and reduction loop shares.
//
// Axes of size 1 are dropped and axes that lie without a gap in all operands are merged, so that most walks
// become one long run. What is left is a list of runs along the last axis; a kernel is called once per run.
#pragma once
#include <algorithm>
#include <array>

#include "tensor/parallel.h"
#include "tensor/shape.h"

namespace fovea {

// Elements in a piece of parallel work: large enough to outweigh waking a thread, small enough for the cache.
// It depends on nothing else, so results do not depend on the number of threads.
constexpr int64_t kGrain = 16384;

template <int N> struct Loop {
  Shape shape;                           // after merging; at least one axis
  std::array<Strides, N> strides;        // per operand, in elements; 0 where it is broadcast
  std::array<int64_t, N> run_strides{};  // along the last axis
  int64_t count = 1;                     // all elements

  // operand_strides: aligned with `walked` (same rank, 0 where broadcast).
  Loop(const Shape& walked, const std::array<Strides, N>& operand_strides) {
    for (int axis = 0; axis < walked.rank(); ++axis) {
      count *= walked[axis];
      if (walked[axis] != 1) append(walked[axis], operand_strides, axis);
    }
    if (shape.empty()) append(1, operand_strides, -1);
    for (int k = 0; k < N; ++k) run_strides[k] = strides[k].back();
  }

  int64_t run_length() const { return shape.back(); }

  // Calls fn(offsets, n) for the runs that make up elements [first, last): offsets[k] is where operand k's n
  // elements begin, run_strides[k] apart.
  template <class Fn> void walk(int64_t first, int64_t last, Fn&& fn) const {
    if (first >= last) return;
    const int inner = shape.rank() - 1;
    Dims index(shape.rank(), 0);
    std::array<int64_t, N> offsets{};
    int64_t rest = first;
    for (int axis = inner; axis >= 0; --axis) {
      index[axis] = rest % shape[axis];
      rest /= shape[axis];
      for (int k = 0; k < N; ++k) offsets[k] += index[axis] * strides[k][axis];
    }
    for (int64_t at = first;;) {
      const int64_t n = std::min(shape[inner] - index[inner], last - at);
      fn(offsets, n);
      at += n;
      if (at >= last) return;
      for (int k = 0; k < N; ++k) offsets[k] -= index[inner] * strides[k][inner];
      index[inner] = 0;
      for (int axis = inner - 1; axis >= 0; --axis) {
        for (int k = 0; k < N; ++k) offsets[k] += strides[k][axis];
        if (++index[axis] < shape[axis]) break;
        for (int k = 0; k < N; ++k) offsets[k] -= index[axis] * strides[k][axis];
        index[axis] = 0;
      }
    }
  }

  // The same over all elements, in pieces that threads share.
  template <class Fn> void run(Fn&& fn, int64_t grain = kGrain) const {
    if (count <= grain) return walk(0, count, fn);
    parallel_for(count, grain, [&](int64_t first, int64_t last) { walk(first, last, fn); });
  }

 private:
  void append(int64_t size, const std::array<Strides, N>& from, int axis) {
    const auto stride = [&](int k) { return axis < 0 ? int64_t(0) : from[k][axis]; };
    bool merges = !shape.empty();
    for (int k = 0; k < N && merges; ++k) merges = strides[k].back() == stride(k) * size;
    if (merges)
      shape.back() *= size;
    else
      shape.push_back(size);
    for (int k = 0; k < N; ++k) {
      if (merges)
        strides[k].back() = stride(k);
      else
        strides[k].push_back(stride(k));
    }
  }
};

// The strides of an operand stretched to a shape: 0 along new axes and axes of size 1.
inline Strides broadcast_strides(const Shape& shape, const Strides& strides, const Shape& to) {
  Strides result(to.rank(), 0);
  const int added = to.rank() - shape.rank();
  for (int i = 0; i < shape.rank(); ++i) {
    if (shape[i] != 1) result[added + i] = strides[i];
  }
  return result;
}

}  // namespace fovea
