// What an operation is, and how one gets onto the tape.
//
// An operation is one struct. Its members are its arguments and what its backward needs saved; forward and
// backward stand side by side, the formula above them:
//
//   struct Softmax {                                             // y_i = exp(x_i) / Σ_j exp(x_j)
//     int axis;
//     Tensor y;
//     Tensor forward(const Tensor& x) { return y = softmax(x, axis); }
//     Grads<1> backward(const Tensor& dy, Needs<1>) const {       // dx = y ∘ (dy − Σ dy∘y)
//       return {y * (dy - sum(dy * y, {axis}, true))};
//     }
//   };
//   Variable softmax(const Variable& x, int axis) { return record(Softmax{axis, {}}, x); }
//
// The tape does what all operations need: it sums a gradient back to the shape of an input that was
// broadcast, adds up what arrives from several users, checks shapes and dtypes, and does not ask for what
// nobody needs.
#pragma once
#include <array>
#include <bitset>
#include <chrono>
#include <concepts>
#include <span>
#include <string_view>
#include <vector>

#include "autograd/fields.h"
#include "autograd/tape.h"

namespace fovea {

// One gradient per input, in the order of the inputs. An undefined tensor means "none".
template <size_t N> using Grads = std::array<Tensor, N>;
// Which of them are wanted. An operation may ignore it, or save work by looking.
template <size_t N> using Needs = std::bitset<N>;

namespace detail {
template <size_t> using TensorArgument = const Tensor&;
template <class Op, size_t... I> consteval bool is_operation(std::index_sequence<I...>) {
  return requires(Op op, const Tensor& t, TensorArgument<I>... inputs) {
    { op.forward(inputs...) } -> std::same_as<Tensor>;
    { op.backward(t, Needs<sizeof...(I)>{}) } -> std::same_as<Grads<sizeof...(I)>>;
  };
}
}  // namespace detail

// forward takes N tensors, backward returns N gradients: a struct that gets the number wrong does not
// compile.
template <class Op, size_t N>
concept Operation = std::is_aggregate_v<Op> && detail::is_operation<Op>(std::make_index_sequence<N>{});

// An operation on a list of tensors (cat, einsum): as many gradients as inputs, checked at run time.
template <class Op>
concept ListOperation = std::is_aggregate_v<Op> && requires(Op op, const Tensor& dy, std::span<const Tensor> xs) {
  { op.forward(xs) } -> std::same_as<Tensor>;
  { op.backward(dy) } -> std::same_as<std::vector<Tensor>>;
};

// What an operation that multiplies matrices may add for the profiler: the multiplications and additions of its
// forward, and of the gradients that are wanted.
//
//   double flops() const;
//   double backward_flops(Needs<N>) const;

// The names of all operations in namespace fovea that the program can record: what the table of test cases must cover.
const std::vector<std::string>& operation_names();

namespace detail {

const char* register_operation(std::string_view type_name);  // "fovea::LogSoftmax" becomes "log_softmax"

template <class Op> constexpr std::string_view type_name() { return __PRETTY_FUNCTION__; }
template <class Op> struct Registered { static inline const char* const name = register_operation(type_name<Op>()); };

// A node of the tape that holds an operation and knows where its inputs stand.
template <class Op> struct SavingNode : Node {
  Op op;
  explicit SavingNode(Op&& o) : op(std::move(o)) {}
  int64_t saved_bytes() const override {
    int64_t bytes = 0;
    for_each_field(op, [&](const auto& member) { bytes += bytes_of(member); });
    return bytes;
  }
  void visit_saved(void (*fn)(void*, Tensor&), void* context) override {
    for_each_field(op, [&](auto& member) {
      using Member = std::remove_cvref_t<decltype(member)>;
      if constexpr (std::is_same_v<Member, Tensor>) fn(context, member);
      if constexpr (std::is_same_v<Member, std::vector<Tensor>>) {
        for (Tensor& t : member) fn(context, t);
      }
    });
  }

 private:
  template <class Member> static int64_t bytes_of(const Member& member) {
    if constexpr (std::is_same_v<Member, Tensor>) return member.defined() ? member.bytes() : 0;
    if constexpr (std::is_same_v<Member, std::vector<Tensor>>) {
      int64_t bytes = 0;
      for (const Tensor& t : member) bytes += bytes_of(t);
      return bytes;
    }
    return 0;
  }
};

template <class Op> double forward_flops(const Op& op) {
  if constexpr (requires { op.flops(); }) return op.flops();
  return 0;
}
template <class Op, size_t N> double backward_flops(const Op& op, Needs<N> needs) {
  if constexpr (requires { op.backward_flops(needs); }) return op.backward_flops(needs);
  return 0;
}

// Gives the gradients that an operation computed to its inputs.
inline void hand_out(Tape& tape, const Node& node, const Tensor& dy, std::span<Tensor> grads,
                     std::span<const int32_t> inputs) {
  if (TapeHook* hook = Tape::hook()) hook->after_backward(node, grads);
  if (tape.options().anomaly) tape.check_backward(node, dy, grads);
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i] >= 0) tape.accumulate(inputs[i], std::move(grads[i]), node);
  }
}

