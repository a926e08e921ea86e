#include "optim/adam.h"

#include "tensor/optimizer_step.h"

namespace fovea::optim {

Adam::Adam(const std::vector<ParameterGroup>& groups, const AdamConfig& config, bool decoupled)
    : Optimizer(groups, {"first_moment", "second_moment"}), config_(config), decoupled_(decoupled) {
  const auto is_rate = [](double beta) { return beta >= 0 && beta < 1; };
  if (!is_rate(config.beta1) || !is_rate(config.beta2))
    fail(ErrorKind::value, "Adam: beta1 and beta2 must lie in [0, 1), got ", config.beta1, " and ", config.beta2);
  if (!(config.eps > 0)) fail(ErrorKind::value, "Adam: eps must be above 0, got ", config.eps);
}

void Adam::update(std::span<Slot* const> slots, double lr) {
  std::vector<AdamTensors> all;
  for (Slot* slot : slots) {
    Parameter& p = *slot->target.parameter;
    const double rate = lr * slot->lr_scale;
    all.push_back({&p.value(),
                   &slot->tensors[0],
                   &slot->tensors[1],
                   &p.grad(),
                   {.lr = rate,
                    .beta1 = config_.beta1,
                    .beta2 = config_.beta2,
                    .eps = config_.eps,
                    .l2 = decoupled_ ? 0 : slot->weight_decay,
                    .shrink = decoupled_ ? 1 - rate * slot->weight_decay : 1,
                    .t = slot->steps}});
  }
  adam_steps(all);
}

}  // namespace fovea::optim
