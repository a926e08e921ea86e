// BatchNorm: each channel is shifted and scaled to mean 0 and variance 1 over the batch (Ioffe & Szegedy 2015); while
// evaluating, by running estimates of both, so that one example's result does not depend on its company.
#pragma once
#include "nn/module.h"

namespace fovea::nn {

struct BatchNormConfig {
  double eps = 1e-5;
  double momentum = 0.1;  // the share of the newest batch in the running estimates
};

// (x − mean) / √(variance + eps) ∘ weight + bias; mean and variance are those of a channel over everything else. The
// variance divides by n here, by n − 1 in the running estimate, as in PyTorch.
struct BatchNorm : Module {
  Parameter weight, bias;                    // [C]
  mutable Tensor running_mean, running_var;  // [C]: 0 and 1 at first; each batch while training moves them
  double eps, momentum;
  bool training = true;
  int channel_axis;  // counted from the end where negative
  int rank;          // of what it takes; 0: any

  BatchNorm(int64_t channels, int channel_axis, int rank, const BatchNormConfig& config);
  Variable operator()(const Variable& x) const;  // to the same shape
  void visit(Visitor& v) override;
};

// Images [B, C, H, W].
struct BatchNorm2d : BatchNorm {
  explicit BatchNorm2d(int64_t channels, const BatchNormConfig& c = {}) : BatchNorm(channels, 1, 4, c) {}
};

// Vectors [B, C] and sequences [B, T, C].
struct BatchNorm1d : BatchNorm {
  explicit BatchNorm1d(int64_t channels, const BatchNormConfig& c = {}) : BatchNorm(channels, -1, 0, c) {}
};

}  // namespace fovea::nn
