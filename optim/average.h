// An exponential moving average of the weights: smoother than the last ones, and often better to evaluate with
// (Polyak & Juditsky 1992).
#pragma once
#include <map>
#include <string>
#include <vector>

#include "autograd/variable.h"

namespace fovea::optim {

class ExponentialMovingAverage {
 public:
  // Starts at the weights of now. decay in [0, 1): how much of the average each update() keeps.
  ExponentialMovingAverage(const std::vector<NamedParameter>& parameters, double decay);

  void update();  // average = decay · average + (1 − decay) · weight; after each step of the optimiser
  // Exchanges the model's weights and the averages. Call it before an evaluation and again after it.
  void swap();

  // The averages by path: what to save, or to load into a model. The tensors are this object's own.
  std::map<std::string, Tensor> state() const;
  void load_state(const std::map<std::string, Tensor>& state);

 private:
  std::vector<NamedParameter> parameters_;
  std::vector<Tensor> averages_;
  double decay_;
};

}  // namespace fovea::optim
