// What the optimisers ask for, and the table of their kernels that each instruction set fills (optimizer.cpp). All
// operands lie without gaps.
#pragma once
#include <cstdint>

namespace fovea {

// d = grad + decay x;  momentum: buffer = d at first, then momentum · buffer + d, and d = buffer
// (Nesterov: d + momentum · buffer);  x −= lr d.
struct SgdStep {
  double lr, momentum = 0, decay = 0;
  bool nesterov = false;
  bool first = false;  // the buffer holds nothing yet
};

// g = grad + l2 x;  m = β₁ m + (1 − β₁) g;  v = β₂ v + (1 − β₂) g²;
// x = shrink · x − lr m̂ / (√v̂ + eps), where m̂ = m / (1 − β₁ᵗ) and v̂ = v / (1 − β₂ᵗ).
struct AdamStep {
  double lr, beta1, beta2, eps;
  double l2 = 0;      // Adam's weight decay
  double shrink = 1;  // AdamW's: 1 − lr · decay
  int64_t t;          // 1 at the first step
};

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
