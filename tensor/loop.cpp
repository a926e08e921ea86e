#include "tensor/loop.h"

#include <algorithm>

namespace fovea {

Loop::Loop(const Shape& walked, std::initializer_list<Strides> operand_strides)
    : operands(int(operand_strides.size())) {
  const Strides* from = operand_strides.begin();
  for (int axis = 0; axis < walked.rank(); ++axis) {
    const int64_t size = walked[axis];
    count *= size;
    if (size == 1) continue;
    bool merges = !shape.empty();  // with the axis before: where that one's step is the whole length of this one
    for (int k = 0; k < operands && merges; ++k) merges = strides[k].back() == from[k][axis] * size;
    if (merges)
      shape.back() *= size;
    else
      shape.push_back(size);
    for (int k = 0; k < operands; ++k) {
      if (merges)
        strides[k].back() = from[k][axis];
      else
        strides[k].push_back(from[k][axis]);
    }
  }
  if (shape.empty()) {
    shape.push_back(1);
    for (int k = 0; k < operands; ++k) strides[k].push_back(0);
  }
  for (int k = 0; k < operands; ++k) run_strides[k] = strides[k].back();
}

void Loop::walk(int64_t first, int64_t last, RunFn fn) const {
  if (first >= last) return;
  const int inner = shape.rank() - 1;
  Dims index(shape.rank(), 0);
  int64_t offsets[max_operands] = {};
  int64_t rest = first;
  for (int axis = inner; axis >= 0; --axis) {
    index[axis] = rest % shape[axis];
    rest /= shape[axis];
    for (int k = 0; k < operands; ++k) offsets[k] += index[axis] * strides[k][axis];
  }
  for (int64_t at = first;;) {
    const int64_t n = std::min(shape[inner] - index[inner], last - at);
    fn(offsets, n);
    at += n;
    if (at >= last) return;
    for (int k = 0; k < operands; ++k) offsets[k] -= index[inner] * strides[k][inner];
    index[inner] = 0;
    for (int axis = inner - 1; axis >= 0; --axis) {
      for (int k = 0; k < operands; ++k) offsets[k] += strides[k][axis];
      if (++index[axis] < shape[axis]) break;
      for (int k = 0; k < operands; ++k) offsets[k] -= index[axis] * strides[k][axis];
      index[axis] = 0;
    }
  }
}

void Loop::run(RunFn fn, int64_t grain) const {
  if (count <= grain) return walk(0, count, fn);
  parallel_for(count, grain, [&](int64_t first, int64_t last) { walk(first, last, fn); });
}

Strides broadcast_strides(const Shape& shape, const Strides& strides, const Shape& to) {
  Strides result(to.rank(), 0);
  const int added = to.rank() - shape.rank();
  for (int i = 0; i < shape.rank(); ++i) {
    if (shape[i] != 1) result[added + i] = strides[i];
  }
  return result;
}

}  // namespace fovea
