// Optimisers: that they learn, that a saved state continues bit for bit, groups, clipping, schedules, averages.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "autograd/elementwise.h"
#include "autograd/reduce.h"
#include "autograd/tape.h"
#include "optim/adam.h"
#include "optim/average.h"
#include "optim/clip.h"
#include "optim/schedule.h"
#include "optim/sgd.h"
#include "tensor/dispatch.h"
#include "tensor/optimizer_step.h"
#include "tensor/parallel.h"
#include "tensor/random.h"
#include "tensor/views.h"
#include "tests/restored.h"

using namespace fovea;

namespace {

// Two parameters and a bowl whose lowest point is at 3 and −1.
struct Bowl {
  Parameter a{zeros({4, 5})}, b{zeros({5})};
  std::vector<NamedParameter> parameters() { return {{"a", &a}, {"b", &b}}; }
  double descend(optim::Optimizer& optimizer, double lr) {
    optimizer.zero_grad();
    Tape tape;
    const Variable loss = sum(square(a - 3)) + sum(square(b + 1));
    tape.backward(loss);
    optimizer.step(lr);
    return loss.item();
  }
};

Tensor random(const Shape& shape, uint64_t seed, DType dtype = DType::f32) {
  Rng rng(seed);
  return randn(shape, rng, dtype);
}

}  // namespace

TEST_CASE("every optimiser finds the bottom of a bowl") {
  const auto check = [](auto make, double lr) {
    Bowl bowl;
    auto optimizer = make(bowl.parameters());
    for (int step = 0; step < 300; ++step) bowl.descend(optimizer, lr);
    CHECK(bowl.descend(optimizer, lr) < 1e-3);
    CHECK(bowl.a.value().at({1, 2}) == doctest::Approx(3).epsilon(1e-2));
  };
  check([](auto p) { return optim::SGD(p); }, 0.1);
  check([](auto p) { return optim::SGD(p, {.momentum = 0.9, .nesterov = true}); }, 0.02);
  check([](auto p) { return optim::Adam(p); }, 0.1);
  check([](auto p) { return optim::AdamW(p); }, 0.1);
}

TEST_CASE("a saved state continues bit for bit, by path") {
  const auto check = [](auto make) {
    Bowl whole;
    auto optimizer = make(whole.parameters());
    for (int step = 0; step < 5; ++step) whole.descend(optimizer, 0.05);
    Bowl resumed = whole;
    auto other = make(resumed.parameters());
    other.load_state(optimizer.state());
    for (int step = 0; step < 5; ++step) {
      whole.descend(optimizer, 0.05);
      resumed.descend(other, 0.05);
    }
    CHECK(identical(whole.a.value(), resumed.a.value()));
    CHECK(identical(whole.b.value(), resumed.b.value()));
  };
  check([](auto p) { return optim::SGD(p); });
  check([](auto p) { return optim::SGD(p, {.momentum = 0.9}); });
  check([](auto p) { return optim::AdamW(optim::decay_groups(p, 0.1)); });
}

TEST_CASE("a state that does not fit is refused and changes nothing") {
  Bowl bowl;
  optim::AdamW optimizer(bowl.parameters());
  bowl.descend(optimizer, 0.1);
  auto state = optimizer.state();
  CHECK(state.size() == 6);
  CHECK(state.at("a.step").item() == 1);
  state.erase("b.second_moment");
  state["a.first_moment"] = ones({4});
  state["c.step"] = scalar(1, DType::i64);
  CHECK_THROWS_WITH_AS(optimizer.load_state(state),
                       "load_state: the names and shapes given are not those of the optimiser's parameters:\n"
                       "  a.first_moment: the parameter has [4, 5], given is [4]\n"
                       "  missing: b.second_moment [5]\n"
                       "  surplus: c.step []",
                       ValueError);
  CHECK_THROWS_AS(optimizer.load_state({}), ValueError);
  CHECK(optimizer.state().size() == 6);
  CHECK(identical(optimizer.state().at("a.first_moment"), full({4, 5}, -0.6f)));
}

TEST_CASE("parameters without a gradient stay, and count no step") {
  Bowl bowl;
  optim::AdamW optimizer(optim::decay_groups(bowl.parameters(), 0.5));
  bowl.b.set_trainable(false);
  bowl.descend(optimizer, 0.1);
  CHECK(bowl.a.value().at({0, 0}) != 0);
  CHECK(identical(bowl.b.value(), zeros({5})));
  CHECK(optimizer.state().at("b.step").item() == 0);
  Bowl fresh;
  optim::AdamW other(optim::decay_groups(fresh.parameters(), 0.5));
  other.load_state(optimizer.state());
  CHECK(other.state().count("b.first_moment") == 0);
}

