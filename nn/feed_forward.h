// FeedForward: the same two-layer network at every position; it mixes channels, never positions
// (Vaswani et al. 2017, "Attention is all you need", §3.3).
#pragma once
#include "nn/activation.h"
#include "nn/linear.h"

namespace fovea::nn {

struct FeedForwardConfig {
  int64_t dim = 0;
  int64_t hidden = 0;  // 0: 4 · dim
  Activation activation = Activation::gelu;
  bool bias = true;
  int64_t width() const { return hidden ? hidden : 4 * dim; }
};

struct FeedForward : Module {
  Linear expand, contract;
  Activation activation;

  FeedForward(const FeedForwardConfig& c, Rng& rng)
      : expand({.in = c.dim, .out = c.width(), .bias = c.bias}, rng),
        contract({.in = c.width(), .out = c.dim, .bias = c.bias}, rng),
        activation(c.activation) {}

  Variable operator()(const Variable& x) const {  // [B, T, C]
    Scope scope(*this);
    const Variable hidden = activate(expand(x), activation);  // [B, T, 4C]
    return contract(hidden);                                  // [B, T, C]
  }

  void visit(Visitor& v) override {
    v("expand", expand);
    v("contract", contract);
  }
};

}  // namespace fovea::nn
