#include "autograd/rows.h"

#include "autograd/operation.h"

namespace fovea {
namespace {

struct Softmax {  // y_i = e^{x_i} / Σ_j e^{x_j};  dx = y ∘ (dy − Σ dy∘y)
  int axis;
  Tensor y;
  Tensor forward(const Tensor& x) { return y = softmax(x, axis); }
  Grads<1> backward(const Tensor& dy, Needs<1>) const { return {softmax_backward(dy, y, axis)}; }
};

struct LogSoftmax {  // y = x − log Σ e^x;  dx = dy − e^y Σ dy
  int axis;
  Tensor y;
  Tensor forward(const Tensor& x) { return y = log_softmax(x, axis); }
  Grads<1> backward(const Tensor& dy, Needs<1>) const { return {log_softmax_backward(dy, y, axis)}; }
};

struct MaskedSoftmax {  // y = softmax(scale · x) over what is kept;  dx = scale · y ∘ (dy − Σ dy∘y), 0 where y is
  double scale;
  Tensor keep;
  bool causal;
  Tensor y;
  Tensor forward(const Tensor& x) { return y = masked_softmax(x, scale, keep, causal); }
  Grads<1> backward(const Tensor& dy, Needs<1>) const { return {softmax_backward(dy, y, -1, scale)}; }
};

struct LayerNorm {  // x̂ = (x − mean) rstd, y = x̂ w + b;  dx = rstd (g − mean(g) − x̂ mean(g∘x̂)), g = dy∘w
  double eps;
  Tensor x, weight, mean, rstd;
  Tensor forward(const Tensor& x_, const Tensor& weight_, const Tensor& bias) {
    NormResult result = layer_norm(x = x_, weight = weight_, bias, eps);
    mean = result.mean;
    rstd = result.rstd;
    return result.out;
  }
  Grads<3> backward(const Tensor& dy, Needs<3> needs) const {
    NormGradients g = layer_norm_backward(dy, x, mean, rstd, weight, {needs[0], needs[1], needs[2]});
    return {g.dx, g.dweight, g.dbias};
  }
};

struct RmsNorm {  // y = x rstd w, rstd = 1 / √(mean(x²) + eps)
  double eps;
  Tensor x, weight, rstd;
  Tensor forward(const Tensor& x_, const Tensor& weight_) {
    NormResult result = rms_norm(x = x_, weight = weight_, eps);
    rstd = result.rstd;
    return result.out;
  }
  Grads<2> backward(const Tensor& dy, Needs<2> needs) const {
    NormGradients g = rms_norm_backward(dy, x, rstd, weight, {needs[0], needs[1], false});
    return {g.dx, g.dweight};
  }
};

}  // namespace

Variable softmax(const Variable& x, int axis) { return record(Softmax{axis, {}}, x); }
Variable log_softmax(const Variable& x, int axis) { return record(LogSoftmax{axis, {}}, x); }
Variable masked_softmax(const Variable& x, double scale, const Tensor& keep, bool causal) {
  return record(MaskedSoftmax{scale, keep, causal, {}}, x);
}
Variable layer_norm(const Variable& x, const Variable& weight, const Variable& bias, double eps) {
  return record(LayerNorm{eps, {}, {}, {}, {}}, x, weight, bias);
}
Variable rms_norm(const Variable& x, const Variable& weight, double eps) {
  return record(RmsNorm{eps, {}, {}, {}}, x, weight);
}

}  // namespace fovea
