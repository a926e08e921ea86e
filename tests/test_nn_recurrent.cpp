// Recurrent cells against loops over single numbers, gradients against differences; lengths, directions and states of
// whole sequences against runs one by one; what is refused. (PyTorch's numbers: test_golden_recurrent.cpp.)
#include <doctest/doctest.h>

#include "autograd/gradcheck.h"
#include "autograd/indexing.h"
#include "nn/recurrent.h"
#include "tensor/indexing.h"
#include "tensor/reduce.h"
#include "tests/naive.h"

using namespace fovea;
using nn::Recurrence;
using nn::RecurrentState;
using tests::noise;

namespace {

const Recurrence kinds[] = {Recurrence::tanh, Recurrence::relu, Recurrence::gru, Recurrence::lstm};

double naive_sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// One step of one sequence, number by number.
struct NaiveState {
  tests::Row h, c;
};
NaiveState naive_step(const nn::RecurrentCell& cell, const tests::Row& x, const NaiveState& s) {
  const size_t n = s.h.size();
  const auto from_x = [&](size_t gate, size_t j) {
    double sum = cell.bias.value().at({int64_t(gate * n + j)});
    for (size_t i = 0; i < x.size(); ++i)
      sum += x[i] * cell.input_weight.value().at({int64_t(i), int64_t(gate * n + j)});
    return sum;
  };
  const auto from_h = [&](size_t gate, size_t j) {
    double sum = 0;
    for (size_t i = 0; i < n; ++i) sum += s.h[i] * cell.hidden_weight.value().at({int64_t(i), int64_t(gate * n + j)});
    return sum;
  };
  NaiveState next = s;
  for (size_t j = 0; j < n; ++j) {
    const auto gate = [&](size_t i) { return from_x(i, j) + from_h(i, j); };
    if (cell.kind == Recurrence::tanh) next.h[j] = std::tanh(gate(0));
    if (cell.kind == Recurrence::relu) next.h[j] = std::max(0.0, gate(0));
    if (cell.kind == Recurrence::gru) {
      const double reset = naive_sigmoid(gate(0)), update = naive_sigmoid(gate(1));
      const double fresh = std::tanh(from_x(2, j) + reset * (from_h(2, j) + cell.reset_bias.value().at({int64_t(j)})));
      next.h[j] = (1 - update) * fresh + update * s.h[j];
    }
    if (cell.kind == Recurrence::lstm) {
      next.c[j] = naive_sigmoid(gate(1)) * s.c[j] + naive_sigmoid(gate(0)) * std::tanh(gate(2));
      next.h[j] = naive_sigmoid(gate(3)) * std::tanh(next.c[j]);
    }
  }
  return next;
}

nn::RecurrentCell some_cell(Recurrence kind, int64_t in, int64_t hidden) {
  Rng rng(1);
  nn::RecurrentCell cell(kind, in, hidden, rng);
  cell.to(DType::f64);
  uint64_t seed = 10;
  for (const auto& [path, p] : cell.parameters()) p->value() = noise(p->shape(), DType::f64, ++seed) * 0.5;
  return cell;
}

nn::Recurrent some_net(Recurrence kind, int64_t layers, bool bidirectional) {
  Rng rng(1);
  nn::Recurrent net({.kind = kind, .in = 3, .hidden = 4, .layers = layers, .bidirectional = bidirectional}, rng);
  net.to(DType::f64);
  for (nn::RecurrentCell& cell : net.cells) {
    for (const auto& [path, p] : cell.parameters()) p->value() = p->value() + noise(p->shape(), DType::f64) * 0.1;
  }
  return net;
}

RecurrentState some_state(Recurrence kind, int64_t batch, int64_t hidden, uint64_t seed) {
  return {noise({batch, hidden}, DType::f64, seed),
          kind == Recurrence::lstm ? Variable(noise({batch, hidden}, DType::f64, seed + 100)) : Variable()};
}

std::vector<RecurrentState> some_states(const nn::Recurrent& net, int64_t batch) {
  std::vector<RecurrentState> states;
  for (size_t i = 0; i < net.cells.size(); ++i)
    states.push_back(some_state(net.cells[i].kind, batch, net.cells[i].hidden(), 20 + i));
  return states;
}

RecurrentState rows_of_state(const RecurrentState& state, int64_t row) {
  return {narrow(state.hidden, 0, row, 1), state.memory.defined() ? narrow(state.memory, 0, row, 1) : Variable()};
}

}  // namespace

TEST_CASE("a cell's step follows its formula, number by number") {
  for (const Recurrence kind : kinds) {
    const nn::RecurrentCell cell = some_cell(kind, 3, 5);
    const RecurrentState start = some_state(kind, 4, 5, 2);
    const Tensor x = noise({4, 3}, DType::f64, 3);
    const RecurrentState end = cell(x, start);
    const auto xs = tests::rows_of(x), hs = tests::rows_of(start.hidden.value());
    const auto cs = start.memory.defined() ? tests::rows_of(start.memory.value()) : hs;
    std::vector<tests::Row> wanted_h, wanted_c;
    for (size_t b = 0; b < xs.size(); ++b) {
      const NaiveState next = naive_step(cell, xs[b], {hs[b], cs[b]});
      wanted_h.push_back(next.h);
      wanted_c.push_back(next.c);
    }
    tests::check_rows(end.hidden.value(), wanted_h, 1e-14);
    CHECK(end.memory.defined() == (kind == Recurrence::lstm));
    if (end.memory.defined()) tests::check_rows(end.memory.value(), wanted_c, 1e-14);
  }
}

