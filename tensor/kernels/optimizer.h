// The table of optimiser kernels that each instruction set fills (optimizer.cpp). All operands lie without gaps.
#pragma once
#include <cstdint>

#include "tensor/optimizer_step.h"

namespace fovea {

template <class T> struct OptimizerTable {
  void (*sgd)(int64_t n, T* x, const T* grad, T* buffer, const SgdStep& step);
  void (*adam)(int64_t n, T* x, const T* grad, T* m, T* v, const AdamStep& step, double rate, double root);
  double (*sum_of_squares)(int64_t n, const T* x);
};

struct OptimizerKernels {
  OptimizerTable<float> f32;
  OptimizerTable<double> f64;
};

}  // namespace fovea
