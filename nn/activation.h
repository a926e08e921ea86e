// The nonlinearities that a configuration can choose by name.
#pragma once
#include "autograd/elementwise.h"

namespace fovea::nn {

enum class Activation { relu, gelu, gelu_tanh, silu };

inline Variable activate(const Variable& x, Activation kind) {
  switch (kind) {
    case Activation::relu: return relu(x);
    case Activation::gelu_tanh: return gelu_tanh(x);
    case Activation::silu: return silu(x);
    case Activation::gelu: break;
  }
  return gelu(x);
}

}  // namespace fovea::nn
