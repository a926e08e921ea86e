#include "autograd/matmul.h"

#include "autograd/operation.h"
#include "tensor/views.h"

namespace fovea {
namespace {

// C = A B:  dA = dC Bᵀ,  dB = Aᵀ dC. Over batches that were broadcast the tape sums; where B is one matrix for all
// batches, its gradient is a single product over the rows of all of them.
struct Matmul {
  Tensor a, b;
  double products = 0;  // multiplications
  Tensor forward(const Tensor& a_, const Tensor& b_) {
    Tensor y = matmul(a = a_, b = b_);
    products = double(y.count()) * double(a.size(-1));
    return y;
  }
  double flops() const { return 2 * products; }
  double backward_flops(Needs<2> needs) const { return 2 * products * double(needs.count()); }

  Grads<2> backward(const Tensor& dy, Needs<2> needs) const {
    if (a.rank() == 1 || b.rank() == 1) return vector_backward(dy, needs);
    Grads<2> grads;
    if (needs[0]) grads[0] = matmul(dy, transpose(b));
    if (needs[1] && b.rank() == 2)
      grads[1] = matmul(transpose(flatten(a, 0, -2)), flatten(dy, 0, -2));
    else if (needs[1])
      grads[1] = matmul(transpose(a), dy);
    return grads;
  }

 private:
  // A vector counts as a matrix of one row (a) or one column (b), and the axis is dropped again.
  Grads<2> vector_backward(const Tensor& dy, Needs<2> needs) const {
    const Tensor a2 = a.rank() == 1 ? unsqueeze(a, 0) : a;
    const Tensor b2 = b.rank() == 1 ? unsqueeze(b, 1) : b;
    Tensor dy2 = b.rank() == 1 ? unsqueeze(dy, -1) : dy;
    if (a.rank() == 1) dy2 = unsqueeze(dy2, -2);
    Grads<2> grads;
    if (needs[0]) grads[0] = matmul(dy2, transpose(b2));
    if (needs[1]) grads[1] = matmul(transpose(a2), dy2);
    if (needs[0] && a.rank() == 1) grads[0] = squeeze(grads[0], -2);
    if (needs[1] && b.rank() == 1) grads[1] = squeeze(grads[1], -1);
    return grads;
  }
};

}  // namespace

Variable matmul(const Variable& a, const Variable& b) { return record(Matmul{}, a, b); }

}  // namespace fovea
