#include "autograd/checkpoint.h"

#include "autograd/operation.h"
#include "tensor/random.h"

namespace fovea {
namespace {

struct Checkpoint {
  std::function<Variable(const Variable&)> fn;
  RngLog log;
  Tensor x;

  Tensor forward(const Tensor& x_) {
    x = x_;
    const Tape::Pause pause;
    const RecordRng record_draws(log);
    return fn(Variable(x)).value();
  }
  Grads<1> backward(const Tensor& dy, Needs<1>) const {
    Parameter again(x);
    Tape tape;
    Variable y;
    {
      const ReplayRng replay_draws(log);
      y = fn(again);
    }
    tape.backward(y, dy);
    return {again.has_grad() ? again.grad() : Tensor()};
  }
};

}  // namespace

Variable checkpoint(std::function<Variable(const Variable&)> fn, const Variable& x) {
  // Even where x is a constant the parameters inside fn want their gradients, so something must be on the tape.
  const Variable entry = x.needs_grad() ? x : Variable(Parameter(x.value()));
  return record(Checkpoint{std::move(fn), {}, {}}, entry);
}

}  // namespace fovea