TEST_CASE("groups: matrices decay, vectors do not; a group scales its rate; a parameter stands in one") {
  Parameter matrix(ones({2, 3})), vector(ones({3}));
  const std::vector<NamedParameter> all{{"matrix", &matrix}, {"vector", &vector}};
  const auto groups = optim::decay_groups(all, 0.5);
  REQUIRE(groups.size() == 2);
  CHECK(groups[0].parameters[0].name == "matrix");
  CHECK(groups[1].weight_decay == 0);
  matrix.set_grad(zeros({2, 3}));
  vector.set_grad(zeros({3}));
  optim::AdamW(groups).step(0.1);
  CHECK(matrix.value().at({0, 0}) == doctest::Approx(0.95));  // 1 − lr · decay
  CHECK(vector.value().at({0}) == 1);

  matrix.set_grad(ones({2, 3}));
  vector.set_grad(ones({3}));
  optim::SGD({{.parameters = {all[0]}, .lr_scale = 0.1}, {.parameters = {all[1]}}}).step(0.1);
  CHECK(matrix.value().at({0, 0}) == doctest::Approx(0.94));
  CHECK(vector.value().at({0}) == doctest::Approx(0.9));
  CHECK_THROWS_WITH_AS(optim::SGD({all[0], all[0]}),
                       "optimizer: parameter 'matrix' is given twice; put each into one group", ValueError);
  CHECK_THROWS_AS(optim::SGD(all, {.nesterov = true}), ValueError);
  CHECK_THROWS_AS(optim::Adam(all, {.beta2 = 1}), ValueError);
}

TEST_CASE("gradients of parts of a batch add up to that of the whole") {
  const Tensor x = random({8, 3}, 1, DType::f64);
  Parameter w(random({3}, 2, DType::f64));
  const auto backward = [&](const Tensor& part, double share) {
    Tape tape;
    tape.backward(mean(square(sum(part * w, {1}))) * share);
  };
  backward(x, 1);
  const Tensor whole = w.grad().clone();
  w.zero_grad();
  for (int64_t i = 0; i < 4; ++i) backward(narrow(x, 0, 2 * i, 2), 0.25);
  CHECK(max_abs_difference(w.grad(), whole) < 1e-14);
}

TEST_CASE("clipping keeps the direction, and leaves a gradient alone that is not finite") {
  Parameter a(zeros({3})), b(zeros({1}));
  a.set_grad(tensor({3, 0, 0}));
  b.set_grad(tensor({4}));
  const std::vector<NamedParameter> both{{"a", &a}, {"b", &b}};
  CHECK(optim::clip_grad_norm(both, 10) == 5);
  CHECK(a.grad().at({0}) == 3);
  CHECK(optim::clip_grad_norm(both, 1) == 5);
  CHECK(optim::grad_norm(both) == doctest::Approx(1).epsilon(1e-5));
  CHECK(a.grad().at({0}) / b.grad().at({0}) == doctest::Approx(0.75));
  b.set_grad(tensor({std::numeric_limits<double>::infinity()}));
  const Tensor before = a.grad().clone();
  CHECK(std::isinf(optim::clip_grad_norm(both, 1)));
  CHECK(identical(a.grad(), before));
  CHECK_THROWS_AS(optim::clip_grad_norm(both, 0), ValueError);
}

TEST_CASE("schedules at their corners") {
  CHECK(optim::Constant{0.1}(1000) == 0.1);
  const optim::LinearWarmup linear{.lr = 1, .warmup = 4};
  CHECK(linear(0) == 0.2);
  CHECK(linear(3) == 0.8);
  CHECK(linear(4) == 1);
  CHECK(linear(400) == 1);
  const optim::WarmupCosine cosine{.lr = 1e-3, .min_lr = 1e-4, .warmup = 100, .steps = 2000};
  CHECK(cosine(0) == doctest::Approx(1e-3 / 101));
  CHECK(cosine(100) == 1e-3);
  CHECK(cosine(1050) == doctest::Approx(5.5e-4));
  CHECK(cosine(2000) == 1e-4);
  CHECK(cosine(9999) == 1e-4);
  for (int64_t step = 100; step < 2000; ++step) CHECK(cosine(step + 1) < cosine(step));
  const optim::StepDecay decay{.lr = 1, .factor = 0.5, .every = 10};
  CHECK(decay(9) == 1);
  CHECK(decay(10) == 0.5);
  CHECK(decay(35) == 0.125);
  const optim::Noam noam{.dim = 512, .warmup = 4000};
  CHECK(noam(3999) == doctest::Approx(1 / std::sqrt(512.0 * 4000)));
  CHECK(noam(3998) < noam(3999));
  CHECK(noam(4000) < noam(3999));
  CHECK(noam(0) == doctest::Approx(noam(3999) / 4000));
}