template <class Op, size_t N> struct Recorded final : SavingNode<Op> {
  std::array<int32_t, N> places;
  Recorded(Op&& o, const std::array<int32_t, N>& p) : SavingNode<Op>(std::move(o)), places(p) {}
  void backward(Tape& tape, const Tensor& dy) override {
    Needs<N> needs;
    for (size_t i = 0; i < N; ++i) needs[i] = places[i] >= 0;
    Grads<N> grads = this->op.backward(dy, needs);
    if (tape.options().profile) tape.profile_backward(*this, backward_flops(this->op, needs), dy, grads);
    hand_out(tape, *this, dy, grads, places);
  }
  std::vector<int32_t> inputs() const override { return {places.begin(), places.end()}; }
};

template <class Op> struct RecordedList final : SavingNode<Op> {
  std::vector<int32_t> places;
  RecordedList(Op&& o, std::vector<int32_t> p) : SavingNode<Op>(std::move(o)), places(std::move(p)) {}
  void backward(Tape& tape, const Tensor& dy) override {
    std::vector<Tensor> grads = this->op.backward(dy);
    if (grads.size() != places.size())
      fail(ErrorKind::shape, this->name, ": backward returned ", grads.size(), " gradients for ", places.size(),
           " inputs");
    if (tape.options().profile) tape.profile_backward(*this, 0, dy, grads);
    hand_out(tape, *this, dy, grads, places);
  }
  std::vector<int32_t> inputs() const override { return places; }
};

inline int64_t now_nanoseconds() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// Runs forward() on the operation of a node and puts that onto the tape. An operation that throws never gets there.
template <class NodeType, class Forward>
Variable run_and_append(Tape& tape, NodeType* node, std::span<const Tensor* const> inputs, Forward forward) {
  struct Unfinished {
    Node* node;
    ~Unfinished() {
      if (node) node->~Node();
    }
  } unfinished{node};
  const int64_t start = tape.options().timing || tape.options().profile ? now_nanoseconds() : 0;
  Variable result = tape.append(node, Registered<decltype(node->op)>::name, forward(node->op));
  unfinished.node = nullptr;
  if (start) node->nanoseconds = now_nanoseconds() - start;
  if (tape.options().profile)
    tape.profile_forward(*node, node->nanoseconds, forward_flops(node->op), result.value(), inputs);
  if (tape.options().anomaly) tape.check_forward(*node, result.value(), inputs);
  if (TapeHook* hook = Tape::hook()) hook->after_forward(*node);
  return result;
}

}  // namespace detail

// Runs an operation on its inputs; on the tape, where one records and an input needs a gradient.
template <class Op, std::derived_from<Variable>... Inputs>
requires Operation<Op, sizeof...(Inputs)> Variable record(Op op, const Inputs&... inputs) {
  constexpr size_t n = sizeof...(Inputs);
  Tape* tape = Tape::recording();
  if (tape) {
    const std::array<int32_t, n> places{tape->place_of(inputs, detail::Registered<Op>::name)...};
    bool needed = false;
    for (int32_t place : places) needed = needed || place >= 0;
    const std::array<const Tensor*, n> values{&inputs.value()...};
    if (needed)
      return detail::run_and_append(*tape, tape->prepare<detail::Recorded<Op, n>>(std::move(op), places), values,
                                    [&](Op& o) { return o.forward(inputs.value()...); });
  }
  return Variable(op.forward(inputs.value()...));
}

// The same for an operation on a list.
template <ListOperation Op> Variable record(Op op, std::span<const Variable> inputs) {
  std::vector<Tensor> values;
  for (const Variable& x : inputs) values.push_back(x.value());
  if (Tape* tape = Tape::recording()) {
    std::vector<int32_t> places;
    std::vector<const Tensor*> pointers;
    bool needed = false;
    for (size_t i = 0; i < inputs.size(); ++i) {
      places.push_back(tape->place_of(inputs[i], detail::Registered<Op>::name));
      pointers.push_back(&values[i]);
      needed = needed || places.back() >= 0;
    }
    if (needed)
      return detail::run_and_append(*tape, tape->prepare<detail::RecordedList<Op>>(std::move(op), std::move(places)),
                                    pointers, [&](Op& o) { return o.forward(values); });
  }
  return Variable(op.forward(values));
}

}  // namespace fovea
