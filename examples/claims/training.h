// Training, as the experiments do it: AdamW, gradients clipped to norm 1, the rate warmed up and then lowered to a
// tenth.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "autograd/variable.h"
#include "examples/claims/claim.h"
#include "nn/module.h"

namespace fovea::claims {

struct Training {
  int64_t steps = 300;
  double lr = 3e-3;             // at its peak, after a tenth of the steps
  double decay = 0.01;          // of matrices
  std::string_view label = {};  // for the progress
};

// loss(step) computes the loss of a fresh batch. Returns the losses, one a step. The model is in eval mode afterwards.
std::vector<double> train(const Run& run, nn::Module& model, const Training& training,
                          const std::function<Variable(int64_t step)>& loss);

// The share of places whose largest logit is the target's, among those with a target >= 0.
// logits [..., classes], targets i64 [...]
double accuracy(const Tensor& logits, const Tensor& targets);

// A curve without its noise: the mean of each `width` values and the ones before it.
std::vector<double> smooth(const std::vector<double>& values, int64_t width = 20);
// first, first + step, …: the x of a curve.
std::vector<double> steps_of(size_t count, double first = 1, double step = 1);

// The spread over the runs of their value number `place`. runs: [run][place].
Spread spread_at(const std::vector<std::vector<double>>& runs, size_t place);

// The end of a remark, where a quick run cannot be expected to have learned a task.
std::string in_a_hurry(const Run& run);

}  // namespace fovea::claims
