// Variable: a tensor with a place on a tape. Parameter: a leaf, whose gradient outlives the tape.
#pragma once
#include <memory>
#include <string>

#include "tensor/tensor.h"

namespace fovea {

namespace detail {
// What a Parameter shares with the variables made from it.
struct Leaf {
  Tensor grad;  // undefined until a backward reaches the leaf
  bool trainable = true;
  uint64_t tape = 0;  // the tape that last met this leaf …
  int32_t node = -1;  // … and its place there
};
}  // namespace detail

class Variable {
 public:
  Variable() = default;
  Variable(Tensor value) : value_(std::move(value)) {}  // a constant: no gradient flows into it

  const Tensor& value() const { return value_; }
  const Shape& shape() const { return value_.shape(); }
  DType dtype() const { return value_.dtype(); }
  int rank() const { return value_.rank(); }
  int64_t size(int axis) const { return value_.size(axis); }
  int64_t count() const { return value_.count(); }
  bool defined() const { return value_.defined(); }
  double item() const { return value_.item(); }

  // Whether a gradient flows through it: a trainable leaf, or a result recorded on a tape.
  bool needs_grad() const { return leaf_ ? leaf_->trainable : tape_ != 0; }

 protected:
  friend class Tape;
  Variable(Tensor value, uint64_t tape, int32_t node) : value_(std::move(value)), tape_(tape), node_(node) {}
  Tensor value_;
  std::shared_ptr<detail::Leaf> leaf_;  // set for parameters and what was sliced from them
  uint64_t tape_ = 0;                   // serial number of the tape it was recorded on; 0: none
  int32_t node_ = -1;
};

// The same value without its history: a constant for whatever comes after.
inline Variable detach(const Variable& x) { return Variable(x.value()); }

// A leaf variable with a gradient: what an optimiser moves. Copying one copies the numbers, so that modules
// are values.
class Parameter : public Variable {
 public:
  Parameter() = default;
  explicit Parameter(Tensor value) : Variable(std::move(value)) { leaf_ = std::make_shared<detail::Leaf>(); }
  Parameter(const Parameter& other) : Parameter() { *this = other; }
  Parameter(Parameter&&) noexcept = default;
  Parameter& operator=(const Parameter& other);
  Parameter& operator=(Parameter&&) noexcept = default;

  using Variable::value;
  Tensor& value() { return value_; }
  bool has_grad() const { return leaf_ && leaf_->grad.defined(); }
  const Tensor& grad() const;  // an error before a backward has reached it
  Tensor& grad();
  void set_grad(Tensor grad);  // shape and dtype must be the value's
  void zero_grad();            // drops the gradient; the next backward starts anew
  bool trainable() const { return leaf_ && leaf_->trainable; }
  void set_trainable(bool trainable);  // false: frozen, no gradient is computed for it
};

// A parameter and its path in a model ("blocks.2.attention.query.weight"): what optimisers and files go by.
struct NamedParameter {
  std::string name;
  Parameter* parameter;
};

}  // namespace fovea
