#include "nn/init.h"

#include <cmath>

#include "tensor/elementwise.h"

namespace fovea::nn {
namespace {

struct Fans {
  double in, out;
};

Fans fans(const char* name, const Shape& shape) {
  if (shape.rank() < 2)
    fail(ErrorKind::shape, name, ": needs a matrix [in, out] to count what flows in and out, got ", shape,
         "; for a vector use normal() or uniform()");
  return {double(shape[shape.rank() - 2]), double(shape[shape.rank() - 1])};
}

// A uniform distribution on [-a, a) has variance a²/3.
Tensor uniform_of_deviation(const Shape& shape, double deviation, Rng& rng, DType dtype) {
  const double a = std::sqrt(3.0) * deviation;
  return uniform(shape, -a, a, rng, dtype);
}

double xavier_deviation(const char* name, const Shape& shape, double gain) {
  const Fans f = fans(name, shape);
  return gain * std::sqrt(2 / (f.in + f.out));
}

}  // namespace

Tensor normal(const Shape& shape, double mean, double deviation, Rng& rng, DType dtype) {
  Tensor x = randn(shape, rng, dtype).mul_(deviation);
  return mean == 0 ? x : x + mean;
}

Tensor xavier_uniform(const Shape& shape, Rng& rng, double gain, DType dtype) {
  return uniform_of_deviation(shape, xavier_deviation("xavier_uniform", shape, gain), rng, dtype);
}

Tensor xavier_normal(const Shape& shape, Rng& rng, double gain, DType dtype) {
  return normal(shape, 0, xavier_deviation("xavier_normal", shape, gain), rng, dtype);
}

Tensor kaiming_uniform(const Shape& shape, Rng& rng, double gain, DType dtype) {
  return uniform_of_deviation(shape, gain / std::sqrt(fans("kaiming_uniform", shape).in), rng, dtype);
}

Tensor kaiming_normal(const Shape& shape, Rng& rng, double gain, DType dtype) {
  return normal(shape, 0, gain / std::sqrt(fans("kaiming_normal", shape).in), rng, dtype);
}

}  // namespace fovea::nn
