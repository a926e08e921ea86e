#include "autograd/attention.h"

#include "autograd/operation.h"
#include "tensor/attention.h"

namespace fovea {
namespace {

// y = p v,  p = softmax(s),  s = scale q kᵀ
// dv = pᵀ dy,  ds = p ∘ (dy vᵀ − Σ dy∘y),  dq = scale ds k,  dk = scale dsᵀ q, with p computed again tile by tile.
struct Attention {
  double scale;
  Tensor keep;
  bool causal;
  Tensor q, k, v, y, stats;

  AttentionOptions options() const { return {scale, keep, causal}; }
  Tensor forward(const Tensor& q_, const Tensor& k_, const Tensor& v_) {
    const AttentionResult result = attention(q = q_, k = k_, v = v_, options());
    stats = result.stats;
    return y = result.out;
  }
  Grads<3> backward(const Tensor& dy, Needs<3> needs) const {
    const AttentionGradients g = attention_backward(dy, q, k, v, options(), {y, stats}, {needs[0], needs[1], needs[2]});
    return {g.dq, g.dk, g.dv};
  }

  // Of the scores that the causal mask lets through: q kᵀ and p v; backward those scores again, and four more products.
  double flops() const {
    const double seen = double(k.size(-2)) - (causal ? double(q.size(-2) - 1) / 2 : 0);  // keys per query, on average
    return 2 * double(y.count()) / double(v.size(-1)) * seen * double(q.size(-1) + v.size(-1));
  }
  double backward_flops(Needs<3>) const { return 2.5 * flops(); }
};

}  // namespace

Variable attention(const Variable& q, const Variable& k, const Variable& v, double scale, const Tensor& keep,
                   bool causal) {
  return record(Attention{scale, keep, causal, {}, {}, {}, {}, {}}, q, k, v);
}

}  // namespace fovea
