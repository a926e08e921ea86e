#include "nn/rotary.h"

#include "autograd/elementwise.h"
#include "autograd/indexing.h"
#include "nn/positions.h"

namespace fovea::nn {

Variable rotary(const Variable& x, int64_t start, double base) {
  const int64_t length = x.size(-2), dim = x.size(-1);
  if (dim % 2 != 0)
    fail(ErrorKind::value, "rotary: channels are turned in pairs, so a head needs an even number of them, got ", dim);
  const Tensor angle = position_angles(length, dim, start, base);                // [T, d/2]
  const Tensor cosine = cos(angle), sine = sin(angle);                           // [T, d/2]
  const Tensor own = cat({cosine, cosine}, 1).to(x.dtype());                     // [T, d]
  const Tensor others = cat({-sine, sine}, 1).to(x.dtype());                     // [T, d]
  return x * Variable(own) + roll(x, dim / 2, x.rank() - 1) * Variable(others);  // the roll swaps the halves
}

}  // namespace fovea::nn