TEST_CASE("gradients of each cell and of layers with lengths and initial states") {
  for (const Recurrence kind : kinds) {
    CAPTURE(int(kind));
    nn::RecurrentCell cell = some_cell(kind, 2, 3);
    const RecurrentState start = some_state(kind, 2, 3, 5);
    std::vector<Tensor> inputs{noise({2, 2}, DType::f64, 4), start.hidden.value()};
    if (kind == Recurrence::lstm) inputs.push_back(start.memory.value());
    const auto step = [&](std::span<const Variable> in) {
      const RecurrentState end = cell(in[0], {in[1], in.size() > 2 ? in[2] : Variable()});
      return in.size() > 2 ? cat({end.hidden, end.memory}, 1) : end.hidden;
    };
    const GradcheckReport of_inputs = gradcheck(step, inputs);
    CHECK_MESSAGE(of_inputs.ok, of_inputs);
    const std::vector<Variable> constants(inputs.begin(), inputs.end());
    const GradcheckReport of_parameters = gradcheck(cell.parameters(), [&] { return step(constants); });
    CHECK_MESSAGE(of_parameters.ok, of_parameters);

    nn::Recurrent net = some_net(kind, 2, true);
    const Tensor x = noise({3, 4, 3}, DType::f64, 7), lengths = from_vector<int64_t>({2, 4, 0});
    const auto run = [&](const Variable& in) {
      const auto result = net(in, lengths, some_states(net, 3));
      return cat({flatten(result.output), flatten(result.states[1].hidden)}, 0);
    };
    const GradcheckReport of_x = gradcheck([&](std::span<const Variable> in) { return run(in[0]); }, {x});
    CHECK_MESSAGE(of_x.ok, of_x);
    const GradcheckReport of_net =
        gradcheck(net.parameters(), [&] { return run(x); }, {.full_outputs = 0, .full_inputs = 0});
    CHECK_MESSAGE(of_net.ok, of_net);
  }
}

TEST_CASE("with lengths each sequence gives the bits that it gives alone; beyond its end 0") {
  const std::vector<int64_t> lengths{4, 6, 1, 5};
  for (const Recurrence kind : kinds) {
    for (const bool bidirectional : {false, true}) {
      const nn::Recurrent net = some_net(kind, 2, bidirectional);
      const Tensor x = noise({4, 6, 3}, DType::f64, 3);
      const auto initial = some_states(net, 4);
      const auto packed = net(x, from_vector(lengths), initial);
      for (int64_t b = 0; b < 4; ++b) {
        const int64_t length = lengths[size_t(b)];
        std::vector<RecurrentState> own;
        for (const RecurrentState& state : initial) own.push_back(rows_of_state(state, b));
        const auto alone = net(narrow(narrow(x, 0, b, 1), 1, 0, length), {}, own);
        const Tensor row = narrow(packed.output.value(), 0, b, 1);
        CHECK(identical(narrow(row, 1, 0, length), alone.output.value()));
        if (length < 6) CHECK(max(abs(narrow(row, 1, length, 6 - length))).item() == 0);
        for (size_t i = 0; i < own.size(); ++i) {
          const RecurrentState of_packed = rows_of_state(packed.states[i], b);
          CHECK(identical(of_packed.hidden.value(), alone.states[i].hidden.value()));
          if (of_packed.memory.defined()) CHECK(identical(of_packed.memory.value(), alone.states[i].memory.value()));
        }
      }
      // Lengths that are all T change nothing; what stands beyond a length is not read.
      CHECK(identical(net(x, full({4}, 6, DType::i64), initial).output.value(), net(x, {}, initial).output.value()));
      Tensor other = x.clone();
      narrow(narrow(other, 0, 2, 1), 1, 1, 5).fill_(tests::kNaN);
      CHECK(identical(net(other, from_vector(lengths), initial).output.value(), packed.output.value()));
    }
  }
}

TEST_CASE("a sequence of length 0 keeps its initial state") {
  const nn::Recurrent net = some_net(Recurrence::lstm, 1, true);
  const auto initial = some_states(net, 2);
  const auto result = net(noise({2, 3, 3}, DType::f64), from_vector<int64_t>({0, 2}), initial);
  CHECK(max(abs(select(result.output.value(), 0, 0))).item() == 0);
  for (size_t i = 0; i < 2; ++i) {
    CHECK(identical(select(result.states[i].hidden.value(), 0, 0), select(initial[i].hidden.value(), 0, 0)));
    CHECK(identical(select(result.states[i].memory.value(), 0, 0), select(initial[i].memory.value(), 0, 0)));
  }
}

