// The loss of classification, fused with its softmax: what is stored is one number per row, not the probabilities.
#pragma once
#include "autograd/variable.h"
#include "tensor/rows.h"

namespace fovea {

enum class Reduction { mean, sum, none };

// −log softmax(logits)[target], with label smoothing ε and class weights w as PyTorch defines them:
//   (1 − ε) w_t nll_t + ε/C Σ_c w_c nll_c
// logits [..., C]; targets i64 [...], in [0, C) or ignore_index (no loss, no gradient). The mean is over the rows that
// are not ignored, each counted with the weight of its target.
Variable cross_entropy(const Variable& logits, const Tensor& targets, const CrossEntropyOptions& options = {},
                       Reduction reduction = Reduction::mean);

}  // namespace fovea
