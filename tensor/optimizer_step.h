// What optimisers do to a tensor, each in one pass over the memory: the formulas of optim/ as loops over elements.
//
// x, its gradient and its state have one shape and one dtype, f32 or f64. The state tensors are contiguous; x and the
// gradient may be strided.
#pragma once
#include <span>

#include "tensor/tensor.h"

namespace fovea {

// d = grad + decay x;  momentum: buffer = d at first, then momentum · buffer + d, and d = buffer
// (Nesterov: d + momentum · buffer);  x −= lr d.
struct SgdStep {
  double lr, momentum = 0, decay = 0;
  bool nesterov = false;
  bool first = false;  // the buffer holds nothing yet
};
void sgd_step(Tensor& x, const Tensor& grad, Tensor* buffer, const SgdStep& step);  // no buffer: no momentum

// g = grad + l2 x;  m = β₁ m + (1 − β₁) g;  v = β₂ v + (1 − β₂) g²;
// x = shrink · x − lr m̂ / (√v̂ + eps), where m̂ = m / (1 − β₁ᵗ) and v̂ = v / (1 − β₂ᵗ).
struct AdamStep {
  double lr, beta1, beta2, eps;
  double l2 = 0;      // Adam's weight decay
  double shrink = 1;  // AdamW's: 1 − lr · decay
  int64_t t;          // 1 at the first step
};
void adam_step(Tensor& x, const Tensor& grad, Tensor& m, Tensor& v, const AdamStep& step);

// Many tensors at once, in one walk that the threads share: a model has more small tensors than large ones.
struct AdamTensors {
  Tensor *x, *m, *v;
  const Tensor* grad;
  AdamStep step;
};
void adam_steps(std::span<const AdamTensors> all);

double sum_of_squares(std::span<const Tensor> all);  // Σ x² over every element, added up in f64

}  // namespace fovea
