#include "optim/optimizer.h"

#include <set>
#include <sstream>

namespace fovea::optim {

std::vector<ParameterGroup> decay_groups(const std::vector<NamedParameter>& parameters, double weight_decay) {
  ParameterGroup matrices{.parameters = {}, .weight_decay = weight_decay}, vectors{};
  for (const NamedParameter& p : parameters) (p.parameter->rank() >= 2 ? matrices : vectors).parameters.push_back(p);
  return {matrices, vectors};
}

Optimizer::Optimizer(const std::vector<ParameterGroup>& groups, std::vector<std::string> names)
    : names_(std::move(names)) {
  std::set<std::string> seen;
  for (const ParameterGroup& group : groups) {
    for (const NamedParameter& p : group.parameters) {
      if (!seen.insert(p.name).second)
        fail(ErrorKind::value, "optimizer: parameter '", p.name, "' is given twice; put each into one group");
      slots_.push_back({p, group.weight_decay, group.lr_scale, 0, std::vector<Tensor>(names_.size())});
    }
  }
}

void Optimizer::step(double lr) {
  std::vector<Slot*> moved;
  for (Slot& slot : slots_) {
    const Parameter& p = *slot.target.parameter;
    if (!p.has_grad()) continue;
    for (Tensor& t : slot.tensors) {
      if (!t.defined()) t = zeros(p.shape(), p.dtype());
    }
    ++slot.steps;
    moved.push_back(&slot);
  }
  update(moved, lr);
}

void Optimizer::zero_grad() {
  for (const Slot& slot : slots_) slot.target.parameter->zero_grad();
}

std::map<std::string, Tensor> Optimizer::state() const {
  std::map<std::string, Tensor> state;
  for (const Slot& slot : slots_) {
    state[slot.target.name + ".step"] = scalar(double(slot.steps), DType::i64);
    if (slot.steps == 0) continue;
    for (size_t i = 0; i < names_.size(); ++i) state[slot.target.name + "." + names_[i]] = slot.tensors[i];
  }
  return state;
}

void Optimizer::load_state(const std::map<std::string, Tensor>& given) {
  std::ostringstream problems;
  std::set<std::string> used;
  const auto look_up = [&](const std::string& name, const Shape& shape) -> const Tensor* {
    const auto it = given.find(name);
    if (it == given.end()) {
      problems << "\n  missing: " << name << " " << shape;
      return nullptr;
    }
    used.insert(name);
    if (it->second.shape() == shape) return &it->second;
    problems << "\n  " << name << ": the parameter has " << shape << ", given is " << it->second.shape();
    return nullptr;
  };

  std::vector<Slot> loaded = slots_;
  for (Slot& slot : loaded) {
    const Parameter& p = *slot.target.parameter;
    slot.tensors.assign(names_.size(), Tensor());
    const Tensor* steps = look_up(slot.target.name + ".step", {});
    slot.steps = steps ? int64_t(steps->item()) : 0;
    if (slot.steps == 0) continue;  // never moved: it has no tensors
    for (size_t i = 0; i < names_.size(); ++i) {
      if (const Tensor* t = look_up(slot.target.name + "." + names_[i], p.shape()))
        slot.tensors[i] = t->to(p.dtype()).clone();
    }
  }
  for (const auto& [name, tensor] : given) {
    if (!used.count(name)) problems << "\n  surplus: " << name << " " << tensor.shape();
  }
  if (!problems.str().empty())
    fail(ErrorKind::value,
         "load_state: the names and shapes given are not those of the optimiser's parameters:", problems.str());
  slots_ = std::move(loaded);
}

}  // namespace fovea::optim
