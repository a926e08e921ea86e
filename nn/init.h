// Initial weights. A weight matrix is [in, out] here (y = x W), so fan_in is the last axis but one, fan_out the last.
//
// Each returns a new tensor; a gain stretches the deviation for the nonlinearity that follows (√2 for relu).
#pragma once
#include "tensor/random.h"

namespace fovea::nn {

using fovea::truncated_normal;  // (shape, mean, deviation, low, high, rng)
using fovea::uniform;           // (shape, low, high, rng)

Tensor normal(const Shape& shape, double mean, double deviation, Rng& rng, DType dtype = DType::f32);

// Variance gain² · 2 / (fan_in + fan_out), which keeps it level both ways through a layer (Glorot & Bengio 2010).
Tensor xavier_uniform(const Shape& shape, Rng& rng, double gain = 1, DType dtype = DType::f32);
Tensor xavier_normal(const Shape& shape, Rng& rng, double gain = 1, DType dtype = DType::f32);

// Variance gain² / fan_in: level through the forward pass; gain √2 is for relu (He, Zhang, Ren & Sun 2015).
Tensor kaiming_uniform(const Shape& shape, Rng& rng, double gain = 1.4142135623730951, DType dtype = DType::f32);
Tensor kaiming_normal(const Shape& shape, Rng& rng, double gain = 1.4142135623730951, DType dtype = DType::f32);

}  // namespace fovea::nn
