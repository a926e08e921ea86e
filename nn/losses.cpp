#include "nn/losses.h"

#include "autograd/elementwise.h"
#include "autograd/indexing.h"
#include "autograd/reduce.h"
#include "autograd/views.h"

namespace fovea::nn {
namespace {

void require_same_shape(const char* name, const Shape& x, const Shape& target) {
  if (x != target)
    fail(ErrorKind::shape, name, ": the prediction ", x, " and its target ", target, " must have the same shape");
}

Variable reduced(const Variable& losses, Reduction reduction) {
  switch (reduction) {
    case Reduction::none: return losses;
    case Reduction::sum: return sum(losses);
    case Reduction::mean: break;
  }
  return mean(losses);
}

}  // namespace

Variable nll(const Variable& x, const Tensor& targets, const CrossEntropyOptions& options, Reduction reduction) {
  if (x.rank() != targets.rank() + 1)
    fail(ErrorKind::shape, "nll: log-probabilities [..., classes] and targets [...] are needed, got ", x.shape(),
         " and ", targets.shape());
  if (options.label_smoothing != 0) fail(ErrorKind::value, "nll: has no label smoothing; use cross_entropy");
  const Tensor kept = not_equal(targets, double(options.ignore_index));     // [...]
  const Tensor safe = where(kept, targets, scalar(0, DType::i64));          // [...]
  const Variable picked = squeeze(gather(x, -1, unsqueeze(safe, -1)), -1);  // [...]
  Tensor weights = kept.to(x.dtype());                                      // [...]
  if (options.class_weights.defined()) weights *= take_rows(options.class_weights.to(x.dtype()), safe);
  const Variable losses = where(kept, -picked * weights, scalar(0, x.dtype()));
  return reduction == Reduction::mean ? sum(losses) / sum(weights).item() : reduced(losses, reduction);
}

Variable mse(const Variable& x, const Variable& target, Reduction reduction) {
  require_same_shape("mse", x.shape(), target.shape());
  return reduced(square(x - target), reduction);
}

Variable l1(const Variable& x, const Variable& target, Reduction reduction) {
  require_same_shape("l1", x.shape(), target.shape());
  return reduced(abs(x - target), reduction);
}

Variable binary_cross_entropy_with_logits(const Variable& x, const Variable& target, Reduction reduction) {
  require_same_shape("binary_cross_entropy_with_logits", x.shape(), target.shape());
  // −log σ(x) = softplus(−x) and −log(1 − σ(x)) = softplus(x)
  return reduced(target * softplus(-x) + (1 - target) * softplus(x), reduction);
}

Variable kl_divergence(const Variable& x, const Tensor& target, Reduction reduction) {
  require_same_shape("kl_divergence", x.shape(), target.shape());
  const Tensor some = target > 0.0;
  const Tensor zero = scalar(0, x.dtype());
  const Tensor negative_entropy = where(some, target * log(target), zero);  // t log t, [..., C]
  const Variable terms = negative_entropy - where(some, target * x, zero);  // [..., C]
  return reduced(sum(terms, {-1}), reduction);                              // [...]
}

}  // namespace fovea::nn
