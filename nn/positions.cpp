#include "nn/positions.h"

#include <cmath>

#include "autograd/elementwise.h"

namespace fovea::nn {

const char* name(Positions positions) {
  constexpr const char* names[] = {"none", "sinusoidal", "learned", "t5", "transformer_xl", "deberta", "alibi", "rope"};
  return names[size_t(positions)];
}

Tensor position_angles(int64_t length, int64_t dim, int64_t start, double base) {
  const Tensor t = arange(double(start), double(start + length), 1, DType::f64);       // [T]
  const Tensor exponent = arange(0, double(dim), 2, DType::f64) * (-1 / double(dim));  // [C/2]
  const Tensor frequency = exp(exponent * std::log(base));                             // base^(-2i/dim)
  return unsqueeze(t, 1) * frequency;                                                  // [T, C/2]
}

Tensor sinusoidal_positions(int64_t length, int64_t dim, DType dtype, int64_t start) {
  if (dim < 2 || dim % 2 != 0)
    fail(ErrorKind::value, "sinusoidal_positions: channels come in pairs of sine and cosine, got dim ", dim);
  const Tensor angle = position_angles(length, dim, start);  // [T, C/2]
  Tensor table = empty({length, dim}, DType::f64);           // [T, C]
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

PositionEmbedding::PositionEmbedding(const PositionEmbeddingConfig& c, Rng& rng)
    : positions(c.positions), size(c.size) {
  if (positions == Positions::sinusoidal && c.dim % 2 != 0)
    fail(ErrorKind::value, "PositionEmbedding: dim must be even, for the sinusoidal positions, got ", c.dim);
  if (positions != Positions::learned) return;
  if (c.context < 1)
    fail(ErrorKind::value,
         "PositionEmbedding: learned positions need a context, the most positions that there can be, got ", c.context);
  learned.emplace(c.context, c.dim, rng, c.size);
}

Variable PositionEmbedding::operator()(const Variable& x, int64_t start) const {
  Scope scope(*this);
  const int64_t length = x.size(-2), dim = x.size(-1);
  if (learned) return x + (*learned)(length, start);
  if (positions == Positions::sinusoidal) return x + sinusoidal_positions(length, dim, x.dtype(), start) * size;
  return x;
}

}  // namespace fovea::nn
