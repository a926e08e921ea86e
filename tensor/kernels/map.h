// The table of elementwise kernels that each instruction set fills (map.cpp). Strides count elements; 0
// repeats one.
#pragma once
#include <cstdint>

#include "tensor/functors.h"

namespace fovea {

template <class T> struct MapTable {
  using Unary = void (*)(const void* functor, int64_t n, const T* x, int64_t x_stride, T* y, int64_t y_stride);
  using Binary = void (*)(const void* functor, int64_t n, const T* a, int64_t a_stride, const T* b, int64_t b_stride,
                          T* y, int64_t y_stride);
  Unary unary[functor::UnaryFunctors::size];      // y = f.value(x)
  Binary gradient[functor::UnaryFunctors::size];  // dx = f.gradient(dy, saved)
  Binary binary[functor::BinaryFunctors::size];   // y = f.value(a, b)
  void (*where)(int64_t n, const bool* c, int64_t c_stride, const T* a, int64_t a_stride, const T* b, int64_t b_stride,
                T* y);  // y = c ? a : b
};

struct MapKernels {
  MapTable<float> f32;
  MapTable<double> f64;
};

template <class T> const MapTable<T>& table_of(const MapKernels& kernels) {
  if constexpr (sizeof(T) == 4)
    return kernels.f32;
  else
    return kernels.f64;
}

}  // namespace fovea