TEST_CASE("two directions are two runs, one over the sequence turned round; layers are runs one after another") {
  for (const Recurrence kind : kinds) {
    const nn::Recurrent net = some_net(kind, 2, true);
    const Tensor x = noise({2, 5, 3}, DType::f64, 3);
    const auto initial = some_states(net, 2);
    const auto result = net(x, {}, initial);
    Tensor in = x;
    for (size_t layer = 0; layer < 2; ++layer) {
      std::vector<Tensor> halves;
      for (size_t direction = 0; direction < 2; ++direction) {
        const size_t i = 2 * layer + direction;
        const Tensor read = direction == 1 ? flip(in, {1}) : in;
        RecurrentState state = initial[i];
        std::vector<Tensor> hidden;
        for (int64_t t = 0; t < 5; ++t) {
          state = net.cells[i](select(read, 1, t), state);
          hidden.push_back(state.hidden.value());
        }
        const Tensor output = stack(hidden, 1);  // [B, T, H]
        halves.push_back(direction == 1 ? flip(output, {1}) : output);
        CHECK(identical(result.states[i].hidden.value(), state.hidden.value()));
      }
      in = cat(halves, 2);
    }
    CHECK(identical(result.output.value(), in));
    CHECK(net.output_dim() == 8);
  }
}

TEST_CASE("dropout works between layers, while training") {
  Rng rng(1);
  const Tensor x = noise({2, 3, 3});
  nn::Recurrent single({.in = 3, .hidden = 64, .dropout = 0.5}, rng),
      deep({.in = 3, .hidden = 64, .layers = 2, .dropout = 0.5}, rng);
  CHECK(identical(single(x).output.value(), single(x).output.value()));
  const Tensor a = deep(x).output.value(), b = deep(x).output.value();
  CHECK(!identical(a, b));
  CHECK(count_nonzero(a).item() == double(a.count()));  // none of it on the output
  deep.eval();
  CHECK(identical(deep(x).output.value(), deep(x).output.value()));
}

TEST_CASE("recurrent weights start within ±1/√H, the forget gate open") {
  Rng rng(1);
  const nn::RecurrentCell cell(Recurrence::lstm, 3, 100, rng);
  CHECK(max(abs(cell.hidden_weight.value())).item() <= 0.1);
  CHECK(max(abs(cell.hidden_weight.value())).item() > 0.099);
  CHECK(sum(cell.bias.value()).item() == 100);
  CHECK(min(narrow(cell.bias.value(), 0, 100, 100)).item() == 1);
}

TEST_CASE("wrong inputs of recurrent layers are refused with the numbers that clash") {
  const nn::Recurrent net = some_net(Recurrence::lstm, 1, true);
  const Tensor x = noise({2, 5, 3}, DType::f64);
  CHECK_THROWS_WITH_AS(net(x, from_vector<int64_t>({3, 6})),
                       "Recurrent: length 6 of sequence 1 lies outside 0 … 5, the steps that x has (in model)",
                       ValueError);
  CHECK_THROWS_WITH_AS(net(x, from_vector<int64_t>({-1, 5})),
                       "Recurrent: length -1 of sequence 0 lies outside 0 … 5, the steps that x has (in model)",
                       ValueError);
  CHECK_THROWS_WITH_AS(net(x, from_vector<int64_t>({3})),
                       "Recurrent: lengths must be i64 [2], one per sequence, got i64 [1] (in model)", ShapeError);
  CHECK_THROWS_WITH_AS(net(x, ones({2})),
                       "Recurrent: lengths must be i64 [2], one per sequence, got f32 [2] (in model)", ShapeError);
  CHECK_THROWS_WITH_AS(net(noise({2, 3}, DType::f64)),
                       "Recurrent: x must be [batch, time, channels] with at least one step, got [2, 3] (in model)",
                       ShapeError);
  CHECK_THROWS_WITH_AS(net(x, {}, {some_state(Recurrence::lstm, 2, 4, 1)}),
                       "Recurrent: 1 initial states for 2 cells (layers · directions) (in model)", ValueError);
  auto states = some_states(net, 2);
  states[1].hidden = noise({2, 3}, DType::f64);
  CHECK_THROWS_WITH_AS(net(x, {}, states),
                       "Recurrent: the hidden state of cell 1 must be [2, 4], got [2, 3] (in model)", ShapeError);
  states = some_states(net, 2);
  states[0].memory = {};
  CHECK_THROWS_WITH_AS(net(x, {}, states), "Recurrent: the memory of cell 0 must be [2, 4], got none (in model)",
                       ShapeError);
  Rng rng(1);
  CHECK_THROWS_WITH_AS(nn::Recurrent({.in = 3}, rng), "Recurrent: in and hidden must be at least 1, got 3 and 0",
                       ValueError);
  CHECK_THROWS_WITH_AS(nn::Recurrent({.in = 3, .hidden = 2, .layers = 0}, rng),
                       "Recurrent: layers must be at least 1, got 0", ValueError);
}
