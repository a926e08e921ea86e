#include "tensor/tensor.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "tensor/loop.h"

namespace fovea {
namespace {

// A number as an element: bool is "not zero", i64 is cut towards zero.
template <class To, class From> To convert(From value) {
  if constexpr (std::is_same_v<To, bool>)
    return value != From(0);
  else
    return static_cast<To>(value);
}

// The same value n times: a block of it, and copies of the block, which are vectorised for every type.
template <class T> void repeat(T value, T* y, int64_t n) {
  const int64_t block = std::min<int64_t>(n, 256);
  std::fill_n(y, block, value);
  for (int64_t i = block; i < n; i += block)
    std::memcpy(static_cast<void*>(y + i), y, size_t(std::min(block, n - i)) * sizeof(T));
}

template <class From, class To> void copy_converted(const Tensor& from, Tensor& to) {
  const Loop loop(to.shape(), {broadcast_strides(from.shape(), from.strides(), to.shape()), to.strides()});
  const From* source = from.data<From>();
  To* target = to.data<To>();
  const int64_t from_stride = loop.run_strides[0], to_stride = loop.run_strides[1];
  loop.run([&](const int64_t* at, int64_t n) {
    const From* x = source + at[0];
    To* y = target + at[1];
    if (std::is_same_v<From, To> && from_stride == 1 && to_stride == 1) {
      std::memcpy(static_cast<void*>(y), x, size_t(n) * sizeof(To));
    } else if (from_stride == 0 && to_stride == 1) {
      repeat(convert<To>(*x), y, n);
    } else {
      for (int64_t i = 0; i < n; ++i) y[i * to_stride] = convert<To>(x[i * from_stride]);
    }
  });
}

// Where an element lies, counted from the first.
int64_t element_offset(const char* operation, const Tensor& x, const Dims& index) {
  if (index.rank() != x.rank())
    fail(ErrorKind::index, operation, ": index ", index, " has ", index.rank(), " parts, x ", x.shape(), " has ",
         x.rank(), " axes");
  int64_t offset = 0;
  for (int axis = 0; axis < x.rank(); ++axis) {
    const int64_t size = x.shape()[axis];
    const int64_t i = index[axis] < 0 ? index[axis] + size : index[axis];
    if (i < 0 || i >= size)
      fail(ErrorKind::index, operation, ": index ", index[axis], " outside axis ", axis, " of x ", x.shape());
    offset += i * x.strides()[axis];
  }
  return offset;
}

// Writes value(i) to element i of a new vector.
template <class Value> Tensor generate(const Shape& shape, DType dtype, Value value) {
  Tensor x = empty(shape, dtype);
  with_type(dtype, [&]<class T>(T) {
    T* data = x.data<T>();
    for (int64_t i = 0; i < x.count(); ++i) data[i] = convert<T>(value(i));
  });
  return x;
}

}  // namespace

void Tensor::no_elements(DType wanted) const {
  if (!defined()) fail(ErrorKind::value, "tensor: undefined (default-constructed) where one with elements is needed");
  fail(ErrorKind::dtype, "tensor: ", shape_, " is ", dtype_, ", used as ", wanted);
}

bool Tensor::is_contiguous() const {
  int64_t expected = 1;
  for (int axis = rank() - 1; axis >= 0; --axis) {
    if (shape_[axis] == 1) continue;
    if (strides_[axis] != expected) return count_ == 0;
    expected *= shape_[axis];
  }
  return true;
}

bool Tensor::owns_alone() const { return storage_.unique() && storage_.bytes() == bytes() && is_contiguous(); }

Tensor Tensor::view(const Shape& shape, const Strides& strides, int64_t offset) const {
  return Tensor(storage_, dtype_, shape, strides, offset_ + offset);
}

Tensor Tensor::to(DType dtype) const {
  if (dtype == dtype_) return *this;
  Tensor result = empty(shape_, dtype);
  result.copy_(*this);
  return result;
}

Tensor Tensor::clone() const {
  Tensor result = empty(shape_, dtype_);
  result.copy_(*this);
  return result;
}

Tensor Tensor::contiguous() const { return is_contiguous() ? *this : clone(); }

double Tensor::item() const {
  if (count_ != 1) fail(ErrorKind::shape, "item: takes a tensor with one element, x ", shape_, " has ", count_);
  return at(Dims(rank(), 0));
}

double Tensor::at(const Dims& index) const {
  const int64_t offset = element_offset("at", *this, index);
  return with_type(dtype_, [&]<class T>(T) { return double(data<T>()[offset]); });
}

void Tensor::set(const Dims& index, double value) {
  const int64_t offset = element_offset("set", *this, index);
  with_type(dtype_, [&]<class T>(T) { data<T>()[offset] = convert<T>(value); });
}

template <class T> std::vector<T> Tensor::to_vector() const {
  const Tensor flat = contiguous();
  const T* first = flat.data<T>();
  return std::vector<T>(first, first + count_);
}
template std::vector<float> Tensor::to_vector() const;
template std::vector<double> Tensor::to_vector() const;
template std::vector<int64_t> Tensor::to_vector() const;
template std::vector<bool> Tensor::to_vector() const;

Tensor& Tensor::fill_(double value) { return copy_(scalar(value, dtype_)); }

Tensor& Tensor::copy_(const Tensor& from) {
  if (broadcast_shapes("copy_", from.shape(), shape_) != shape_)
    fail(ErrorKind::shape, "copy_: from ", from.shape(), " does not stretch to ", shape_);
  with_type(from.dtype(),
            [&]<class From>(From) { with_type(dtype_, [&]<class To>(To) { copy_converted<From, To>(from, *this); }); });
  return *this;
}

Tensor empty(const Shape& shape, DType dtype) {
  const int64_t count = element_count("empty", shape);
  const int64_t bytes = checked_product("empty", count, size_of(dtype));
  return Tensor(Storage(bytes), dtype, shape);
}

Tensor zeros(const Shape& shape, DType dtype) {
  Tensor x = empty(shape, dtype);
  with_type(dtype, [&]<class T>(T) { std::memset(static_cast<void*>(x.data<T>()), 0, size_t(x.bytes())); });
  return x;
}

Tensor scalar(double value, DType dtype) {
  Tensor x = empty({}, dtype);
  with_type(dtype, [&]<class T>(T) { *x.data<T>() = convert<T>(value); });
  return x;
}

Tensor full(const Shape& shape, double value, DType dtype) {
  Tensor x = empty(shape, dtype);
  x.fill_(value);
  return x;
}

Tensor ones(const Shape& shape, DType dtype) { return full(shape, 1, dtype); }

Tensor arange(double start, double stop, double step, DType dtype) {
  if (step == 0 || !std::isfinite((stop - start) / step))
    fail(ErrorKind::value, "arange: from ", start, " to ", stop, " by ", step, " has no number of elements");
  const auto count = int64_t(std::max(0.0, std::ceil((stop - start) / step)));
  return generate({count}, dtype, [=](int64_t i) { return start + double(i) * step; });
}

Tensor arange(int64_t count) { return arange(0, double(count)); }

Tensor linspace(double start, double stop, int64_t count, DType dtype) {
  if (count < 0) fail(ErrorKind::value, "linspace: ", count, " points; at least 0 are needed");
  const double step = count > 1 ? (stop - start) / double(count - 1) : 0;
  return generate({count}, dtype, [=](int64_t i) { return i == count - 1 && i ? stop : start + double(i) * step; });
}

Tensor eye(int64_t n, DType dtype) {
  return generate({n, n}, dtype, [n](int64_t i) { return double(i / n == i % n); });
}

Tensor tensor(std::initializer_list<double> values, DType dtype) {
  return generate({int64_t(values.size())}, dtype, [&](int64_t i) { return values.begin()[i]; });
}

namespace {
// Rows of equal length put together into one tensor with an axis more.
template <class Rows> Tensor assemble(const Rows& rows, DType dtype) {
  Tensor result;
  int64_t i = 0;
  for (const auto& values : rows) {
    const Tensor row = tensor(values, dtype);
    if (i == 0) {
      Shape shape = row.shape();
      shape.insert(0, int64_t(rows.size()));
      result = empty(shape, dtype);
    }
    const Shape wanted{std::span(result.shape().begin() + 1, result.shape().end())};
    if (row.shape() != wanted) fail(ErrorKind::shape, "tensor: row ", i, " is ", row.shape(), ", row 0 is ", wanted);
    const Strides strides{std::span(result.strides().begin() + 1, result.strides().end())};
    result.view(wanted, strides, i++ * result.strides()[0]).copy_(row);
  }
  return result.defined() ? result : empty({0}, dtype);
}
}  // namespace

Tensor tensor(std::initializer_list<std::initializer_list<double>> rows, DType dtype) { return assemble(rows, dtype); }

Tensor tensor(std::initializer_list<std::initializer_list<std::initializer_list<double>>> blocks, DType dtype) {
  return assemble(blocks, dtype);
}

namespace {
void require_count(int64_t values, const Shape& shape) {
  if (values != element_count("from_data", shape))
    fail(ErrorKind::shape, "from_data: ", values, " values do not fill ", shape, ", which takes ",
         element_count("from_data", shape));
}
}  // namespace

template <class T> Tensor from_data(std::span<const T> values, const Shape& shape) {
  require_count(int64_t(values.size()), shape);
  Tensor x = empty(shape, dtype_of<T>());
  if (!values.empty()) std::memcpy(static_cast<void*>(x.data<T>()), values.data(), values.size_bytes());
  return x;
}
template Tensor from_data(std::span<const float>, const Shape&);
template Tensor from_data(std::span<const double>, const Shape&);
template Tensor from_data(std::span<const int64_t>, const Shape&);
template Tensor from_data(std::span<const bool>, const Shape&);

template <class T> Tensor from_vector(const std::vector<T>& values, const Shape& shape) {
  require_count(int64_t(values.size()), shape);
  Tensor x = empty(shape, dtype_of<T>());
  std::copy(values.begin(), values.end(), x.data<T>());  // a vector<bool> has no array to copy from
  return x;
}
template Tensor from_vector(const std::vector<float>&, const Shape&);
template Tensor from_vector(const std::vector<double>&, const Shape&);
template Tensor from_vector(const std::vector<int64_t>&, const Shape&);
template Tensor from_vector(const std::vector<bool>&, const Shape&);

template <class T> Tensor from_vector(const std::vector<T>& values) {
  return from_vector(values, {int64_t(values.size())});
}
template Tensor from_vector(const std::vector<float>&);
template Tensor from_vector(const std::vector<double>&);
template Tensor from_vector(const std::vector<int64_t>&);
template Tensor from_vector(const std::vector<bool>&);

bool identical(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || a.shape() != b.shape()) return false;
  const Tensor x = a.contiguous(), y = b.contiguous();
  return with_type(a.dtype(),
                   [&]<class T>(T) { return std::memcmp(x.data<T>(), y.data<T>(), size_t(x.bytes())) == 0; });
}

double max_abs_difference(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape())
    fail(ErrorKind::shape, "max_abs_difference: shapes differ: a ", a.shape(), ", b ", b.shape());
  const std::vector<double> x = a.to(DType::f64).to_vector<double>(), y = b.to(DType::f64).to_vector<double>();
  double largest = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const bool same = x[i] == y[i] || (std::isnan(x[i]) && std::isnan(y[i]));
    const double difference = std::abs(x[i] - y[i]);
    if (!same)
      largest = std::isnan(difference) ? std::numeric_limits<double>::infinity() : std::max(largest, difference);
  }
  return largest;
}

}  // namespace fovea
