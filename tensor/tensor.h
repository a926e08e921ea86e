// Tensor: a strided view on reference-counted storage. Copying one copies the view, never the elements.
//
// What is done with tensors are free functions, named as PyTorch names them, and declared by subject:
//   views.h        reshape, transpose, slice, …           O(1), on the same storage
//   elementwise.h  +, exp, gelu, where, …                  one result element per element, with broadcasting
//   reduce.h       sum, mean, max, …                       over any axes
//   rows.h         softmax, layer_norm, …                  along one axis
//   matmul.h       matmul, einsum.h                        products
//   indexing.h     cat, gather, topk, …                    moving elements
//   random.h       rand, randn, …
#pragma once
#include <span>
#include <vector>

#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "tensor/storage.h"

namespace fovea {

class Tensor {
 public:
  Tensor() = default;                                       // undefined: no storage, no shape
  Tensor(Storage storage, DType dtype, const Shape& shape)  // row-major from the beginning of the storage
      : storage_(std::move(storage)),
        dtype_(dtype),
        count_(element_count("tensor", shape)),
        shape_(shape),
        strides_(row_major(shape)) {}
  Tensor(Storage storage, DType dtype, const Shape& shape, const Strides& strides, int64_t offset)
      : storage_(std::move(storage)),
        dtype_(dtype),
        offset_(offset),
        count_(element_count("tensor", shape)),
        shape_(shape),
        strides_(strides) {}

  bool defined() const { return bool(storage_); }
  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  const Strides& strides() const { return strides_; }  // in elements
  int rank() const { return shape_.rank(); }
  int64_t size(int axis) const { return shape_[normalize_axis("size", axis, rank())]; }  // -1: the last
  int64_t count() const { return count_; }                                               // number of elements
  int64_t bytes() const { return count_ * size_of(dtype_); }
  bool is_contiguous() const;  // row-major without gaps
  bool owns_alone() const;     // contiguous, whole, and nobody else holds the storage

  // The first element; the pointer is good for as long as the storage lives. Only tensor/ uses these.
  template <class T> const T* data() const { return first<T>(); }
  template <class T> T* data() { return first<T>(); }

  Tensor to(DType dtype) const;  // itself where the type is that already; else a converted copy
  Tensor clone() const;          // a copy with its own storage, contiguous
  Tensor contiguous() const;     // itself where it is contiguous; else a copy

  double item() const;                                  // of a tensor with one element
  double at(const Dims& index) const;                   // one element; negative indices count from the end
  template <class T> std::vector<T> to_vector() const;  // all elements, row-major, of dtype T exactly

  // In place, on the storage that every view of it sees. The names end in _ as PyTorch's do.
  Tensor& fill_(double value);
  Tensor& copy_(const Tensor& from);                    // shape broadcast to ours, dtype converted
  Tensor& add_(const Tensor& other, double scale = 1);  // x += scale · other
  Tensor& mul_(double factor);
  void set(const Dims& index, double value);

  // Another view on the same storage; offset counts from this tensor's first element.
  Tensor view(const Shape& shape, const Strides& strides, int64_t offset = 0) const;
  const Storage& storage() const { return storage_; }

 private:
  template <class T> T* first() const {
    if (!defined() || dtype_ != dtype_of<T>()) no_elements(dtype_of<T>());
    return reinterpret_cast<T*>(storage_.data()) + offset_;
  }
  [[noreturn]] void no_elements(DType wanted) const;
  Storage storage_;
  DType dtype_ = DType::f32;
  int64_t offset_ = 0;
  int64_t count_ = 0;
  Shape shape_;
  Strides strides_;
};

Tensor empty(const Shape& shape, DType dtype = DType::f32);  // uninitialised
Tensor zeros(const Shape& shape, DType dtype = DType::f32);
Tensor ones(const Shape& shape, DType dtype = DType::f32);
Tensor full(const Shape& shape, double value, DType dtype = DType::f32);
Tensor scalar(double value, DType dtype = DType::f32);                                // []
Tensor arange(double start, double stop, double step = 1, DType dtype = DType::i64);  // [start, stop)
Tensor arange(int64_t count);                                                         // i64: 0 … count-1
Tensor linspace(double start, double stop, int64_t count, DType dtype = DType::f32);  // both ends included
Tensor eye(int64_t n, DType dtype = DType::f32);
Tensor tensor(std::initializer_list<double> values, DType dtype = DType::f32);  // [n]
Tensor tensor(std::initializer_list<std::initializer_list<double>> rows, DType dtype = DType::f32);
Tensor tensor(std::initializer_list<std::initializer_list<std::initializer_list<double>>> blocks,
              DType dtype = DType::f32);
template <class T> Tensor from_data(std::span<const T> values, const Shape& shape);  // copies; dtype is T's
template <class T> Tensor from_vector(const std::vector<T>& values, const Shape& shape);
template <class T> Tensor from_vector(const std::vector<T>& values);  // [n]

// Every element the same, bit for bit, with shape and dtype; NaN equals NaN of the same bits.
bool identical(const Tensor& a, const Tensor& b);
// The largest |a - b| over all elements (in f64); infinite where a NaN meets a number. Shapes must agree.
double max_abs_difference(const Tensor& a, const Tensor& b);

}  // namespace fovea
