// The gradient checker itself: it accepts right gradients, and each way of being wrong fails with a report that says
// where and by how much.
#include <doctest/doctest.h>

#include <cmath>
#include <sstream>

#include "autograd/elementwise.h"
#include "autograd/gradcheck.h"
#include "autograd/operation.h"
#include "autograd/views.h"
#include "tensor/random.h"
#include "tensor/reduce.h"

using namespace fovea;

namespace {

using Inputs = std::span<const Variable>;

std::string text(const GradcheckReport& report) {
  std::ostringstream out;
  out << report;
  return out.str();
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

Tensor random_tensor(const Shape& shape, uint64_t seed = 7) {
  Rng rng(seed);
  return randn(shape, rng, DType::f64);
}

struct WrongSquare {  // x², whose backward is off by a factor at one element
  double factor;
  int64_t place;
  Tensor x;
  Tensor forward(const Tensor& x_) { return square(x = x_); }
  Grads<1> backward(const Tensor& dy, Needs<1>) const {
    Tensor dx = dy * x * 2;
    Tensor flat = dx.view({dx.count()}, {1});
    if (place >= 0) flat.set({place}, flat.at({place}) * factor);
    return {dx};
  }
};

struct NoGradient {
  Tensor forward(const Tensor& x) { return square(x); }
  Grads<1> backward(const Tensor&, Needs<1>) const { return {Tensor()}; }
};

struct ZeroSoftmax {  // over the last axis, with the backward that a check by a plain sum lets through
  Tensor forward(const Tensor& x) {
    const Tensor e = exp(x);
    return e / sum(e, {-1}, true);
  }
  Grads<1> backward(const Tensor& dy, Needs<1>) const { return {zeros(dy.shape(), dy.dtype())}; }
};

GradcheckReport check_wrong_square(double factor, int64_t place, const Shape& shape, GradcheckOptions options = {}) {
  return gradcheck(
      [&](Inputs in) {
        return record(WrongSquare{factor, place, {}}, in[0]);
      },
      {random_tensor(shape)}, options);
}

}  // namespace

TEST_CASE("gradcheck accepts right gradients, and counts what it compared") {
  const GradcheckReport report =
      gradcheck([](Inputs in) { return in[0] * tanh(in[1]); }, {random_tensor({2, 3}), random_tensor({3}, 8)});
  CHECK_MESSAGE(report.ok, report);
  CHECK(bool(report));
  // (6 + 3) elements, each seen through 6 outputs and 2 random cotangents.
  CHECK(report.compared == 9 * 8);
  CHECK(report.failed == 0);
  CHECK(report.worst < 1e-9);
  CHECK(report.worst > 0);
  CHECK(has(text(report), "gradcheck: ok, 72 comparisons, worst relative error "));
}

TEST_CASE("gradcheck on inputs of many sizes of number, where a fixed step would fail") {
  Tensor x = tensor({1e-2, 0.3, 1, 40, 1e3, 1e6}, DType::f64);
  CHECK(gradcheck([](Inputs in) { return log(in[0]) * in[0]; }, {x}).ok);
}

TEST_CASE("a gradient that is off by a millionth fails, with place, values and error") {
  const Tensor x = random_tensor({2, 3});
  const GradcheckReport report = check_wrong_square(1 + 1e-6, 4, {2, 3});
  CHECK_FALSE(report.ok);
  CHECK_FALSE(bool(report));
  CHECK(report.failed == 3);  // through its own output and two random cotangents
  REQUIRE(report.failures.size() == 3);
  const GradcheckEntry& worst = report.failures[0];
  CHECK(worst.input == "input 0 [2, 3]");
  CHECK(worst.index == "[1, 1]");
  CHECK(worst.error == doctest::Approx(1e-6).epsilon(0.01));
  CHECK(worst.numeric == doctest::Approx(worst.analytic).epsilon(1e-5));
  bool own_output = false;
  for (const GradcheckEntry& e : report.failures) {
    if (e.output != "y[1, 1]") continue;
    own_output = true;
    CHECK(e.analytic == doctest::Approx(2 * x.at({1, 1}) * (1 + 1e-6)).epsilon(1e-9));
    CHECK(e.numeric == doctest::Approx(2 * x.at({1, 1})).epsilon(1e-9));
  }
  CHECK(own_output);
  CHECK(has(text(report), "gradcheck: FAILED, 3 of 48 comparisons differ, worst relative error 1e-06"));
  CHECK(has(text(report), "input 0 [2, 3] at [1, 1], d y[1, 1]: analytic "));
}

TEST_CASE("in a large input the wrong element is found by halving") {
  const GradcheckReport report = check_wrong_square(2, 777, {10, 100});
  CHECK_FALSE(report.ok);
  CHECK(report.compared == 2 * 2);  // two directions, two cotangents
  REQUIRE(!report.failures.empty());
  CHECK(report.failures[0].index == "[7, 77]");
  CHECK(report.failures[0].error == doctest::Approx(0.5).epsilon(1e-6));
  CHECK(check_wrong_square(1, 777, {10, 100}).ok);
}

TEST_CASE("a softmax whose backward returns zeros fails: the cotangent is never all ones") {
  const auto zero_softmax = [](Inputs in) { return record(ZeroSoftmax{}, in[0]); };
  CHECK_FALSE(gradcheck(zero_softmax, {random_tensor({3, 4})}).ok);
  CHECK_FALSE(gradcheck(zero_softmax, {random_tensor({3, 4})}, {.full_outputs = 0}).ok);
}

TEST_CASE("a gradient that does not arrive is named as such; one that is rightly zero passes") {
  const GradcheckReport report = gradcheck([](Inputs in) { return record(NoGradient{}, in[0]); }, {random_tensor({2})});
  CHECK_FALSE(report.ok);
  CHECK(has(text(report), "no gradient arrived"));
  CHECK_FALSE(gradcheck([](Inputs in) { return in[0] * detach(in[1]); }, {random_tensor({2}), random_tensor({2})}).ok);
  CHECK_FALSE(gradcheck([](Inputs in) { return square(detach(in[0])); }, {random_tensor({2})}).ok);
  CHECK(gradcheck([](Inputs in) { return square(in[0]); }, {random_tensor({2}), random_tensor({5})}).ok);
  CHECK(gradcheck([](Inputs in) { return sign(in[0]); }, {random_tensor({4})}).ok);
}

TEST_CASE("NaN on either side fails") {
  const GradcheckReport gradient = check_wrong_square(std::nan(""), 1, {3});
  CHECK_FALSE(gradient.ok);
  CHECK(std::isinf(gradient.worst));
  const GradcheckReport value = gradcheck([](Inputs in) { return log(in[0]); }, {tensor({1, -1, 2}, DType::f64)});
  CHECK_FALSE(value.ok);
}

TEST_CASE("a kink within the step fails with a hint") {
  const GradcheckReport report = gradcheck([](Inputs in) { return relu(in[0]); }, {tensor({-1, 1e-5, 2}, DType::f64)});
  CHECK_FALSE(report.ok);
  CHECK(has(text(report), "a kink (relu, abs, max)?"));
  CHECK(gradcheck([](Inputs in) { return relu(in[0]); }, {tensor({-1, 0.1, 2}, DType::f64)}).ok);
  CHECK_FALSE(has(text(check_wrong_square(2, 0, {3})), "kink"));
}

TEST_CASE("a function that draws random numbers is refused in words") {
  Rng rng(1);
  const GradcheckReport report = gradcheck(
      [&](Inputs in) { return in[0] * Variable(randn(in[0].shape(), rng, DType::f64)); }, {random_tensor({3})});
  CHECK_FALSE(report.ok);
  CHECK(report.compared == 0);
  CHECK(has(text(report), "gradcheck: FAILED, the function gave two different results for the same input"));
}

TEST_CASE("f32 is refused") {
  const auto twice = [](Inputs in) { return in[0] * 2; };
  CHECK_THROWS_WITH_AS(gradcheck(twice, {random_tensor({2}), ones({2, 3})}),
                       "gradcheck: input 1 [2, 3] is f32; differences need f64: convert with .to(DType::f64)",
                       DTypeError);
}

TEST_CASE("inputs keep their strides and their numbers") {
  Tensor base = random_tensor({3, 2});
  const Tensor before = base.clone();
  Strides seen;
  const auto fn = [&](Inputs in) {
    seen = in[0].value().strides();
    return square(in[0]);
  };
  CHECK(gradcheck(fn, {base.view({2, 3}, {1, 2})}).ok);
  CHECK(seen == Strides{1, 2});
  CHECK(identical(base, before));
  CHECK(gradcheck(fn, {base.view({2, 2}, {0, 1})}).ok);  // an expanded one gets elements of its own
  CHECK(seen == Strides{2, 1});
  CHECK(gradcheck([](Inputs in) { return transpose(in[0]); }, {base}).ok);  // a view as the result
}

TEST_CASE("empty inputs and results, and scalars") {
  const auto twice = [](Inputs in) { return in[0] * 2; };
  const GradcheckReport empty_report = gradcheck(twice, {zeros({0, 3}, DType::f64)});
  CHECK(empty_report.ok);
  CHECK(empty_report.compared == 0);
  CHECK(gradcheck(twice, {scalar(0.5, DType::f64)}).compared == 3);
}

TEST_CASE("the parameters of a model: named in the report, restored afterwards, frozen ones left out") {
  Parameter weight(random_tensor({4})), scale(random_tensor({20, 20}, 9)), frozen(random_tensor({4}));
  weight.set_grad(full({4}, 3, DType::f64));
  frozen.set_trainable(false);
  const Tensor weight_before = weight.value().clone(), scale_before = scale.value().clone();
  const std::vector<NamedParameter> named = {{"layer.weight", &weight}, {"layer.scale", &scale}, {"frozen", &frozen}};
  const Tensor x = random_tensor({20, 4}, 10);
  const auto model = [&] { return tanh(Variable(x) * weight * frozen) * slice(scale, 1, 0, 4); };

  const GradcheckReport report = gradcheck(named, model);
  CHECK_MESSAGE(report.ok, report);
  CHECK(report.compared == 4 * 2 + 2 * 2);  // 80 outputs: random cotangents only; `scale` along two directions
  const auto broken = [&] { return model() * record(WrongSquare{1.5, 0, {}}, weight); };
  const std::string told = text(gradcheck(named, broken));
  CHECK(has(told, "layer.weight [4] at [0], d random cotangent "));
  CHECK_FALSE(has(told, "layer.scale"));

  CHECK(identical(weight.value(), weight_before));
  CHECK(identical(scale.value(), scale_before));
  CHECK(identical(weight.grad(), full({4}, 3, DType::f64)));
  CHECK_FALSE(scale.has_grad());
  const auto thrower = [&]() -> Variable {
    if (!identical(weight.value(), weight_before)) fail(ErrorKind::value, "moved");
    return model();
  };
  CHECK_THROWS_WITH_AS(gradcheck(named, thrower), "moved", ValueError);
  CHECK(identical(weight.value(), weight_before));
}

TEST_CASE("gradcheck may run while a tape is alive, and leaves nothing on it") {
  Tape tape;
  CHECK(gradcheck([](Inputs in) { return square(in[0]); }, {random_tensor({3})}).ok);
  CHECK(tape.size() == 0);
}
