#include "nn/positions.h"

#include <cmath>

#include "tensor/elementwise.h"

namespace fovea::nn {

Tensor sinusoidal_positions(int64_t length, int64_t dim, DType dtype, int64_t start) {
  if (dim < 2 || dim % 2 != 0)
    fail(ErrorKind::value, "sinusoidal_positions: channels come in pairs of sine and cosine, got dim ", dim);
  const Tensor t = arange(double(start), double(start + length), 1, DType::f64);       // [T]
  const Tensor exponent = arange(0, double(dim), 2, DType::f64) * (-1 / double(dim));  // [C/2]
  const Tensor frequency = exp(exponent * std::log(10000.0));                          // 10000^(-2i/dim)
  const Tensor angle = unsqueeze(t, 1) * frequency;                                    // [T, C/2]
  Tensor table = empty({length, dim}, DType::f64);                                     // [T, C]
  slice(table, 1, 0, dim, 2).copy_(sin(angle));
  slice(table, 1, 1, dim, 2).copy_(cos(angle));
  return table.to(dtype);
}

Variable LearnedPositions::operator()(int64_t length, int64_t start) const {
  Scope scope(*this);
  if (start + length > context())
    fail(ErrorKind::shape, "LearnedPositions: positions ", start, " to ", start + length - 1,
         " of a sequence, the context is ", context(),
         "; shorten the sequence or make the model with a longer context");
  return narrow(weight, 0, start, length);  // [T, C]
}

}  // namespace fovea::nn
