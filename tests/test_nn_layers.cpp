// The small layers: initial weights, norms, dropout, Sequential, feed-forward, positions, losses.
#include <doctest/doctest.h>

#include <cmath>

#include "autograd/reduce.h"
#include "autograd/tape.h"
#include "nn/embedding.h"
#include "nn/encoder.h"
#include "nn/losses.h"
#include "nn/positions.h"
#include "nn/sequential.h"
#include "tests/golden_file.h"

using namespace fovea;
using nn::Activation;

TEST_CASE("initial weights have the variance that their paper asks for") {
  Rng rng(1);
  const Shape shape{200, 300};  // 60,000 numbers: the deviation is met to about 1 %
  const auto check = [](const Tensor& w, double deviation, double bound) {
    CHECK(std::abs(mean(w).item()) < 0.02 * deviation);
    CHECK(std::abs(stddev(w).item() / deviation - 1) < 0.02);
    CHECK(max(abs(w)).item() <= bound);
  };
  const double xavier = std::sqrt(2.0 / 500), kaiming = std::sqrt(2.0 / 200), far = 10;
  check(nn::xavier_uniform(shape, rng), xavier, std::sqrt(3.0) * xavier);
  check(nn::xavier_normal(shape, rng), xavier, far);
  check(nn::xavier_normal(shape, rng, 2.5), 2.5 * xavier, far);
  check(nn::kaiming_uniform(shape, rng), kaiming, std::sqrt(3.0) * kaiming);
  check(nn::kaiming_normal(shape, rng), kaiming, far);
  check(nn::normal(shape, 0, 0.02, rng), 0.02, far);
  CHECK(mean(nn::normal(shape, 3, 0.02, rng)).item() == doctest::Approx(3).epsilon(1e-4));
  CHECK(max(abs(nn::truncated_normal(shape, 0, 1, -2, 2, rng))).item() <= 2);
  CHECK_THROWS_WITH_AS(nn::xavier_uniform({3}, rng),
                       "xavier_uniform: needs a matrix [in, out] to count what flows in and out, got [3]; for a vector "
                       "use normal() or uniform()",
                       ShapeError);
}

TEST_CASE("Linear, with and without bias") {
  Rng rng(1);
  nn::Linear layer({.in = 2, .out = 3}, rng);
  layer.weight.value().copy_(tensor({{1, 2, 3}, {4, 5, 6}}));
  layer.bias.value().copy_(tensor({10, 20, 30}));
  CHECK(identical(layer(tensor({{1, 1}, {2, 0}})).value(), tensor({{15, 27, 39}, {12, 24, 36}})));
  nn::Linear plain({.in = 2, .out = 3, .bias = false}, rng);
  CHECK(plain.parameters().size() == 1);
  CHECK(plain(ones({4, 5, 2})).shape() == Shape{4, 5, 3});
}

TEST_CASE("norms follow their formulas") {
  Rng rng(1);
  const Tensor x = randn({3, 4, 8}, rng, DType::f64) * 3.0 + 1.0;
  nn::LayerNorm layer(8);
  nn::RMSNorm rms(8);
  layer.to(DType::f64);
  rms.to(DType::f64);
  layer.weight.value() = randn({8}, rng, DType::f64);
  layer.bias.value() = randn({8}, rng, DType::f64);
  rms.weight.value() = randn({8}, rng, DType::f64);
  const Tensor centred = x - mean(x, {-1}, true);
  const Tensor normed = centred / sqrt(mean(square(centred), {-1}, true) + 1e-5);
  CHECK(max_abs_difference(layer(x).value(), normed * layer.weight.value() + layer.bias.value()) < 1e-12);
  const Tensor scaled = x / sqrt(mean(square(x), {-1}, true) + 1e-5);
  CHECK(max_abs_difference(rms(x).value(), scaled * rms.weight.value()) < 1e-12);
}

TEST_CASE("Dropout keeps the expectation, has a stream of its own, and does nothing while evaluating") {
  Rng rng(1);
  nn::Dropout first(0.25, rng), second(0.25, rng);
  const Variable x = ones({100, 100});
  const Tensor a = first(x).value(), b = second(x).value();
  CHECK(!identical(a, b));  // layers made from one generator draw different masks
  CHECK(!identical(a, first(x).value()));
  CHECK(std::abs(mean(a).item() - 1) < 0.02);
  CHECK(std::abs(mean(equal(a, 0.0).to(DType::f32)).item() - 0.25) < 0.02);
  CHECK(max(a).item() == doctest::Approx(1 / 0.75));
  first.eval();
  CHECK(identical(first(x).value(), x.value()));
  CHECK_THROWS_WITH_AS(nn::Dropout(1, rng), "Dropout: the probability must lie in [0, 1), got 1", ValueError);
}

TEST_CASE("Sequential runs layers and functions in order and copies them") {
  Rng rng(1);
  nn::Linear a(2, 4, rng), b(4, 3, rng);
  nn::Sequential net(a, Activation::gelu, b, [](const Variable& x) { return x * 2; });
  const Tensor x = randn({5, 2}, rng);
  CHECK(identical(net(x).value(), b(gelu(a(x))).value() * 2.0));
  nn::Sequential copy = net;
  for (const auto& [path, p] : copy.parameters()) p->value().fill_(0);
  CHECK(max(abs(copy(x).value())).item() == 0);
  CHECK(identical(net(x).value(), b(gelu(a(x))).value() * 2.0));

  nn::Sequential nested(net, nn::LayerNorm(3));
  nested.add(net);
  CHECK(nested.size() == 3);
  CHECK(nested.parameters()[0].name == "0.0.weight");
  CHECK(nested.parameters().size() == 4 + 2 + 4);
  CHECK(nn::Sequential(net).size() == net.size());
}

