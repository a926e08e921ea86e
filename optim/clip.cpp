#include "optim/clip.h"

#include <cmath>

#include "tensor/optimizer_step.h"

namespace fovea::optim {

double grad_norm(const std::vector<NamedParameter>& parameters) {
  std::vector<Tensor> grads;
  for (const NamedParameter& p : parameters) {
    if (p.parameter->has_grad()) grads.push_back(p.parameter->grad());
  }
  return std::sqrt(sum_of_squares(grads));
}

double clip_grad_norm(const std::vector<NamedParameter>& parameters, double max_norm) {
  if (!(max_norm > 0)) fail(ErrorKind::value, "clip_grad_norm: the largest norm must be above 0, got ", max_norm);
  const double norm = grad_norm(parameters);
  const double factor = max_norm / (norm + 1e-6);
  if (!std::isfinite(norm) || factor >= 1) return norm;
  for (const NamedParameter& p : parameters) {
    if (p.parameter->has_grad()) p.parameter->grad().mul_(factor);
  }
  return norm;
}

}  // namespace fovea::optim
