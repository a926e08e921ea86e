// Activation checkpointing: memory for time (Chen et al. 2016).
#pragma once
#include <functional>

#include "autograd/variable.h"

namespace fovea {

// fn(x), of which only x is kept for the backward: there fn runs once more, on an inner tape, with the same dropout
// masks. Parameters used inside fn get their gradients as ever. Other recorded variables must come in through x, not
// by capture (that is an error).
Variable checkpoint(std::function<Variable(const Variable&)> fn, const Variable& x);

}  // namespace fovea
