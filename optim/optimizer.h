// What all optimisers share: groups of parameters, one pass over them per step, and state that is saved by path.
//
//   optim::AdamW optimizer(optim::decay_groups(model.parameters(), 0.1), {.beta2 = 0.99});
//   for (int64_t step = 0; step < steps; ++step) {
//     model.zero_grad();
//     Tape tape;
//     tape.backward(cross_entropy(model(x), y));
//     optim::clip_grad_norm(model.parameters(), 1.0);
//     optimizer.step(schedule(step));
//   }
//
// Gradients add up until zero_grad(). So a batch too large for memory is taken in n parts: n times
// tape.backward(loss / n), each on a tape of its own, then one step.
//
// An optimiser keeps pointers to the parameters: the model must outlive it and stay where it is.
#pragma once
#include <map>
#include <span>
#include <string>
#include <vector>

#include "autograd/variable.h"

namespace fovea::optim {

struct ParameterGroup {
  std::vector<NamedParameter> parameters;
  double weight_decay = 0;
  double lr_scale = 1;  // times the learning rate of the step
};

// Two groups: matrices (rank ≥ 2, embeddings too) decay, vectors (biases and the weights of norms) do not.
std::vector<ParameterGroup> decay_groups(const std::vector<NamedParameter>& parameters, double weight_decay);

class Optimizer {
 public:
  // Moves every parameter that has a gradient; the others, and what is kept for them, stay as they are.
  void step(double lr);
  void zero_grad();

  // What a resumed run needs: for each parameter "PATH.step" (i64 [], how often it was moved) and, once it was, what
  // the optimiser keeps for it, as "PATH.first_moment". The tensors are the optimiser's own.
  std::map<std::string, Tensor> state() const;
  // Copies in what state() gave. A name missing, surplus or of another shape is an error that lists them all, and then
  // nothing is changed.
  void load_state(const std::map<std::string, Tensor>& state);

  virtual ~Optimizer() = default;

 protected:
  // What is known of one parameter between steps.
  struct Slot {
    NamedParameter target;
    double weight_decay, lr_scale;
    int64_t steps = 0;
    std::vector<Tensor> tensors;  // as many as names; undefined before the first step
  };

  // names: of the tensors that each parameter needs.
  Optimizer(const std::vector<ParameterGroup>& groups, std::vector<std::string> names);
  // Moves the parameters, each by lr times its lr_scale; steps count from 1, tensors are zero at the first step.
  virtual void update(std::span<Slot* const> slots, double lr) = 0;

 private:
  std::vector<Slot> slots_;
  std::vector<std::string> names_;
};

}  // namespace fovea::optim
