#include "autograd/dropout.h"

#include "autograd/elementwise.h"

namespace fovea {

Variable dropout(const Variable& x, double p, Rng& rng) {
  if (!(p >= 0 && p <= 1)) fail(ErrorKind::value, "dropout: probability ", p, " lies outside [0, 1]");
  if (p == 0) return x;
  return x * Variable(dropout_mask(x.shape(), p, rng, x.dtype()));
}

}  // namespace fovea
