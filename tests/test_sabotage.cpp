// Does the gradient checker notice? The backward of every operation in the table is broken on purpose, in each of the
// ways below, and gradcheck must fail each time. A way that would change nothing (the transpose of a vector) is
// skipped, and the number of those that ran is pinned: a sabotage that never happens would prove nothing.
#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <map>
#include <memory>

#include "autograd/elementwise.h"
#include "autograd/gradcheck.h"
#include "autograd/tape.h"
#include "op_cases.h"
#include "tensor/elementwise.h"
#include "tensor/views.h"

using namespace fovea;
using namespace fovea::tests;

namespace {

// Breaks one thing at one operation of a function: the `place`-th that is recorded on the tape.
struct Sabotage : TapeHook {
  int place = 0;

  void after_forward(Node& node) override {
    if (walking_) {  // a new tape
      walking_ = false;
      count_ = 0;
      target_ = nullptr;
    }
    if (count_++ != place) return;
    target_ = &node;
    falsify_saved(node);
  }
  void before_backward(const Node& node, Tensor& dy) override {
    walking_ = true;
    if (&node == target_) dy = falsify_cotangent(dy);
  }
  void after_backward(const Node& node, std::span<Tensor> grads) override {
    if (&node == target_) falsify_all(grads);
  }

 protected:
  virtual void falsify_saved(Node&) {}
  virtual Tensor falsify_cotangent(const Tensor& dy) { return dy; }
  virtual Tensor falsify(const Tensor& grad) { return grad; }
  virtual void falsify_all(std::span<Tensor> grads) {
    for (Tensor& grad : grads) {
      if (grad.defined()) grad = falsify(grad);
    }
  }

 private:
  int count_ = 0;
  bool walking_ = false;
  const Node* target_ = nullptr;
};

// Each gradient becomes fn of it.
struct Falsified : Sabotage {
  std::function<Tensor(const Tensor&)> fn;
  explicit Falsified(std::function<Tensor(const Tensor&)> f) : fn(std::move(f)) {}
  Tensor falsify(const Tensor& grad) override { return fn(grad); }
};

struct OnesAsCotangent : Sabotage {
  Tensor falsify_cotangent(const Tensor& dy) override { return ones(dy.shape(), dy.dtype()); }
};

struct SwappedInputs : Sabotage {
  void falsify_all(std::span<Tensor> grads) override {
    if (grads.size() < 2 || !grads[0].defined() || !grads[1].defined()) return;
    if (grads[0].shape() == grads[1].shape()) std::swap(grads[0], grads[1]);
  }
};

struct SavedChanged : Sabotage {
  void falsify_saved(Node& node) override {
    std::vector<Tensor*> saved;
    node.visit_saved([](void* list, Tensor& t) { static_cast<std::vector<Tensor*>*>(list)->push_back(&t); }, &saved);
    for (Tensor* t : saved) {  // the first: were all changed alike, some formulas would not see it
      if (!t->defined() || !is_floating(t->dtype()) || t->count() == 0) continue;
      *t = *t * -1.5 - 0.1;
      return;
    }
  }
};

// The tape's own work: the sum over a broadcast axis, and over several uses of a variable.
struct OneOfManyBroadcast : Sabotage {
  bool accumulate(const Node& node, Tensor& into, const Tensor& grad) override {
    if (grad.shape() == node.shape || grad.count() == 0) return false;
    Tensor one = grad;
    while (one.rank() > node.shape.rank()) one = select(one, 0, 0);
    for (int axis = 0; axis < one.rank(); ++axis) {
      if (node.shape[axis] == 1) one = narrow(one, axis, 0, 1);
    }
    into = into.defined() ? into + one : one.clone();
    return true;
  }
};

struct OverwrittenNotAdded : Sabotage {
  bool accumulate(const Node& node, Tensor& into, const Tensor& grad) override {
    if (!into.defined() || grad.shape() != node.shape) return false;
    into = grad.clone();
    return true;
  }
};

Tensor only_first_batch(const Tensor& grad) {
  if (grad.rank() == 0 || grad.size(0) < 2) return grad;
  Tensor result = zeros(grad.shape(), grad.dtype());
  narrow(result, 0, 0, 1).copy_(narrow(grad, 0, 0, 1));
  return result;
}

// The last elements hold what the buffer held before.
Tensor last_stale(const Tensor& grad, int64_t lanes) {
  Tensor result = grad.clone();
  for (int64_t i = std::max<int64_t>(0, grad.count() - lanes); i < grad.count(); ++i)
    result.view({grad.count()}, {1}).set({i}, 0.4375);
  return result;
}

Tensor one_element(const Tensor& grad, const std::function<double(double)>& fn) {
  if (grad.count() == 0) return grad;
  Tensor result = grad.clone();
  Tensor flat = result.view({grad.count()}, {1});
  const int64_t i = grad.count() / 2;
  flat.set({i}, fn(flat.at({i})));
  return result;
}

Tensor transposed(const Tensor& grad) {
  if (grad.rank() < 2 || grad.size(-1) < 2 || grad.size(-2) < 2) return grad;
  return reshape(transpose(grad), grad.shape());
}

using Make = std::function<std::unique_ptr<Sabotage>()>;

template <class S> Make make() {
  return [] { return std::make_unique<S>(); };
}
Make make(std::function<Tensor(const Tensor&)> fn) {
  return [fn] { return std::make_unique<Falsified>(fn); };
}

const std::vector<std::pair<std::string, Make>>& sabotages() {
  static const std::vector<std::pair<std::string, Make>> all = {
      {"zeroed", make([](const Tensor& g) { return zeros(g.shape(), g.dtype()); })},
      {"dropped", make([](const Tensor&) { return Tensor(); })},
      {"scaled by 1 + 1e-6", make([](const Tensor& g) { return g * (1 + 1e-6); })},
      {"sign", make([](const Tensor& g) { return -g; })},
      {"doubled", make([](const Tensor& g) { return g * 2; })},
      {"through f32", make([](const Tensor& g) { return g.to(DType::f32).to(DType::f64); })},
      {"only the first batch row", make(only_first_batch)},
      {"last lane stale", make([](const Tensor& g) { return last_stale(g, 1); })},
      {"last three lanes stale", make([](const Tensor& g) { return last_stale(g, 3); })},
      {"one element wrong", make([](const Tensor& g) { return one_element(g, [](double v) { return v * 1.001; }); })},
      {"one element NaN", make([](const Tensor& g) { return one_element(g, [](double) { return NAN; }); })},
      {"transposed", make(transposed)},
      {"swapped inputs", make<SwappedInputs>()},
      {"cotangent of ones", make<OnesAsCotangent>()},
      {"saved tensor changed", make<SavedChanged>()},
      {"broadcast axis not summed", make<OneOfManyBroadcast>()},
      {"overwritten, not added", make<OverwrittenNotAdded>()},
  };
  return all;
}

struct HookSet {
  explicit HookSet(TapeHook* hook) { Tape::set_hook(hook); }
  ~HookSet() { Tape::set_hook(nullptr); }
};

// How many operations were recorded.
int operations(const Outcome& outcome) {
  int count = 0;
  for (const std::string& name : outcome.recorded) count += name != "leaf";
  return count;
}

// Whether the gradients differ by more than gradcheck allows for.
bool differ(const Outcome& a, const Outcome& b) {
  for (size_t i = 1; i < a.tensors.size(); ++i) {
    const double scale = max_abs_difference(b.tensors[i], zeros(b.tensors[i].shape(), DType::f64));
    if (max_abs_difference(a.tensors[i], b.tensors[i]) > 2e-8 * scale) return true;
  }
  return false;
}

// The row, and the row with each input used twice, so that gradients have to be added up.
std::vector<OpCase> as_is_and_used_twice(const OpCase& row) {
  OpCase twice = row;
  twice.name += ", used twice";
  twice.fn = [fn = row.fn](In x) { return fn(x) + fn(x) * 0.5; };
  return {row, twice};
}

}  // namespace

