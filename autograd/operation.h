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

// What an operation may add whose result is a part of its input: the view of that part. Where the input's gradient has
// begun to arrive, dy is added to the part alone, and backward is not asked: so cutting a sequence into its steps costs
// its length, not the square of it.
//
//   Tensor part_of(const Tensor& x) const;
template <class Op>
concept PartOperation = requires(const Op op, const Tensor& x) {
  { op.part_of(x) } -> std::same_as<Tensor>;
};

// The names of all operations in namespace fovea that the program can record: what the table of test cases must cover.
const std::vector<std::string>& operation_names();

namespace detail {

const char* register_operation(std::string_view type_name);  // "fovea::LogSoftmax" becomes "log_softmax"

template <class Op> constexpr std::string_view type_name() { return __PRETTY_FUNCTION__; }
template <class Op> struct Registered { static inline const char* const name = register_operation(type_name<Op>()); };

// A node of the tape that holds an operation.
template <class Op> struct SavingNode : Node {
  Op op;
  explicit SavingNode(Op&& o) : op(std::move(o)) {}
  void visit_saved(void (*fn)(void*, Tensor&), void* context) override {
    for_each_field(op, [&](auto& member) {
      using Member = std::remove_cvref_t<decltype(member)>;
      if constexpr (std::is_same_v<Member, Tensor>) fn(context, member);
      if constexpr (std::is_same_v<Member, std::vector<Tensor>>) {
        for (Tensor& t : member) fn(context, t);
      }
    });
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

template <class Op, size_t N> struct Recorded final : SavingNode<Op> {
  std::array<int32_t, N> places;
  Recorded(Op&& o, const std::array<int32_t, N>& p) : SavingNode<Op>(std::move(o)), places(p) { this->inputs = places; }
  void backward(Tape& tape, const Tensor& dy) override {
    if constexpr (PartOperation<Op>) {
      if (Tensor* dx = tape.gradient_to_add_to(places[0])) return void(this->op.part_of(*dx).add_(dy));
    }
    Needs<N> needs;
    for (size_t i = 0; i < N; ++i) needs[i] = places[i] >= 0;
    Grads<N> grads = this->op.backward(dy, needs);
    tape.hand_out(*this, dy, grads, backward_flops(this->op, needs));
  }
};

template <class Op> struct RecordedList final : SavingNode<Op> {
  std::vector<int32_t> places;
  RecordedList(Op&& o, std::vector<int32_t> p) : SavingNode<Op>(std::move(o)), places(std::move(p)) {
    this->inputs = places;
  }
  void backward(Tape& tape, const Tensor& dy) override {
    std::vector<Tensor> grads = this->op.backward(dy);
    if (grads.size() != places.size())
      fail(ErrorKind::shape, this->name, ": backward returned ", grads.size(), " gradients for ", places.size(),
           " inputs");
    tape.hand_out(*this, dy, grads, 0);
  }
};

}  // namespace detail

// Runs an operation on its inputs; on the tape, where one records and an input needs a gradient.
template <class Op, std::derived_from<Variable>... Inputs>
requires Operation<Op, sizeof...(Inputs)> Variable record(Op op, const Inputs&... inputs) {
  constexpr size_t n = sizeof...(Inputs);
  const char* const name = detail::Registered<Op>::name;
  const std::array<const Variable*, n> list{&inputs...};
  std::array<int32_t, n> places;
  Tape* tape = Tape::recording(list, places, name);
  auto* node = tape ? tape->prepare<detail::Recorded<Op, n>>(std::move(op), places) : nullptr;
  Op& running = node ? node->op : op;

  Tape::Recording recording(tape, node, name);
  Tensor y = running.forward(inputs.value()...);
  return recording.finish(std::move(y), list, detail::forward_flops(running));
}

// The same for an operation on a list.
template <ListOperation Op> Variable record(Op op, std::span<const Variable> inputs) {
  const char* const name = detail::Registered<Op>::name;
  std::vector<Tensor> values;
  std::vector<const Variable*> list;
  for (const Variable& x : inputs) {
    values.push_back(x.value());
    list.push_back(&x);
  }
  std::vector<int32_t> places(inputs.size());
  Tape* tape = Tape::recording(list, places, name);
  auto* node = tape ? tape->prepare<detail::RecordedList<Op>>(std::move(op), std::move(places)) : nullptr;
  Op& running = node ? node->op : op;

  Tape::Recording recording(tape, node, name);
  Tensor y = running.forward(values);
  return recording.finish(std::move(y), list, 0);
}

}  // namespace fovea
