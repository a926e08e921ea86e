// The regression problem of the attention notes (and of "Dive into deep learning", §11.2): noisy points of a curve.
#pragma once
#include "tensor/elementwise.h"
#include "tensor/random.h"
#include "tensor/sort.h"

namespace fovea::lib {

inline Tensor true_curve(const Tensor& x) { return 2.0 * sin(x) + pow(x, 0.8); }  // of any shape, x ≥ 0

struct NoisyCurve {
  Tensor x, y;  // f64 [n]: x ascending in [0, 5), y = true_curve(x) + normal noise
};
inline NoisyCurve noisy_curve(int64_t n, Rng& rng, double noise = 0.5) {
  const Tensor x = sort(uniform({n}, 0, 5, rng, DType::f64)).values;
  return {x, true_curve(x) + noise * randn({n}, rng, DType::f64)};
}

}  // namespace fovea::lib
