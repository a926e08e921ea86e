// Dropout: while training each element is set to 0 with probability p and the others grow by 1 / (1 − p), so that the
// expectation stays; while evaluating nothing happens (Srivastava et al. 2014).
#pragma once
#include "autograd/dropout.h"
#include "nn/module.h"

namespace fovea::nn {

struct Dropout : Module {
  double p;
  bool training = true;
  mutable Rng rng;  // of its own, so that masks depend neither on other layers nor on their order; drawing moves it

  // The stream is named after the place in the caller's generator, which differs for each layer that is made from it.
  Dropout(double probability, Rng& parent)
      : p(probability), rng(parent.stream("dropout " + std::to_string(parent.reserve(1)))) {
    if (!(p >= 0 && p < 1)) fail(ErrorKind::value, "Dropout: the probability must lie in [0, 1), got ", p);
  }

  Variable operator()(const Variable& x) const {
    if (!training || p == 0) return x;
    Scope scope(*this);
    return dropout(x, p, rng);
  }

  void visit(Visitor& v) override {
    v("rng", rng);
    v("training", training);
  }
};

}  // namespace fovea::nn
