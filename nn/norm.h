// Normalisation along the last axis.
#pragma once
#include "autograd/rows.h"
#include "nn/module.h"

namespace fovea::nn {

// (x − mean) / √(variance + eps) ∘ weight + bias, each row by itself (Ba, Kiros & Hinton 2016).
struct LayerNorm : Module {
  Parameter weight, bias;  // [dim]
  double eps;

  explicit LayerNorm(int64_t dim, double eps_ = 1e-5) : weight(ones({dim})), bias(zeros({dim})), eps(eps_) {}

  Variable operator()(const Variable& x) const {  // [..., dim] to the same shape
    Scope scope(*this);
    return layer_norm(x, weight, bias, eps);
  }

  void visit(Visitor& v) override {
    v("weight", weight);
    v("bias", bias);
  }
};

// x / √(mean(x²) + eps) ∘ weight: no mean subtracted, no bias (Zhang & Sennrich 2019).
struct RMSNorm : Module {
  Parameter weight;  // [dim]
  double eps;

  explicit RMSNorm(int64_t dim, double eps_ = 1e-5) : weight(ones({dim})), eps(eps_) {}

  Variable operator()(const Variable& x) const {  // [..., dim] to the same shape
    Scope scope(*this);
    return rms_norm(x, weight, eps);
  }

  void visit(Visitor& v) override { v("weight", weight); }
};

}  // namespace fovea::nn
