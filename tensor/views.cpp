#include "tensor/views.h"

#include <algorithm>
#include <string>

namespace fovea {
namespace {

Shape fill_in_unknown(const Tensor& x, const Shape& shape) {
  Shape result = shape;
  int unknown = -1;
  int64_t known = 1;
  for (int i = 0; i < shape.rank(); ++i) {
    if (shape[i] == -1) {
      if (unknown >= 0) fail(ErrorKind::shape, "reshape: two sizes are -1 in ", shape, "; only one can be worked out");
      unknown = i;
    } else {
      known = checked_product("reshape", known, shape[i]);
    }
  }
  if (unknown >= 0 && known > 0) result[unknown] = x.count() / known;
  if (unknown >= 0 && known == 0)
    fail(ErrorKind::shape, "reshape: cannot work out -1 in ", shape, " beside a size of 0; write the size");
  if (element_count("reshape", result) != x.count())
    fail(ErrorKind::shape, "reshape: x ", x.shape(), " has ", x.count(), " elements, the new shape ", shape, " has ",
         unknown >= 0 ? known : element_count("reshape", result), unknown >= 0 ? " per step of -1" : "");
  return result;
}

// The strides that give x the new shape without moving an element, if there are any: walks the groups of old
// and new axes that hold the same elements; within a group the old axes must lie without gaps.
bool strides_for(const Tensor& x, const Shape& shape, Strides& strides) {
  strides = Strides(shape.rank(), 1);
  int old_axis = x.rank() - 1, new_axis = shape.rank() - 1;
  while (new_axis >= 0) {
    while (old_axis >= 0 && x.shape()[old_axis] == 1) --old_axis;
    if (old_axis < 0) break;  // only sizes of 1 are left
    int64_t stride = x.strides()[old_axis], old_count = x.shape()[old_axis], new_count = 1;
    int64_t expected = stride * old_count;  // the stride of the next old axis, were it to lie without a gap
    --old_axis;
    while (new_axis >= 0 && new_count < old_count) {
      strides[new_axis] = stride * new_count;
      new_count *= shape[new_axis--];
      while (new_count > old_count) {
        while (old_axis >= 0 && x.shape()[old_axis] == 1) --old_axis;
        if (old_axis < 0 || x.strides()[old_axis] != expected) return false;
        old_count *= x.shape()[old_axis];
        expected *= x.shape()[old_axis--];
      }
    }
    if (new_count != old_count) return false;
  }
  return true;
}

}  // namespace

Tensor reshape(const Tensor& x, const Shape& shape) {
  const Shape wanted = fill_in_unknown(x, shape);
  if (wanted == x.shape()) return x;
  if (x.is_contiguous()) return x.view(wanted, row_major(wanted));
  Strides strides;
  if (x.count() > 0 && strides_for(x, wanted, strides)) return x.view(wanted, strides);
  return x.clone().view(wanted, row_major(wanted));
}

Tensor flatten(const Tensor& x, int first_axis, int last_axis) {
  if (x.rank() == 0) return reshape(x, {1});
  const int first = normalize_axis("flatten", first_axis, x.rank());
  const int last = normalize_axis("flatten", last_axis, x.rank());
  if (first > last) fail(ErrorKind::index, "flatten: first axis ", first, " lies behind the last, ", last);
  Shape shape;
  int64_t merged = 1;
  for (int i = 0; i < x.rank(); ++i) {
    if (i >= first && i <= last) merged *= x.shape()[i];
    if (i < first || i > last)
      shape.push_back(x.shape()[i]);
    else if (i == last)
      shape.push_back(merged);
  }
  return reshape(x, shape);
}

Tensor permute(const Tensor& x, const Axes& order) {
  if (order.rank() != x.rank())
    fail(ErrorKind::shape, "permute: x ", x.shape(), " has ", x.rank(), " axes, the order ", order, " names ",
         order.rank());
  normalize_axes("permute", order, x.rank());  // each axis once
  Shape shape;
  Strides strides;
  for (int64_t axis : order) {
    const int from = normalize_axis("permute", axis, x.rank());
    shape.push_back(x.shape()[from]);
    strides.push_back(x.strides()[from]);
  }
  return x.view(shape, strides);
}

Tensor transpose(const Tensor& x, int axis_a, int axis_b) {
  const int a = normalize_axis("transpose", axis_a, x.rank());
  const int b = normalize_axis("transpose", axis_b, x.rank());
  Shape shape = x.shape();
  Strides strides = x.strides();
  std::swap(shape[a], shape[b]);
  std::swap(strides[a], strides[b]);
  return x.view(shape, strides);
}

Tensor slice(const Tensor& x, int axis, int64_t start, int64_t stop, int64_t step) {
  const int place = normalize_axis("slice", axis, x.rank());
  const int64_t size = x.shape()[place];
  if (step < 1) fail(ErrorKind::value, "slice: step ", step, " of axis ", place, "; it must be at least 1");
  const auto clamp = [size](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + size : i, 0, size); };
  const int64_t from = clamp(start), to = std::max(from, clamp(stop));
  Shape shape = x.shape();
  Strides strides = x.strides();
  shape[place] = (to - from + step - 1) / step;
  strides[place] *= step;
  return x.view(shape, strides, shape[place] > 0 ? from * x.strides()[place] : 0);
}

