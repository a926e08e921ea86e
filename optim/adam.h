// Adam and AdamW: each element's step is its mean gradient over the root of its mean squared gradient.
//
//   m = β₁ m + (1 − β₁) g      v = β₂ v + (1 − β₂) g²      m̂ = m / (1 − β₁ᵗ)      v̂ = v / (1 − β₂ᵗ)
//   p −= lr · m̂ / (√v̂ + eps)                                              (Kingma & Ba 2015)
//
// They differ in the weight decay. Adam adds decay · p to the gradient, where the division by √v̂ takes most of it back.
// AdamW shrinks the weights by lr · decay apart from the gradient (Loshchilov & Hutter 2019): for Transformers use it.
#pragma once
#include "optim/optimizer.h"

namespace fovea::optim {

struct AdamConfig {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
};

class Adam : public Optimizer {
 public:
  explicit Adam(const std::vector<ParameterGroup>& groups, const AdamConfig& config = {})
      : Adam(groups, config, false) {}
  explicit Adam(const std::vector<NamedParameter>& parameters, const AdamConfig& config = {})
      : Adam(std::vector<ParameterGroup>{{.parameters = parameters}}, config) {}

 protected:
  Adam(const std::vector<ParameterGroup>& groups, const AdamConfig& config, bool decoupled);

 private:
  void update(std::span<Slot* const> slots, double lr) override;
  AdamConfig config_;
  bool decoupled_;  // AdamW's decay
};

class AdamW final : public Adam {
 public:
  explicit AdamW(const std::vector<ParameterGroup>& groups, const AdamConfig& config = {})
      : Adam(groups, config, true) {}
  explicit AdamW(const std::vector<NamedParameter>& parameters, const AdamConfig& config = {})
      : AdamW(std::vector<ParameterGroup>{{.parameters = parameters}}, config) {}
};

}  // namespace fovea::optim
