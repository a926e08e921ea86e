// Clipping by the global norm: one long gradient is shortened, its direction kept (Pascanu, Mikolov & Bengio 2013).
#pragma once
#include <vector>

#include "autograd/variable.h"

namespace fovea::optim {

// √Σ g² over every gradient, added up in f64. Parameters without a gradient do not count.
double grad_norm(const std::vector<NamedParameter>& parameters);

// Multiplies every gradient by min(1, max_norm / (norm + 1e-6)), as PyTorch does, and returns the norm before. A norm
// that is not finite is returned too, and then the gradients are left alone: look at it before the step.
double clip_grad_norm(const std::vector<NamedParameter>& parameters, double max_norm);

}  // namespace fovea::optim
