#include "optim/sgd.h"

#include "tensor/optimizer_step.h"

namespace fovea::optim {

SGD::SGD(const std::vector<ParameterGroup>& groups, const SGDConfig& config)
    : Optimizer(groups, config.momentum != 0 ? std::vector<std::string>{"momentum"} : std::vector<std::string>{}),
      config_(config) {
  if (!(config.momentum >= 0 && config.momentum < 1))
    fail(ErrorKind::value, "SGD: momentum must lie in [0, 1), got ", config.momentum);
  if (config.nesterov && config.momentum == 0) fail(ErrorKind::value, "SGD: Nesterov's form needs a momentum above 0");
}

void SGD::update(std::span<Slot* const> slots, double lr) {
  for (Slot* slot : slots) {
    Parameter& p = *slot->target.parameter;
    sgd_step(p.value(), p.grad(), slot->tensors.empty() ? nullptr : &slot->tensors[0],
             {.lr = lr * slot->lr_scale,
              .momentum = config_.momentum,
              .decay = slot->weight_decay,
              .nesterov = config_.nesterov,
              .first = slot->steps == 1});
  }
}

}  // namespace fovea::optim
