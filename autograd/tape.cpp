#include "autograd/tape.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <utility>

#include "autograd/profile.h"
#include "tensor/elementwise.h"
#include "tensor/machine.h"
#include "tensor/reduce.h"

namespace fovea {
namespace {

thread_local Tape* recording_tape = nullptr;
std::atomic<uint64_t> next_serial{1};
TapeHook* test_hook = nullptr;

// A leaf on the tape: its gradient goes to the parameter.
struct LeafNode final : Node {
  std::shared_ptr<detail::Leaf> leaf;
  explicit LeafNode(std::shared_ptr<detail::Leaf> l) : leaf(std::move(l)) {}
  void backward(Tape&, const Tensor& dy) override {
    // Optimisers change gradients in place, so a leaf never shares its own.
    if (!leaf->grad.defined())
      leaf->grad = dy.owns_alone() ? dy : dy.clone();
    else
      leaf->grad += dy;
  }
};

}  // namespace

int64_t Node::saved_bytes() {
  int64_t bytes = 0;
  visit_saved(
      [](void* sum, Tensor& saved) {
        if (saved.defined()) *static_cast<int64_t*>(sum) += saved.bytes();
      },
      &bytes);
  return bytes;
}

Tape::Tape(TapeOptions options) : options_(options), serial_(next_serial++), outer_(recording_tape) {
  recording_tape = this;
}

Tape::~Tape() {
  end_recording();
  for (size_t i = nodes_.size(); i-- > 0;) {
    if (nodes_[i]) nodes_[i]->~Node();
  }
}

void Tape::end_recording() {
  if (ended_) return;
  ended_ = true;
  if (recording_tape == this) recording_tape = outer_;
}

Tape* Tape::recording() { return recording_tape; }
void Tape::set_hook(TapeHook* hook) { test_hook = hook; }

Tape::Pause::Pause() : paused_(recording_tape) { recording_tape = nullptr; }
Tape::Pause::~Pause() { recording_tape = paused_; }

int32_t Tape::place_of(const Variable& x, const char* operation) {
  if (detail::Leaf* leaf = x.leaf_.get()) {
    if (!leaf->trainable) return -1;
    if (leaf->tape != serial_) {
      append(prepare<LeafNode>(x.leaf_), "leaf", x.value_);
      leaf->tape = serial_;
      leaf->node = int32_t(nodes_.size()) - 1;
    }
    return leaf->node;
  }
  if (x.tape_ == 0 || x.tape_ == serial_) return x.node_;
  for (const Tape* outer = outer_; outer; outer = outer->outer_) {
    if (outer->serial_ == x.tape_)
      fail(ErrorKind::tape, operation, ": variable ", x.shape(),
           " belongs to an outer tape; its gradient would be lost "
           "on this inner one. Pass it in as a Parameter, or detach() it");
  }
  fail(ErrorKind::tape, operation, ": variable ", x.shape(),
       " was recorded by a tape that has finished; detach() it to use its value, compute it again under this tape, or, "
       "inside checkpoint(), pass it in through x");
}

Variable Tape::append(Node* node, const char* name, Tensor y) {
  node->name = name;
  node->shape = y.shape();
  node->dtype = y.dtype();
  nodes_.push_back(node);
  if (options_.anomaly) {
    const ErrorContext* context = ErrorContext::innermost();
    places_.push_back(context ? context->where() : "");
  }
  return Variable(std::move(y), serial_, int32_t(nodes_.size()) - 1);
}

Tape* Tape::recording(std::span<const Variable* const> inputs, std::span<int32_t> places, const char* operation) {
  Tape* tape = recording_tape;
  bool needed = false;
  for (size_t i = 0; tape && i < inputs.size(); ++i) {
    places[i] = tape->place_of(*inputs[i], operation);
    needed = needed || places[i] >= 0;
  }
  return needed ? tape : nullptr;
}

Tape::Recording::Recording(Tape* tape, Node* node, const char* name) : tape_(tape), node_(node) {
  if (!node) return;
  node->name = name;
  if (tape->options_.timing || tape->options_.profile) start_ = now_nanoseconds();
}

Tape::Recording::~Recording() {
  if (node_) node_->~Node();
}

Variable Tape::Recording::finish(Tensor y, std::span<const Variable* const> inputs, double flops) {
  if (!node_) return Variable(std::move(y));
  Node& node = *std::exchange(node_, nullptr);
  Variable result = tape_->append(&node, node.name, std::move(y));
  if (start_) node.nanoseconds = now_nanoseconds() - start_;
  if (tape_->options_.profile) tape_->profile_forward(node, flops, result.value(), inputs);
  if (tape_->options_.anomaly) tape_->check_forward(node, result.value(), inputs);
  if (test_hook) test_hook->after_forward(node);
  return result;
}

void Tape::hand_out(Node& node, const Tensor& dy, std::span<Tensor> grads, double flops) {
  if (options_.profile) profile_backward(node, flops, dy, grads);
  if (test_hook) test_hook->after_backward(node, grads);
  if (options_.anomaly) check_backward(node, dy, grads);
  for (size_t i = 0; i < grads.size(); ++i) {
    if (node.inputs[i] >= 0) accumulate(node.inputs[i], std::move(grads[i]), node);
  }
}

Tensor* Tape::gradient_to_add_to(int32_t place) {
  if (test_hook || options_.anomaly) return nullptr;
  Tensor& grad = nodes_[size_t(place)]->grad;
  return grad.defined() && grad.owns_alone() ? &grad : nullptr;
}

void Tape::accumulate(int32_t place, Tensor grad, const Node& from) {
  if (!grad.defined()) return;
  Node& node = *nodes_[size_t(place)];
  if (grad.dtype() != node.dtype)
    fail(ErrorKind::dtype, from.name, ": backward gave a ", grad.dtype(), " gradient for an input of ", node.dtype);
  if (test_hook && test_hook->accumulate(node, node.grad, grad)) return;
  if (grad.shape() != node.shape) grad = sum_to(grad, node.shape);
  if (!node.grad.defined())
    node.grad = std::move(grad);
  else if (node.grad.owns_alone())
    node.grad += grad;
  else
    node.grad = node.grad + grad;
}

void Tape::backward(const Variable& loss) {
  if (loss.count() != 1)
    fail(ErrorKind::shape, "backward: the loss must be one number, got ", loss.shape(),
         "; reduce it with mean() or sum(), or pass the gradient to start from");
  backward(loss, ones(loss.shape(), loss.dtype()));
}

void Tape::backward(const Variable& y, const Tensor& dy) {
  if (ended_)
    fail(ErrorKind::tape,
         "backward: this tape has been walked already and what it saved is freed; record the forward "
         "again on a new tape");
  if (dy.shape() != y.shape() || dy.dtype() != y.dtype())
    fail(ErrorKind::shape, "backward: y is ", y.shape(), " ", y.dtype(), ", its gradient ", dy.shape(), " ",
         dy.dtype());
  const int32_t place = place_of(y, "backward");
  if (place < 0)
    fail(ErrorKind::tape, "backward: the loss depends on no parameter, or was computed before this tape began");
  end_recording();
  nodes_[size_t(place)]->grad = dy;
  if (options_.profile) options_.profile->count_step();
  walk(int32_t(nodes_.size()) - 1);
}

void Tape::profile_forward(Node& node, double flops, const Tensor& y, std::span<const Variable* const> inputs) {
  Profile::Line& line = options_.profile->line(node.name);
  ++line.calls;
  line.forward_ns += node.nanoseconds;
  line.flops += flops;
  line.saved_bytes += node.saved_bytes();
  const bool view =
      std::any_of(inputs.begin(), inputs.end(), [&](const Variable* x) { return x->value().storage() == y.storage(); });
  if (view) return;
  line.bytes += double(y.bytes());
  for (const Variable* x : inputs) line.bytes += double(std::min(x->value().bytes(), x->value().storage().bytes()));
}

// Called between an operation's backward and the handing out of what it gave.
void Tape::profile_backward(Node& node, double flops, const Tensor& dy, std::span<const Tensor> grads) {
  const int64_t now = now_nanoseconds();
  Profile::Line& line = options_.profile->line(node.name);
  line.backward_ns += now - lap_;
  line.flops += flops;
  double written = 0;
  for (const Tensor& grad : grads) {
    if (grad.defined() && !(grad.storage() == dy.storage()))
      written += double(std::min(grad.bytes(), grad.storage().bytes()));
  }
  if (written > 0) line.bytes += written + double(std::min(dy.bytes(), dy.storage().bytes()) + node.saved_bytes());
  lap_ = now_nanoseconds();
}

void Tape::walk(int32_t from) {
  for (int32_t i = from; i >= 0; --i) {
    Node*& node = nodes_[size_t(i)];
    if (node->grad.defined()) {
      Tensor dy = std::move(node->grad);
      if (test_hook) test_hook->before_backward(*node, dy);
      if (options_.profile) lap_ = now_nanoseconds();
      node->backward(*this, dy);
      if (options_.profile) options_.profile->line("sums of gradients").backward_ns += now_nanoseconds() - lap_;
    }
    node->~Node();  // frees what the operation saved
    node = nullptr;
  }
}

}  // namespace fovea
