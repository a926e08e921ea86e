// Sizes along axes: shapes, strides and lists of axes, at most eight long, kept in place without an
// allocation.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <ostream>
#include <span>
#include <vector>

namespace fovea {

class Dims {
 public:
  static constexpr int max_rank = 8;

  constexpr Dims() = default;
  Dims(std::initializer_list<int64_t> values) : Dims(std::span(values.begin(), values.size())) {}
  explicit Dims(std::span<const int64_t> values) {
    for (int64_t value : values) push_back(value);
  }
  Dims(int count, int64_t value) {  // the value, count times
    for (int i = 0; i < count; ++i) push_back(value);
  }

  int rank() const { return rank_; }
  bool empty() const { return rank_ == 0; }
  int64_t operator[](int i) const { return values_[i]; }
  int64_t& operator[](int i) { return values_[i]; }
  int64_t back() const { return values_[rank_ - 1]; }
  int64_t& back() { return values_[rank_ - 1]; }
  const int64_t* begin() const { return values_; }
  const int64_t* end() const { return values_ + rank_; }
  int64_t* begin() { return values_; }
  int64_t* end() { return values_ + rank_; }

  void push_back(int64_t value) {
    if (rank_ == max_rank) too_many();
    values_[rank_++] = value;
  }
  void insert(int position, int64_t value);
  void erase(int position);
  bool contains(int64_t value) const;

  friend bool operator==(const Dims& a, const Dims& b) {
    if (a.rank_ != b.rank_) return false;
    for (int i = 0; i < a.rank_; ++i) {
      if (a.values_[i] != b.values_[i]) return false;
    }
    return true;
  }
  friend std::ostream& operator<<(std::ostream& out, const Dims& dims);  // [2, 3]

 private:
  [[noreturn]] static void too_many();
  int rank_ = 0;
  int64_t values_[max_rank] = {};
};

using Shape = Dims;
using Strides = Dims;  // in elements
using Axes = Dims;

// a * b for sizes; an error that names the operation where it does not fit into 63 bits or a factor is
// negative.
int64_t checked_product(const char* operation, int64_t a, int64_t b);

// The number of elements.
int64_t element_count_checked(const char* operation, const Shape& shape);
inline int64_t element_count(const char* operation, const Shape& shape) {
  int64_t count = 1;
  bool plain = true;  // no size of 0 or less, and no overflow
  for (int64_t size : shape) plain &= size > 0 && !__builtin_mul_overflow(count, size, &count);
  return plain ? count : element_count_checked(operation, shape);
}

inline Strides row_major(const Shape& shape) {
  Strides strides(shape.rank(), 1);
  int64_t stride = 1;
  for (int i = shape.rank() - 1; i > 0; --i) {
    if (shape[i] > 1) stride *= shape[i];
    strides[i - 1] = stride;
  }
  return strides;
}

// The index of an element from its place in row-major order: 5 in [2, 3] is [1, 2].
Dims index_at(int64_t place, const Shape& shape);

// An axis counted from the end (-1 is the last) as its place from the start; outside [-rank, rank) is an
// error.
[[noreturn]] void axis_outside(const char* operation, int64_t axis, int rank);
inline int normalize_axis(const char* operation, int64_t axis, int rank) {
  if (axis < -rank || axis >= rank) axis_outside(operation, axis, rank);
  return int(axis < 0 ? axis + rank : axis);
}

// The same for several axes, sorted, each at most once. No axes at all means every axis.
Axes normalize_axes(const char* operation, const Axes& axes, int rank);

// The shape that two operands stretch to: aligned at the last axis, a size of 1 fits any (NumPy's rule).
Shape broadcast_shapes(const char* operation, const Shape& a, const Shape& b);

// The shape after a reduction over those (normalized) axes.
Shape reduced_shape(const Shape& shape, const Axes& axes, bool keep_dims);

}  // namespace fovea