TEST_CASE("whatever is broken in the backward of any operation, gradcheck fails") {
  const GradcheckOptions quick{.projections = 3, .full_outputs = 0};
  std::map<std::string, int> ran;
  for (const OpCase& once : op_cases()) {
    const std::vector<Tensor> inputs = make_inputs(once);
    for (const OpCase& row : as_is_and_used_twice(once)) {
      const bool twice = row.name != once.name;
      const Outcome right = run_case(row, inputs);
      for (const auto& entry : sabotages()) {
        const std::string& name = entry.first;
        if (twice != (name == "overwritten, not added")) continue;
        const int places = name == "broadcast axis not summed" || twice ? 1 : operations(right);
        for (int place = 0; place < places; ++place) {
          const std::unique_ptr<Sabotage> sabotage = entry.second();
          sabotage->place = place;
          const HookSet hook(sabotage.get());
          if (!differ(run_case(row, inputs), right)) continue;
          const GradcheckReport report = gradcheck(row.fn, inputs, quick);
          CHECK_MESSAGE(!report.ok, row.name, ", operation ", place, ", ", name, ": not noticed; ", report);
          ++ran[name];
        }
      }
    }
  }
  const std::map<std::string, int> expected = {{"broadcast axis not summed", 30},
                                               {"cotangent of ones", 267},
                                               {"doubled", 267},
                                               {"dropped", 267},
                                               {"last lane stale", 270},
                                               {"last three lanes stale", 270},
                                               {"one element NaN", 261},
                                               {"one element wrong", 231},
                                               {"only the first batch row", 252},
                                               {"overwritten, not added", 208},
                                               {"saved tensor changed", 150},
                                               {"scaled by 1 + 1e-6", 267},
                                               {"sign", 267},
                                               {"swapped inputs", 35},
                                               {"through f32", 225},
                                               {"transposed", 241},
                                               {"zeroed", 267}};
  CHECK(expected.size() == sabotages().size());
  for (const auto& entry : expected) {
    const int count = ran[entry.first];
    CHECK_MESSAGE(count == entry.second, entry.first, ": ran ", count, " times");
  }
}

TEST_CASE("without sabotage the same checks pass, so it is the sabotage that they notice") {
  const GradcheckOptions quick{.projections = 3, .full_outputs = 0};
  for (const OpCase& once : op_cases()) {
    for (const OpCase& row : as_is_and_used_twice(once)) {
      const GradcheckReport report = gradcheck(row.fn, make_inputs(once), quick);
      CHECK_MESSAGE(report.ok, row.name, ": ", report);
    }
  }
}
