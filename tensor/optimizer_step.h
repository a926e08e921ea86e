// What optimisers do to a tensor, each in one pass over the memory: the formulas of optim/ as loops over elements.
//
// x, its gradient and its state have one shape and one dtype, f32 or f64. The state tensors are contiguous; x and the
// gradient may be strided.
#pragma once
#include <span>

#include "tensor/kernels/optimizer.h"
#include "tensor/tensor.h"

namespace fovea {

// The formulas stand with SgdStep and AdamStep, in kernels/optimizer.h.
void sgd_step(Tensor& x, const Tensor& grad, Tensor* buffer, const SgdStep& step);  // no buffer: no momentum
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
