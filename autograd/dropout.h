// Dropout: zeroes elements at random while training (Srivastava et al. 2014).
#pragma once
#include "autograd/variable.h"
#include "tensor/random.h"

namespace fovea {

// Each element is 0 with probability p, else divided by 1 − p, so that the mean stays. The mask is a function of the
// generator's position, which advances.
Variable dropout(const Variable& x, double p, Rng& rng);

}  // namespace fovea
