#include "autograd/losses.h"

#include "autograd/operation.h"
#include "tensor/elementwise.h"
#include "tensor/reduce.h"
#include "tensor/views.h"

namespace fovea {
namespace {

struct CrossEntropy {  // dlogits = (softmax(logits) − target distribution) · dloss
  Tensor targets;
  CrossEntropyOptions options;
  Reduction reduction;
  Tensor logits, logsumexps;
  double weight;

  Tensor forward(const Tensor& logits_) {
    const CrossEntropyResult result = cross_entropy_rows(logits = logits_, targets, options);
    logsumexps = result.logsumexps;
    weight = result.weight;
    if (reduction == Reduction::none) return result.losses;
    return reduction == Reduction::sum ? sum(result.losses) : sum(result.losses) / weight;
  }
  Grads<1> backward(const Tensor& dy, Needs<1>) const {
    const Tensor each = expand(reduction == Reduction::mean ? dy / weight : dy, targets.shape());  // of each row's loss
    return {cross_entropy_rows_backward(each, logits, targets, logsumexps, options)};
  }
};

}  // namespace

Variable cross_entropy(const Variable& logits, const Tensor& targets, const CrossEntropyOptions& options,
                       Reduction reduction) {
  return record(CrossEntropy{targets, options, reduction, {}, {}, 0}, logits);
}

}  // namespace fovea
