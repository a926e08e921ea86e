// Losses: one number that says how wrong a prediction is. Mean over the elements unless a reduction is chosen.
#pragma once
#include "autograd/losses.h"

namespace fovea::nn {

using fovea::cross_entropy;  // logits [..., C], targets i64 [...]: fused with the softmax
using fovea::Reduction;

// −log_probabilities[target], the loss of a model that ends in log_softmax. log_probabilities [..., C], targets i64
// [...]; options as for cross_entropy, without label smoothing.
Variable nll(const Variable& log_probabilities, const Tensor& targets, const CrossEntropyOptions& options = {},
             Reduction reduction = Reduction::mean);

// (x − target)² and |x − target|; both of one shape.
Variable mse(const Variable& x, const Variable& target, Reduction reduction = Reduction::mean);
Variable l1(const Variable& x, const Variable& target, Reduction reduction = Reduction::mean);

// −t log σ(x) − (1 − t) log(1 − σ(x)) from the logits x, exact where σ(x) rounds to 0 or 1; targets in [0, 1].
Variable binary_cross_entropy_with_logits(const Variable& logits, const Variable& target,
                                          Reduction reduction = Reduction::mean);

// Σ t (log t − x) over the last axis, x being log-probabilities, 0 where t is 0: how far the distribution t [..., C]
// lies from x [..., C]. The mean is over the rows (PyTorch's batchmean). Targets are constants.
Variable kl_divergence(const Variable& log_probabilities, const Tensor& target, Reduction reduction = Reduction::mean);

}  // namespace fovea::nn
