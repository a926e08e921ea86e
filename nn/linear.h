// Linear: y = x W + b.
#pragma once
#include "autograd/elementwise.h"
#include "autograd/matmul.h"
#include "nn/init.h"
#include "nn/module.h"

namespace fovea::nn {

struct LinearConfig {
  int64_t in = 0;
  int64_t out = 0;
  bool bias = true;
};

struct Linear : Module {
  Parameter weight;  // [in, out], Xavier uniform at first
  Parameter bias;    // [out], zero at first; undefined without bias

  Linear(const LinearConfig& c, Rng& rng) : weight(xavier_uniform({c.in, c.out}, rng)) {
    if (c.bias) bias = Parameter(zeros({c.out}));
  }
  Linear(int64_t in, int64_t out, Rng& rng) : Linear({.in = in, .out = out}, rng) {}

  Variable operator()(const Variable& x) const {  // [..., in]
    Scope scope(*this);
    const Variable y = matmul(x, weight);  // [..., out]
    return bias.defined() ? y + bias : y;
  }

  void visit(Visitor& v) override {
    v("weight", weight);
    if (bias.defined()) v("bias", bias);
  }
};

}  // namespace fovea::nn
