#include "autograd/variable.h"

namespace fovea {
namespace {
[[noreturn]] void no_gradient(const Shape& shape) {
  fail(ErrorKind::tape, "grad: parameter ", shape,
       " has no gradient; call tape.backward(loss) first, with a loss that "
       "depends on it");
}
}  // namespace

Parameter& Parameter::operator=(const Parameter& other) {
  if (this == &other) return *this;
  value_ = other.defined() ? other.value_.clone() : Tensor();
  leaf_ = other.leaf_ ? std::make_shared<detail::Leaf>() : nullptr;
  if (leaf_) leaf_->trainable = other.leaf_->trainable;
  if (other.has_grad()) leaf_->grad = other.leaf_->grad.clone();
  return *this;
}

const Tensor& Parameter::grad() const {
  if (!has_grad()) no_gradient(shape());
  return leaf_->grad;
}

Tensor& Parameter::grad() {
  if (!has_grad()) no_gradient(shape());
  return leaf_->grad;
}

void Parameter::set_grad(Tensor grad) {
  if (grad.shape() != shape() || grad.dtype() != dtype())
    fail(ErrorKind::shape, "set_grad: the parameter is ", shape(), " ", dtype(), ", the gradient ", grad.shape(), " ",
         grad.dtype());
  leaf_->grad = std::move(grad);
}

void Parameter::zero_grad() {
  if (leaf_) leaf_->grad = Tensor();
}

void Parameter::set_trainable(bool trainable) {
  if (leaf_) leaf_->trainable = trainable;
}

}  // namespace fovea
