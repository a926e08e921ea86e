#include "examples/claims/training.h"

#include <algorithm>

#include "autograd/tape.h"
#include "optim/adam.h"
#include "optim/clip.h"
#include "optim/schedule.h"
#include "tensor/elementwise.h"
#include "tensor/reduce.h"

namespace fovea::claims {

std::vector<double> train(const Run& run, nn::Module& model, const Training& training,
                          const std::function<Variable(int64_t step)>& loss) {
  const std::vector<NamedParameter> parameters = model.parameters();
  optim::AdamW optimizer(optim::decay_groups(parameters, training.decay), {.beta2 = 0.99});
  const optim::WarmupCosine rate{
      .lr = training.lr, .min_lr = training.lr / 10, .warmup = training.steps / 10, .steps = training.steps};
  model.train();
  std::vector<double> losses;
  for (int64_t step = 0; step < training.steps; ++step) {
    Tape tape;
    const Variable l = loss(step);
    losses.push_back(l.item());
    tape.backward(l);
    optim::clip_grad_norm(parameters, 1.0);
    optimizer.step(rate(step));
    model.zero_grad();
    if (step % 10 == 0) run.progress(step, training.steps, training.label);
  }
  model.eval();
  return losses;
}

double accuracy(const Tensor& logits, const Tensor& targets) {
  const Tensor asked = targets >= 0;
  const Tensor right = logical_and(asked, equal(argmax(logits, -1), targets));
  return sum(right.to(DType::f64)).item() / std::max(1.0, sum(asked.to(DType::f64)).item());
}

std::vector<double> smooth(const std::vector<double>& values, int64_t width) {
  std::vector<double> result;
  double sum = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    sum += values[i];
    if (i >= size_t(width)) sum -= values[i - size_t(width)];
    result.push_back(sum / double(std::min(i + 1, size_t(width))));
  }
  return result;
}

std::vector<double> steps_of(size_t count, double first, double step) {
  std::vector<double> all;
  for (size_t i = 0; i < count; ++i) all.push_back(first + double(i) * step);
  return all;
}

Spread spread_at(const std::vector<std::vector<double>>& runs, size_t place) {
  std::vector<double> values;
  for (const std::vector<double>& run : runs) values.push_back(run[place]);
  return spread(std::move(values));
}

std::string in_a_hurry(const Run& run) { return run.quick() ? " A quick run stops long before it has learned." : ""; }

}  // namespace fovea::claims
