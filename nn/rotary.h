// RoPE, rotary position embedding: queries and keys are turned by an angle that grows with their place, so that the
// product of two depends on how far apart they are (Su et al. 2021, "RoFormer: enhanced Transformer with rotary
// position embedding", §3.2.2).
#pragma once
#include "autograd/variable.h"

namespace fovea::nn {

// x [..., T, d], standing at the places from `start` on. Channels i and i + d/2 are a pair, turned at place t by the
// angle t θ_i, θ_i = base^(-2i/d):
//
//   y_i       = x_i cos(t θ_i) - x_(i + d/2) sin(t θ_i)
//   y_(i+d/2) = x_(i + d/2) cos(t θ_i) + x_i sin(t θ_i)
//
// The paper pairs 2i with 2i + 1 (eq. 34). Halves, as in GPT-NeoX and LLaMA, are the same but for the order of the
// channels, which is the projections' to choose, and are read in one go.
Variable rotary(const Variable& x, int64_t start = 0, double base = 10000);

}  // namespace fovea::nn
