// Recurrent cells and layers against PyTorch's numbers: outputs, final states and every gradient, for each kind, one
// layer and two in both directions, with and without lengths.
#include "autograd/elementwise.h"
#include "autograd/indexing.h"
#include "autograd/reduce.h"
#include "autograd/tape.h"
#include "nn/recurrent.h"
#include "tests/golden_file.h"

using namespace fovea;
using nn::Recurrence;
using nn::RecurrentState;

namespace {

const std::pair<Recurrence, std::string> kinds[] = {
    {Recurrence::tanh, "tanh"}, {Recurrence::relu, "relu"}, {Recurrence::gru, "gru"}, {Recurrence::lstm, "lstm"}};

Variable weighted(const Variable& y, const Tensor& g) { return sum(y * g); }

// The states of all cells on top of each other, as PyTorch stores them: [layers · directions, B, H].
Variable stacked(const std::vector<RecurrentState>& states, Variable RecurrentState::*part) {
  std::vector<Variable> parts;
  for (const RecurrentState& state : states) parts.push_back(state.*part);
  return stack(parts);
}

void check_cell(GoldenFile& golden, const std::string& name, Recurrence kind) {
  const bool lstm = kind == Recurrence::lstm;
  Rng rng(1);
  nn::RecurrentCell cell(kind, 4, 6, rng);
  golden.load_into(cell, name);
  Parameter x(golden[name + "x"]), h(golden[name + "h"]), c(lstm ? golden[name + "c"] : Tensor());
  Tape tape;
  const RecurrentState end = cell(x, {h, lstm ? c : Variable()});
  golden.check(name + "h1", end.hidden.value());
  Variable total = weighted(end.hidden, golden[name + "g_h1"]);
  if (lstm) {
    golden.check(name + "c1", end.memory.value());
    total += weighted(end.memory, golden[name + "g_c1"]);
  }
  tape.backward(total);
  golden.check(name + "x.grad", x.grad());
  golden.check(name + "h.grad", h.grad());
  if (lstm) golden.check(name + "c.grad", c.grad());
  golden.check_parameters(cell, name, ".grad");
}

void check_layers(GoldenFile& golden, const std::string& name, Recurrence kind, int64_t layers, bool bidirectional) {
  const bool lstm = kind == Recurrence::lstm;
  Rng rng(1);
  nn::Recurrent net({.kind = kind, .in = 4, .hidden = 6, .layers = layers, .bidirectional = bidirectional}, rng);
  golden.load_into(net, name);
  const Tensor lengths = golden.has(name + "lengths") ? golden[name + "lengths"] : Tensor();
  Parameter x(golden[name + "x"]), h0, c0;
  Tape tape;
  std::vector<RecurrentState> initial;
  if (golden.has(name + "h0")) {
    h0 = Parameter(golden[name + "h0"]);
    if (lstm) c0 = Parameter(golden[name + "c0"]);
    for (int64_t i = 0; i < h0.size(0); ++i)
      initial.push_back({select(h0, 0, i), lstm ? select(c0, 0, i) : Variable()});
  }
  const auto [output, states] = net(x, lengths, initial);
  golden.check(name + "y", output.value());
  const Variable hn = stacked(states, &RecurrentState::hidden);
  golden.check(name + "hn", hn.value());
  Variable total = weighted(output, golden[name + "g_y"]) + weighted(hn, golden[name + "g_hn"]);
  if (lstm) {
    const Variable cn = stacked(states, &RecurrentState::memory);
    golden.check(name + "cn", cn.value());
    total += weighted(cn, golden[name + "g_cn"]);
  }
  tape.backward(total);
  golden.check(name + "x.grad", x.grad());
  if (h0.defined()) golden.check(name + "h0.grad", h0.grad());
  if (c0.defined()) golden.check(name + "c0.grad", c0.grad());
  golden.check_parameters(net, name, ".grad");
}

}  // namespace

TEST_CASE("recurrent cells and layers equal PyTorch's numbers") {
  for (const DType dtype : {DType::f64, DType::f32}) {
    GoldenFile golden("recurrent", dtype);
    for (const auto& [kind, name] : kinds) {
      check_cell(golden, name + "_cell.", kind);
      check_layers(golden, name + ".", kind, 1, false);
      check_layers(golden, name + "_packed.", kind, 1, false);
      check_layers(golden, name + "_deep.", kind, 2, true);
      check_layers(golden, name + "_deep_packed.", kind, 2, true);
    }
    CHECK(golden.unused() == "");
  }
}