TEST_CASE("activations by name") {
  const Variable x = linspace(-3, 3, 50);
  CHECK(identical(nn::activate(x, Activation::relu).value(), relu(x.value())));
  CHECK(identical(nn::activate(x, Activation::gelu).value(), gelu(x.value())));
  CHECK(identical(nn::activate(x, Activation::gelu_tanh).value(), gelu_tanh(x.value())));
  CHECK(identical(nn::activate(x, Activation::silu).value(), silu(x.value())));
}

TEST_CASE("a feed-forward network mixes no positions") {
  Rng rng(1);
  nn::FeedForward layer({.dim = 8}, rng);
  CHECK(layer.expand.weight.shape() == Shape{8, 32});
  const Tensor x = randn({2, 5, 8}, rng);
  const Tensor y = layer(x).value();
  Tensor changed = x.clone();
  narrow(changed, 1, 3, 1).fill_(9);
  const Tensor z = layer(changed).value();
  CHECK(identical(narrow(y, 1, 0, 3), narrow(z, 1, 0, 3)));
  CHECK(identical(narrow(y, 1, 4, 1), narrow(z, 1, 4, 1)));
  CHECK(!identical(narrow(y, 1, 3, 1), narrow(z, 1, 3, 1)));
}

TEST_CASE("sinusoidal positions follow the formula, at any start") {
  const Tensor table = nn::sinusoidal_positions(50, 16, DType::f64);
  double worst = 0;
  for (int64_t t = 0; t < 50; ++t) {
    for (int64_t i = 0; i < 8; ++i) {
      const double angle = double(t) / std::pow(10000.0, 2.0 * double(i) / 16);
      worst = std::max(worst, std::abs(table.at({t, 2 * i}) - std::sin(angle)));
      worst = std::max(worst, std::abs(table.at({t, 2 * i + 1}) - std::cos(angle)));
    }
  }
  CHECK(worst < 1e-13);
  CHECK(identical(nn::sinusoidal_positions(7, 16, DType::f64, 13), narrow(table, 0, 13, 7).clone()));
  CHECK_THROWS_AS(nn::sinusoidal_positions(4, 7), ValueError);
}

TEST_CASE("an embedding takes rows, and refuses a number outside its table") {
  Rng rng(1);
  nn::Embedding embedding(5, 3, rng);
  const Tensor y = embedding(from_vector<int64_t>({4, 0, 4}, {3})).value();
  CHECK(identical(narrow(y, 0, 0, 1), narrow(embedding.weight.value(), 0, 4, 1)));
  CHECK(identical(narrow(y, 0, 0, 1), narrow(y, 0, 2, 1)));
  CHECK_THROWS_AS(embedding(from_vector<int64_t>({5}, {1})), IndexError);
}

TEST_CASE("losses equal PyTorch's numbers") {
  for (const DType dtype : {DType::f64, DType::f32}) {
    GoldenFile golden("ops", dtype);
    const auto check = [&](const std::string& name, auto loss) {
      CAPTURE(name);
      Parameter x(golden[name + ".x"]);
      Tape tape;
      const Variable y = loss(x, golden[name + ".target"]);
      golden.check(name + ".y", y.value());
      tape.backward(y, golden[name + ".g"]);
      golden.check(name + ".x.grad", x.grad());
    };
    check("nll", [](const Variable& x, const Tensor& t) { return nn::nll(x, t); });
    check("nll_all", [&](const Variable& x, const Tensor& t) {
      return nn::nll(x, t, {.class_weights = golden["nll_all.weight"], .ignore_index = -100});
    });
    check("mse", [](const Variable& x, const Tensor& t) { return nn::mse(x, t); });
    check("l1", [](const Variable& x, const Tensor& t) { return nn::l1(x, t); });
    check("bce_with_logits",
          [](const Variable& x, const Tensor& t) { return nn::binary_cross_entropy_with_logits(x, t); });
    check("kl_div", [](const Variable& x, const Tensor& t) { return nn::kl_divergence(x, t); });
  }
}

TEST_CASE("reductions of losses, and targets of another shape") {
  const Variable x = tensor({{1, 2}, {3, 5}}), t = tensor({{0, 2}, {3, 1}});
  CHECK(identical(nn::mse(x, t, nn::Reduction::none).value(), tensor({{1, 0}, {0, 16}})));
  CHECK(nn::mse(x, t, nn::Reduction::sum).item() == 17);
  CHECK(nn::mse(x, t).item() == 4.25);
  CHECK_THROWS_WITH_AS(nn::mse(x, ones({2})), "mse: the prediction [2, 2] and its target [2] must have the same shape",
                       ShapeError);
  // nll of log_softmax is cross entropy.
  Rng rng(1);
  const Tensor logits = randn({3, 4, 6}, rng, DType::f64), targets = randint(0, 6, {3, 4}, rng);
  CHECK(nn::nll(log_softmax(Variable(logits)), targets).item() ==
        doctest::Approx(nn::cross_entropy(logits, targets).item()).epsilon(1e-12));
}
