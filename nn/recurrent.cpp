#include "nn/recurrent.h"

#include <cmath>

#include "autograd/elementwise.h"
#include "autograd/indexing.h"
#include "autograd/matmul.h"
#include "nn/init.h"
#include "tensor/reduce.h"

namespace fovea::nn {
namespace {

int64_t gates_of(Recurrence kind) { return kind == Recurrence::gru ? 3 : kind == Recurrence::lstm ? 4 : 1; }

// Gate i of those that lie side by side: [B, G] -> [B, H].
Variable gate(const Variable& gates, int64_t i, int64_t hidden) { return narrow(gates, -1, i * hidden, hidden); }

void check_state(const RecurrentCell& cell, const RecurrentState& state, size_t place, int64_t batch) {
  const Shape wanted{batch, cell.hidden()};
  const auto check = [&](const char* part, const Variable& x) {
    if (!x.defined())
      fail(ErrorKind::shape, "Recurrent: the ", part, " of cell ", place, " must be ", wanted, ", got none");
    if (x.shape() != wanted)
      fail(ErrorKind::shape, "Recurrent: the ", part, " of cell ", place, " must be ", wanted, ", got ", x.shape());
  };
  check("hidden state", state.hidden);
  if (cell.kind == Recurrence::lstm) check("memory", state.memory);
}

// Which steps are real; none are left out where no lengths are given.
struct RealSteps {
  Tensor real;           // bool [B, T]
  int64_t shortest = 0;  // up to here every sequence goes on
  bool all(int64_t t) const { return !real.defined() || t < shortest; }
  Tensor at(int64_t t) const { return unsqueeze(select(real, 1, t), 1); }  // [B, 1]
};

// One direction of one layer: [B, T, C] -> [B, T, H]; the state becomes the final one.
Variable run(const RecurrentCell& cell, const Variable& x, bool backward, const RealSteps& steps,
             RecurrentState& state) {
  const int64_t batch = x.size(0), time = x.size(1);
  const Variable gates = cell.project(x);  // [B, T, G]
  std::vector<Variable> hidden;
  hidden.resize(size_t(time));
  for (int64_t i = 0; i < time; ++i) {
    const int64_t t = backward ? time - 1 - i : i;
    const RecurrentState next = cell.step(select(gates, 1, t), state);
    state = steps.all(t) ? next : where(steps.at(t), next, state);
    hidden[size_t(t)] = state.hidden;
  }
  const Variable output = reshape(cat(hidden, 1), {batch, time, cell.hidden()});  // [B, T·H] is [B, T, H]
  if (steps.all(time - 1)) return output;
  return masked_fill(output, unsqueeze(logical_not(steps.real), 2), 0);
}

}  // namespace

RecurrentState where(const Tensor& keep, const RecurrentState& a, const RecurrentState& b) {
  return {fovea::where(keep, a.hidden, b.hidden),
          a.memory.defined() ? fovea::where(keep, a.memory, b.memory) : Variable()};
}

Tensor real_steps(const char* operation, const Tensor& lengths, int64_t batch, int64_t time) {
  if (lengths.dtype() != DType::i64 || lengths.shape() != Shape{batch})
    fail(ErrorKind::shape, operation, ": lengths must be i64 ", Shape{batch}, ", one per sequence, got ",
         lengths.dtype(), " ", lengths.shape());
  const std::vector<int64_t> numbers = lengths.to_vector<int64_t>();
  for (size_t b = 0; b < numbers.size(); ++b) {
    if (numbers[b] < 0 || numbers[b] > time)
      fail(ErrorKind::value, operation, ": length ", numbers[b], " of sequence ", b, " lies outside 0 … ", time,
           ", the steps that x has");
  }
  return unsqueeze(arange(time), 0) < unsqueeze(lengths, 1);  // [B, T]
}

RecurrentCell::RecurrentCell(Recurrence k, int64_t in, int64_t hidden, Rng& rng) : kind(k) {
  if (in < 1 || hidden < 1)
    fail(ErrorKind::value, "Recurrent: in and hidden must be at least 1, got ", in, " and ", hidden);
  const int64_t width = gates_of(kind) * hidden;
  const double bound = 1 / std::sqrt(double(hidden));
  input_weight = Parameter(uniform({in, width}, -bound, bound, rng));
  hidden_weight = Parameter(uniform({hidden, width}, -bound, bound, rng));
  bias = Parameter(zeros({width}));
  if (kind == Recurrence::lstm) narrow(bias.value(), 0, hidden, hidden).fill_(1);
  if (kind == Recurrence::gru) reset_bias = Parameter(zeros({hidden}));
}

Variable RecurrentCell::project(const Variable& x) const { return matmul(x, input_weight) + bias; }

RecurrentState RecurrentCell::step(const Variable& x, const RecurrentState& state) const {
  const int64_t n = hidden();
  const Variable& h = state.hidden;
  const Variable u = matmul(h, hidden_weight);  // [B, G]
  switch (kind) {
    case Recurrence::tanh: return {tanh(x + u), {}};
    case Recurrence::relu: return {relu(x + u), {}};
    case Recurrence::gru: {
      const Variable both = sigmoid(narrow(x, -1, 0, 2 * n) + narrow(u, -1, 0, 2 * n));  // [B, 2H]
      const Variable reset = gate(both, 0, n), update = gate(both, 1, n);
      const Variable fresh = tanh(gate(x, 2, n) + reset * (gate(u, 2, n) + reset_bias));
      return {fresh + update * (h - fresh), {}};
    }
    case Recurrence::lstm: break;
  }
  const Variable sums = x + u;  // [B, 4H]
  const Variable both = sigmoid(narrow(sums, -1, 0, 2 * n));
  const Variable memory = gate(both, 1, n) * state.memory + gate(both, 0, n) * tanh(gate(sums, 2, n));
  return {sigmoid(gate(sums, 3, n)) * tanh(memory), memory};
}

RecurrentState RecurrentCell::zero_state(int64_t batch) const {
  const Variable zero = zeros({batch, hidden()}, hidden_weight.dtype());
  return {zero, kind == Recurrence::lstm ? zero : Variable()};
}

void RecurrentCell::visit(Visitor& v) {
  v("input_weight", input_weight);
  v("hidden_weight", hidden_weight);
  v("bias", bias);
  if (reset_bias.defined()) v("reset_bias", reset_bias);
}

Recurrent::Recurrent(const RecurrentConfig& c, Rng& rng) : dropout(c.dropout, rng), bidirectional(c.bidirectional) {
  if (c.layers < 1) fail(ErrorKind::value, "Recurrent: layers must be at least 1, got ", c.layers);
  for (int64_t layer = 0; layer < c.layers; ++layer) {
    for (int64_t direction = 0; direction < directions(); ++direction)
      cells.emplace_back(c.kind, layer == 0 ? c.in : directions() * c.hidden, c.hidden, rng);
  }
}

RecurrentOutput Recurrent::operator()(const Variable& x, const Tensor& lengths,
                                      const std::vector<RecurrentState>& initial) const {
  Scope scope(*this);
  if (x.rank() != 3 || x.size(1) < 1)
    fail(ErrorKind::shape, "Recurrent: x must be [batch, time, channels] with at least one step, got ", x.shape());
  const int64_t batch = x.size(0), time = x.size(1);
  RealSteps steps;
  if (lengths.defined() && batch > 0) {
    steps.real = real_steps("Recurrent", lengths, batch, time);
    steps.shortest = int64_t(min(lengths).item());
  }
  RecurrentOutput result{x, initial};
  if (initial.empty()) {
    for (const RecurrentCell& cell : cells) result.states.push_back(cell.zero_state(batch));
  }
  if (result.states.size() != cells.size())
    fail(ErrorKind::value, "Recurrent: ", initial.size(), " initial states for ", cells.size(),
         " cells (layers · directions)");
  for (size_t i = 0; i < cells.size(); ++i) check_state(cells[i], result.states[i], i, batch);

  for (size_t i = 0; i < cells.size(); i += size_t(directions())) {
    const Variable in = i == 0 ? x : dropout(result.output);
    result.output = run(cells[i], in, false, steps, result.states[i]);
    if (bidirectional)
      result.output = cat({result.output, run(cells[i + 1], in, true, steps, result.states[i + 1])}, 2);
  }
  return result;
}

void Recurrent::visit(Visitor& v) {
  v("cells", cells);
  v("dropout", dropout);
}

}  // namespace fovea::nn
