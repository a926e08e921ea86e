#include "optim/average.h"

#include <sstream>

namespace fovea::optim {

ExponentialMovingAverage::ExponentialMovingAverage(const std::vector<NamedParameter>& parameters, double decay)
    : parameters_(parameters), decay_(decay) {
  if (!(decay >= 0 && decay < 1))
    fail(ErrorKind::value, "ExponentialMovingAverage: decay must lie in [0, 1), got ", decay);
  for (const NamedParameter& p : parameters_) averages_.push_back(p.parameter->value().clone());
}

void ExponentialMovingAverage::update() {
  for (size_t i = 0; i < averages_.size(); ++i)
    averages_[i].mul_(decay_).add_(parameters_[i].parameter->value(), 1 - decay_);
}

void ExponentialMovingAverage::swap() {
  for (size_t i = 0; i < averages_.size(); ++i) {
    const Tensor weight = parameters_[i].parameter->value().clone();
    parameters_[i].parameter->value().copy_(averages_[i]);
    averages_[i].copy_(weight);
  }
}

std::map<std::string, Tensor> ExponentialMovingAverage::state() const {
  std::map<std::string, Tensor> state;
  for (size_t i = 0; i < averages_.size(); ++i) state[parameters_[i].name] = averages_[i];
  return state;
}

void ExponentialMovingAverage::load_state(const std::map<std::string, Tensor>& given) {
  std::map<std::string, Tensor> own = state();
  std::ostringstream problems;
  for (const auto& [name, average] : own) {
    const auto it = given.find(name);
    if (it == given.end())
      problems << "\n  missing: " << name << " " << average.shape();
    else if (it->second.shape() != average.shape())
      problems << "\n  " << name << ": the average has " << average.shape() << ", given is " << it->second.shape();
  }
  for (const auto& [name, tensor] : given) {
    if (!own.count(name)) problems << "\n  surplus: " << name << " " << tensor.shape();
  }
  if (!problems.str().empty())
    fail(ErrorKind::value, "load_state: the names and shapes given are not those of the averages:", problems.str());
  for (auto& [name, average] : own) average.copy_(given.at(name));
}

}  // namespace fovea::optim
