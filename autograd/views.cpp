// The gradient of a view is the same view of the gradient: dy goes to the elements that were seen, the others
// get 0.
#include "autograd/views.h"

#include "autograd/operation.h"
#include "tensor/elementwise.h"

namespace fovea {
namespace {

struct Reshape {
  Shape to, from;
  Tensor forward(const Tensor& x) {
    from = x.shape();
    return reshape(x, to);
  }
  Grads<1> backward(const Tensor& dy, Needs<1>) const { return {reshape(dy, from)}; }
};

struct Permute {
  Axes order;
  Tensor forward(const Tensor& x) { return permute(x, order); }
  Grads<1> backward(const Tensor& dy, Needs<1>) const {
    Axes inverse = order;
    for (int i = 0; i < order.rank(); ++i) inverse[normalize_axis("permute", order[i], order.rank())] = i;
    return {permute(dy, inverse)};
  }
};

struct Transpose {
  int axis_a, axis_b;
  Tensor forward(const Tensor& x) { return transpose(x, axis_a, axis_b); }
  Grads<1> backward(const Tensor& dy, Needs<1>) const { return {transpose(dy, axis_a, axis_b)}; }
};

struct Slice {
  int axis;
  int64_t start, stop, step;
  Shape from;
  Tensor part_of(const Tensor& x) const { return slice(x, axis, start, stop, step); }
  Tensor forward(const Tensor& x) {
    from = x.shape();
    return part_of(x);
  }
  Grads<1> backward(const Tensor& dy, Needs<1>) const {
    Tensor dx = zeros(from, dy.dtype());
    part_of(dx).copy_(dy);
    return {dx};
  }
};

struct Select {
  int axis;
  int64_t index;
  Shape from;
  Tensor part_of(const Tensor& x) const { return select(x, axis, index); }
  Tensor forward(const Tensor& x) {
    from = x.shape();
    return part_of(x);
  }
  Grads<1> backward(const Tensor& dy, Needs<1>) const {
    Tensor dx = zeros(from, dy.dtype());
    part_of(dx).copy_(dy);
    return {dx};
  }
};

struct Expand {
  Shape to;
  Tensor forward(const Tensor& x) { return expand(x, to); }
  Grads<1> backward(const Tensor& dy, Needs<1>) const { return {dy}; }  // the tape sums what was repeated
};

struct Diagonal {
  int64_t offset;
  int axis_a, axis_b;
  Shape from;
  Tensor part_of(const Tensor& x) const { return diagonal(x, offset, axis_a, axis_b); }
  Tensor forward(const Tensor& x) {
    from = x.shape();
    return part_of(x);
  }
  Grads<1> backward(const Tensor& dy, Needs<1>) const {
    Tensor dx = zeros(from, dy.dtype());
    part_of(dx).copy_(dy);
    return {dx};
  }
};

struct Unfold {  // windows may overlap: an element's gradient is the sum over the windows that saw it
  int axis;
  int64_t size, step, dilation;
  Shape from;
  Tensor forward(const Tensor& x) {
    from = x.shape();
    return unfold(x, axis, size, step, dilation);
  }
  Grads<1> backward(const Tensor& dy, Needs<1>) const {
    Tensor dx = zeros(from, dy.dtype());
    const int place = normalize_axis("unfold", axis, from.rank());
    const int64_t windows = dy.shape()[place];
    for (int64_t i = 0; i < size; ++i) {  // element i of all windows: no two of them are the same element of x
      const int64_t first = i * dilation;
      Tensor seen = slice(dx, place, first, first + (windows - 1) * step + 1, step);
      seen += select(dy, -1, i);
    }
    return {dx};
  }
};

}  // namespace

Variable reshape(const Variable& x, const Shape& shape) { return record(Reshape{shape, {}}, x); }
Variable flatten(const Variable& x, int first_axis, int last_axis) {
  return reshape(x, flatten(x.value(), first_axis, last_axis).shape());
}
Variable permute(const Variable& x, const Axes& order) { return record(Permute{order}, x); }
Variable transpose(const Variable& x, int axis_a, int axis_b) { return record(Transpose{axis_a, axis_b}, x); }
Variable slice(const Variable& x, int axis, int64_t start, int64_t stop, int64_t step) {
  return record(Slice{axis, start, stop, step, {}}, x);
}
Variable narrow(const Variable& x, int axis, int64_t start, int64_t length) {
  narrow(x.value(), axis, start, length);  // says what is wrong in its own name
  return slice(x, axis, start, start + length);
}
Variable select(const Variable& x, int axis, int64_t index) { return record(Select{axis, index, {}}, x); }
Variable squeeze(const Variable& x, int axis) { return reshape(x, squeeze(x.value(), axis).shape()); }
Variable squeeze(const Variable& x) { return reshape(x, squeeze(x.value()).shape()); }
Variable unsqueeze(const Variable& x, int axis) { return reshape(x, unsqueeze(x.value(), axis).shape()); }
Variable expand(const Variable& x, const Shape& shape) { return record(Expand{shape}, x); }
Variable diagonal(const Variable& x, int64_t offset, int axis_a, int axis_b) {
  return record(Diagonal{offset, axis_a, axis_b, {}}, x);
}
Variable unfold(const Variable& x, int axis, int64_t size, int64_t step, int64_t dilation) {
  return record(Unfold{axis, size, step, dilation, {}}, x);
}

}  // namespace fovea