Tensor narrow(const Tensor& x, int axis, int64_t start, int64_t length) {
  const int place = normalize_axis("narrow", axis, x.rank());
  const int64_t size = x.shape()[place];
  if (start < 0 || length < 0 || start > size - length)
    fail(ErrorKind::index, "narrow: ", length, " elements from ", start, " do not lie in axis ", place, " of x ",
         x.shape(), ", which has ", size);
  return slice(x, place, start, start + length);
}

Tensor select(const Tensor& x, int axis, int64_t index) {
  const int place = normalize_axis("select", axis, x.rank());
  const int64_t size = x.shape()[place];
  if (index < -size || index >= size)
    fail(ErrorKind::index, "select: index ", index, " outside axis ", place, " of x ", x.shape(), ", which has ", size);
  Shape shape = x.shape();
  Strides strides = x.strides();
  const int64_t offset = (index < 0 ? index + size : index) * strides[place];
  shape.erase(place);
  strides.erase(place);
  return x.view(shape, strides, offset);
}

Tensor squeeze(const Tensor& x, int axis) {
  const int place = normalize_axis("squeeze", axis, x.rank());
  if (x.shape()[place] != 1)
    fail(ErrorKind::shape, "squeeze: axis ", place, " of x ", x.shape(), " has ", x.shape()[place], " elements, not 1");
  return select(x, place, 0);
}

Tensor squeeze(const Tensor& x) {
  Tensor result = x;
  for (int i = x.rank() - 1; i >= 0; --i) {
    if (x.shape()[i] == 1) result = select(result, i, 0);
  }
  return result;
}

Tensor unsqueeze(const Tensor& x, int axis) {
  const int place = normalize_axis("unsqueeze", axis, x.rank() + 1);
  Shape shape = x.shape();
  Strides strides = x.strides();
  const int64_t stride = place < x.rank() ? shape[place] * strides[place] : 1;
  shape.insert(place, 1);
  strides.insert(place, stride);
  return x.view(shape, strides);
}

Tensor expand(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  const int added = shape.rank() - x.rank();
  Strides strides(shape.rank(), 0);
  for (int i = 0; i < x.rank(); ++i) {
    if (added < 0 || (x.shape()[i] != shape[added + i] && x.shape()[i] != 1))
      fail(ErrorKind::shape, "expand: x ", x.shape(), " does not stretch to ", shape,
           "; only axes of size 1 can be repeated, and new axes come in front");
    if (x.shape()[i] == shape[added + i]) strides[added + i] = x.strides()[i];
  }
  element_count("expand", shape);
  return x.view(shape, strides);
}

Tensor diagonal(const Tensor& x, int64_t offset, int axis_a, int axis_b) {
  const int a = normalize_axis("diagonal", axis_a, x.rank());
  const int b = normalize_axis("diagonal", axis_b, x.rank());
  if (a == b) fail(ErrorKind::index, "diagonal: needs two different axes, got ", a, " twice");
  const int64_t down = std::max<int64_t>(-offset, 0), right = std::max<int64_t>(offset, 0);
  const int64_t length = std::max<int64_t>(std::min(x.shape()[a] - down, x.shape()[b] - right), 0);
  const int64_t start = length > 0 ? down * x.strides()[a] + right * x.strides()[b] : 0;
  const int64_t stride = x.strides()[a] + x.strides()[b];
  Shape shape = x.shape();
  Strides strides = x.strides();
  for (int axis : {std::max(a, b), std::min(a, b)}) {
    shape.erase(axis);
    strides.erase(axis);
  }
  shape.push_back(length);
  strides.push_back(stride);
  return x.view(shape, strides, start);
}

Tensor unfold(const Tensor& x, int axis, int64_t size, int64_t step, int64_t dilation) {
  const int place = normalize_axis("unfold", axis, x.rank());
  const int64_t available = x.shape()[place];
  if (dilation < 1) fail(ErrorKind::value, "unfold: dilation ", dilation, "; it must be at least 1");
  const int64_t most = available > 0 ? (available - 1) / dilation + 1 : 0;  // elements of one window
  if (size < 1 || step < 1 || size > most)
    fail(ErrorKind::value, "unfold: windows of ", size, " every ", step, " on axis ", place, " of x ", x.shape(),
         dilation == 1 ? "" : " with dilation " + std::to_string(dilation), "; the window must have 1 to ", most,
         " elements and the step be at least 1");
  Shape shape = x.shape();
  Strides strides = x.strides();
  shape[place] = (available - (size - 1) * dilation - 1) / step + 1;
  shape.push_back(size);
  strides.push_back(strides[place] * dilation);
  strides[place] *= step;
  return x.view(shape, strides);
}

}  // namespace fovea
