// Stochastic gradient descent, with momentum or Nesterov's form of it (Sutskever et al. 2013), as PyTorch defines it:
//
//   d = grad + decay · p;   buffer = d at the first step, then momentum · buffer + d
//   p −= lr · buffer,  Nesterov: p −= lr · (d + momentum · buffer),  without momentum: p −= lr · d
#pragma once
#include "optim/optimizer.h"

namespace fovea::optim {

struct SGDConfig {
  double momentum = 0;
  bool nesterov = false;
};

class SGD final : public Optimizer {
 public:
  explicit SGD(const std::vector<ParameterGroup>& groups, const SGDConfig& config = {});
  explicit SGD(const std::vector<NamedParameter>& parameters, const SGDConfig& config = {})
      : SGD(std::vector<ParameterGroup>{{.parameters = parameters}}, config) {}

 private:
  void update(std::span<Slot* const> slots, double lr) override;
  SGDConfig config_;
};

}  // namespace fovea::optim
