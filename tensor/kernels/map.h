// The table of elementwise kernels that each instruction set fills (map.cpp). Strides count elements; 0
// repeats one.
#pragma once
#include <cstdint>

#include "tensor/functors.h"

namespace fovea {

template <class T> struct MapTable {
  // The loop of one functor: n a multiple of the register's lanes, every operand contiguous.
  using Loop1 = void (*)(const void* functor, int64_t n, const T* x, T* y);
  using Loop2 = void (*)(const void* functor, int64_t n, const T* a, const T* b, T* y);
  using SlopeLoop = void (*)(const void* functor, int64_t n, const T* x, T* y, T* slope);
  Loop1 unary[functor::UnaryFunctors::size];           // y = f.value(x)
  SlopeLoop with_slope[functor::UnaryFunctors::size];  // y and f'(x); null where f saves something else
  Loop2 gradient[functor::UnaryFunctors::size];        // dx = f.gradient(dy, saved)
  Loop2 binary[functor::BinaryFunctors::size];         // y = f.value(a, b)

  // Those loops over any n and strides (slopes: contiguous only).
  void (*run1)(Loop1 loop, const void* functor, int64_t n, const T* x, int64_t x_stride, T* y, int64_t y_stride);
  void (*run2)(Loop2 loop, const void* functor, int64_t n, const T* a, int64_t a_stride, const T* b, int64_t b_stride,
               T* y, int64_t y_stride);
  void (*run_slope)(SlopeLoop loop, const void* functor, int64_t n, const T* x, T* y, T* slope);
  void (*where)(int64_t n, const bool* c, int64_t c_stride, const T* a, int64_t a_stride, const T* b, int64_t b_stride,
                T* y);  // y = c ? a : b
};

struct MapKernels {
  MapTable<float> f32;
  MapTable<double> f64;
};

}  // namespace fovea
