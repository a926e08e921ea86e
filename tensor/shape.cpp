#include "tensor/shape.h"

#include <algorithm>

#include "tensor/error.h"

namespace fovea {

void Dims::too_many() { fail(ErrorKind::shape, "shape: more than ", max_rank, " axes; merge some with reshape"); }

void Dims::insert(int position, int64_t value) {
  if (rank_ == max_rank) too_many();
  for (int i = rank_; i > position; --i) values_[i] = values_[i - 1];
  values_[position] = value;
  ++rank_;
}

void Dims::erase(int position) {
  for (int i = position; i + 1 < rank_; ++i) values_[i] = values_[i + 1];
  --rank_;
}

bool Dims::contains(int64_t value) const { return std::find(begin(), end(), value) != end(); }

std::ostream& operator<<(std::ostream& out, const Dims& dims) {
  out << '[';
  for (int i = 0; i < dims.rank(); ++i) out << (i ? ", " : "") << dims[i];
  return out << ']';
}

int64_t checked_product(const char* operation, int64_t a, int64_t b) {
  int64_t product;
  if (a < 0 || b < 0) fail(ErrorKind::shape, operation, ": negative size ", std::min(a, b));
  if (__builtin_mul_overflow(a, b, &product))
    fail(ErrorKind::shape, operation, ": ", a, " x ", b, " elements are more than a 64-bit size can count");
  return product;
}

int64_t element_count_checked(const char* operation, const Shape& shape) {
  int64_t count = 1;
  bool empty = false;
  for (int64_t size : shape) {
    if (size == 0)
      empty = true;
    else
      count = checked_product(operation, count, size);
  }
  return empty ? 0 : count;
}

Dims index_at(int64_t place, const Shape& shape) {
  Dims index(shape.rank(), 0);
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    index[axis] = place % shape[axis];
    place /= shape[axis];
  }
  return index;
}

void axis_outside(const char* operation, int64_t axis, int rank) {
  fail(ErrorKind::index, operation, ": axis ", axis, " of a tensor with ", rank, " axes; it must lie in [", -rank, ", ",
       rank, ")");
}

Axes normalize_axes(const char* operation, const Axes& axes, int rank) {
  Axes result;
  for (int i = 0; i < rank && axes.empty(); ++i) result.push_back(i);
  for (int64_t axis : axes) {
    const int place = normalize_axis(operation, axis, rank);
    if (result.contains(place)) fail(ErrorKind::index, operation, ": axis ", place, " named twice in ", axes);
    result.push_back(place);
  }
  std::sort(result.begin(), result.end());
  return result;
}

Shape broadcast_shapes(const char* operation, const Shape& a, const Shape& b) {
  if (a == b) return a;
  Shape result = a.rank() >= b.rank() ? a : b;
  const Shape& other = a.rank() >= b.rank() ? b : a;
  const int offset = result.rank() - other.rank();
  for (int i = 0; i < other.rank(); ++i) {
    int64_t& size = result[offset + i];
    if (size == 1)
      size = other[i];
    else if (other[i] != 1 && other[i] != size)
      fail(ErrorKind::shape, operation, ": shapes do not broadcast: a ", a, " and b ", b, " differ at axis ",
           i - other.rank(), " (", size, " and ", other[i], "), and neither is 1");
  }
  return result;
}

Shape reduced_shape(const Shape& shape, const Axes& axes, bool keep_dims) {
  Shape result;
  for (int i = 0; i < shape.rank(); ++i) {
    if (!axes.contains(i))
      result.push_back(shape[i]);
    else if (keep_dims)
      result.push_back(1);
  }
  return result;
}

}  // namespace fovea