TEST_CASE("the moving average follows its formula, swaps in and out, saves and loads") {
  Parameter p(full({3}, 1, DType::f64));
  optim::ExponentialMovingAverage average({{"p", &p}}, 0.9);
  double expected = 1;
  for (int step = 1; step <= 5; ++step) {
    p.value().fill_(step);
    average.update();
    expected = 0.9 * expected + 0.1 * step;
  }
  CHECK(average.state().at("p").at({0}) == doctest::Approx(expected).epsilon(1e-14));
  average.swap();
  CHECK(p.value().at({2}) == doctest::Approx(expected).epsilon(1e-14));
  average.swap();
  CHECK(p.value().at({2}) == 5);

  optim::ExponentialMovingAverage other({{"p", &p}}, 0.9);
  other.load_state(average.state());
  CHECK(identical(other.state().at("p"), average.state().at("p")));
  CHECK_THROWS_WITH_AS(other.load_state({{"q", ones({1})}}),
                       "load_state: the names and shapes given are not those of the averages:\n"
                       "  missing: p [3]\n  surplus: q [1]",
                       ValueError);
  CHECK_THROWS_AS(optim::ExponentialMovingAverage({{"p", &p}}, 1), ValueError);
}

TEST_CASE("the fused steps: every level and number of threads the same bits, strides, and plain loops") {
  const auto run = [](Tensor x, const Tensor& g) {  // three steps of Adam, one of SGD
    Tensor m = zeros(x.shape(), x.dtype()), v = zeros(x.shape(), x.dtype()), buffer = zeros(x.shape(), x.dtype());
    for (int64_t t = 1; t <= 3; ++t)
      adam_step(x, g, m, v, {.lr = 0.1, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .l2 = 0.01, .shrink = 0.999, .t = t});
    sgd_step(x, g, &buffer, {.lr = 0.1, .momentum = 0.9, .decay = 0.01, .nesterov = true, .first = true});
    return x;
  };
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const int64_t n : {1, 15, 33, 40001}) {
      const tests::Restored restored;
      const Tensor g = random({n}, 1, dtype), x = random({n}, 2, dtype);
      set_isa(Isa::baseline);
      set_threads(1);
      const Tensor expected = run(x.clone(), g);
      const double squares = sum_of_squares({&g, 1});
      CHECK(squares == doctest::Approx(sum(square(g.to(DType::f64))).item()).epsilon(1e-14));
      for (const Isa isa : available_isas()) {
        set_isa(isa);
        for (const int threads : {1, 2, 5}) {
          set_threads(threads);
          CHECK(identical(run(x.clone(), g), expected));
          CHECK(sum_of_squares({&g, 1}) == squares);
        }
      }
      Tensor wide = zeros({n, 2}, dtype);
      Tensor strided = select(wide, 1, 1);
      strided.copy_(x);
      CHECK(identical(run(strided, g).clone(), expected));
      CHECK(identical(select(wide, 1, 1).clone(), expected));
    }
  }

  double x = 0.7, m = 0, v = 0;  // the paper's update, one number by hand
  Tensor t = full({3}, 0.7, DType::f64), tm = zeros({3}, DType::f64), tv = zeros({3}, DType::f64);
  for (int step = 1; step <= 4; ++step) {
    const double g = 0.3 * step;
    m = 0.9 * m + 0.1 * g;
    v = 0.99 * v + 0.01 * g * g;
    x -= 0.05 * (m / (1 - std::pow(0.9, step))) / (std::sqrt(v / (1 - std::pow(0.99, step))) + 1e-8);
    adam_step(t, full({3}, g, DType::f64), tm, tv, {.lr = 0.05, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .t = step});
  }
  CHECK(t.at({2}) == doctest::Approx(x).epsilon(1e-14));

  Tensor small = zeros({2});
  CHECK_THROWS_WITH_AS(sgd_step(small, ones({3}), nullptr, {.lr = 1}),
                       "sgd_step: the tensor is [2] f32, its gradient [3] f32", ShapeError);
}
