// Elementwise functions against the C library, element by element: special values, tails, every layout and broadcast,
// every instruction set, one thread and several; arithmetic on integers; comparisons; choices; errors.
#include "tensor/elementwise.h"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "tensor/dispatch.h"
#include "tensor/parallel.h"
#include "tensor/random.h"
#include "tensor/views.h"
#include "tests/restored.h"

using namespace fovea;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
const double nan_value = std::nan("");

struct Function {
  std::string name;
  std::function<Tensor(const Tensor&)> fovea;
  std::function<double(double)> reference;
  double low, high;  // where it is compared
};

// x Φ(x), with erfc, which keeps the lower tail.
double exact_gelu(double x) { return x * 0.5 * std::erfc(-x / std::sqrt(2.0)); }
double exact_sigmoid(double x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); }
double tanh_gelu(double x) {
  return x * exact_sigmoid(2 * std::sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x));
}

const std::vector<Function>& functions() {
  static const std::vector<Function> all = {
      {"neg", [](auto& x) { return -x; }, [](double x) { return -x; }, -10, 10},
      {"abs", [](auto& x) { return abs(x); }, [](double x) { return std::abs(x); }, -10, 10},
      {"sign", [](auto& x) { return sign(x); }, [](double x) { return double(x > 0) - double(x < 0); }, -10, 10},
      {"exp", [](auto& x) { return exp(x); }, [](double x) { return std::exp(x); }, -30, 30},
      {"expm1", [](auto& x) { return expm1(x); }, [](double x) { return std::expm1(x); }, -30, 30},
      {"log", [](auto& x) { return log(x); }, [](double x) { return std::log(x); }, 1e-6, 50},
      {"log1p", [](auto& x) { return log1p(x); }, [](double x) { return std::log1p(x); }, -0.999, 50},
      {"sqrt", [](auto& x) { return sqrt(x); }, [](double x) { return std::sqrt(x); }, 0, 50},
      {"rsqrt", [](auto& x) { return rsqrt(x); }, [](double x) { return 1 / std::sqrt(x); }, 1e-3, 50},
      {"reciprocal", [](auto& x) { return reciprocal(x); }, [](double x) { return 1 / x; }, 0.1, 50},
      {"square", [](auto& x) { return square(x); }, [](double x) { return x * x; }, -10, 10},
      {"pow 3", [](auto& x) { return pow(x, 3); }, [](double x) { return std::pow(x, 3); }, -10, 10},
      {"pow -0.7", [](auto& x) { return pow(x, -0.7); }, [](double x) { return std::pow(x, -0.7); }, 0.01, 10},
      {"sin", [](auto& x) { return sin(x); }, [](double x) { return std::sin(x); }, -100, 100},
      {"cos", [](auto& x) { return cos(x); }, [](double x) { return std::cos(x); }, -100, 100},
      {"tanh", [](auto& x) { return tanh(x); }, [](double x) { return std::tanh(x); }, -20, 20},
      {"sigmoid", [](auto& x) { return sigmoid(x); }, exact_sigmoid, -80, 80},
      {"erf", [](auto& x) { return erf(x); }, [](double x) { return std::erf(x); }, -6, 6},
      {"relu", [](auto& x) { return relu(x); }, [](double x) { return std::max(x, 0.0); }, -10, 10},
      {"leaky_relu", [](auto& x) { return leaky_relu(x, 0.25); }, [](double x) { return x < 0 ? x / 4 : x; }, -10, 10},
      {"elu", [](auto& x) { return elu(x, 1.5); }, [](double x) { return x > 0 ? x : 1.5 * std::expm1(x); }, -30, 10},
      {"gelu", [](auto& x) { return gelu(x); }, exact_gelu, -12, 12},
      {"gelu_tanh", [](auto& x) { return gelu_tanh(x); }, tanh_gelu, -6, 6},
      {"silu", [](auto& x) { return silu(x); }, [](double x) { return x * exact_sigmoid(x); }, -80, 80},
      {"softplus", [](auto& x) { return softplus(x); },
       [](double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }, -80, 80},
      {"clamp", [](auto& x) { return clamp(x, -0.5, 2); }, [](double x) { return std::min(std::max(x, -0.5), 2.0); },
       -10, 10},
      {"x - s", [](auto& x) { return x - 2.5; }, [](double x) { return x - 2.5; }, -10, 10},
      {"s - x", [](auto& x) { return 2.5 - x; }, [](double x) { return 2.5 - x; }, -10, 10},
      {"x / s", [](auto& x) { return x / 2.5; }, [](double x) { return x / 2.5; }, -10, 10},
      {"s / x", [](auto& x) { return 2.5 / x; }, [](double x) { return 2.5 / x; }, 0.1, 10},
      {"s * x + s", [](auto& x) { return 2 * x + 0.5; }, [](double x) { return 2 * x + 0.5; }, -10, 10},
  };
  return all;
}

// The largest |a − b| / |b| over all elements: relative, so that tails count as much as the middle.
double relative_error(const Tensor& y, const Tensor& x, const std::function<double(double)>& reference) {
  const auto got = y.to(DType::f64).to_vector<double>(), from = x.to(DType::f64).to_vector<double>();
  double worst = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double expected = reference(from[i]);
    if (got[i] != expected) worst = std::max(worst, std::abs(got[i] - expected) / std::abs(expected));
  }
  return worst;
}

bool same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

// The index of broadcasting, done the slow way.
double broadcast_at(const Tensor& x, const Dims& index) {
  Dims own(x.rank(), 0);
  for (int i = 0; i < x.rank(); ++i) {
    const int from = i + index.rank() - x.rank();
    own[i] = x.shape()[i] == 1 ? 0 : index[from];
  }
  return x.at(own);
}

template <class Fn> void for_each_index(const Shape& shape, Fn fn) {
  const int64_t count = element_count("test", shape);
  for (int64_t flat = 0; flat < count; ++flat) {
    Dims index(shape.rank(), 0);
    int64_t rest = flat;
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
      index[axis] = rest % shape[axis];
      rest /= shape[axis];
    }
    fn(index);
  }
}

}  // namespace

TEST_CASE("every function agrees with the C library over its range, under every instruction set") {
  const tests::Restored restored;
  for (const Function& f : functions()) {
    for (const Isa isa : available_isas()) {
      set_isa(isa);
      CAPTURE(f.name);
      CAPTURE(isa_name(isa));
      const Tensor x = linspace(f.low, f.high, 4099, DType::f64);
      CHECK(relative_error(f.fovea(x), x, f.reference) < 1e-13);
      const Tensor x32 = x.to(DType::f32);
      CHECK(relative_error(f.fovea(x32), x32, f.reference) < 4e-6);  // gelu_tanh: e^-25 of an argument in f32
      CHECK(f.fovea(x32).dtype() == DType::f32);
    }
  }
}

TEST_CASE("special values: infinities, NaN, zeros") {
  for (const DType dtype : {DType::f32, DType::f64}) {
    const auto value = [&](Tensor (*fn)(const Tensor&), double x) { return fn(scalar(x, dtype)).item(); };
    CHECK(value(exp, -inf) == 0);
    CHECK(value(exp, inf) == inf);
    CHECK(value(expm1, -inf) == -1);
    CHECK(value(log, 0) == -inf);
    CHECK(std::isnan(value(log, -1)));
    CHECK(value(log1p, -1) == -inf);
    CHECK(value(sqrt, inf) == inf);
    CHECK(std::isnan(value(sqrt, -1)));
    CHECK(value(rsqrt, 0) == inf);
    CHECK(value(reciprocal, inf) == 0);
    CHECK(value(reciprocal, -0.0) == -inf);
    CHECK(value(tanh, inf) == 1);
    CHECK(value(tanh, -inf) == -1);
    CHECK(value(sigmoid, inf) == 1);
    CHECK(value(sigmoid, -inf) == 0);
    CHECK(value(erf, inf) == 1);
    CHECK(value(softplus, inf) == inf);
    CHECK(value(softplus, -inf) == 0);
    CHECK(value(gelu, inf) == inf);
    CHECK(value(gelu, -inf) == 0);
    CHECK(value(silu, inf) == inf);
    CHECK(value(silu, -inf) == 0);
    CHECK(std::signbit(value(neg, 0.0)));
    CHECK(value(sign, -0.0) == 0);
    using Unary = Tensor (*)(const Tensor&);
    for (const Unary fn :
         std::initializer_list<Unary>{neg, abs,  sign,    exp, expm1, log,  log1p, sqrt,     rsqrt,     square,    sin,
                                      cos, tanh, sigmoid, erf, relu,  gelu, silu,  softplus, gelu_tanh, reciprocal})
      CHECK(std::isnan(value(fn, nan_value)));
  }
}

TEST_CASE("tails are kept where a formula written out would lose them") {
  CHECK(gelu(tensor({-5.84})).item() != 0);
  CHECK(gelu(tensor({-5.84})).item() == doctest::Approx(exact_gelu(-5.84f)).epsilon(1e-5));
  CHECK(gelu(tensor({-30}, DType::f64)).item() == doctest::Approx(exact_gelu(-30)).epsilon(1e-12));
  CHECK(sigmoid(tensor({-80})).item() == doctest::Approx(std::exp(-80.0)).epsilon(1e-5));
  CHECK(sigmoid(tensor({-700}, DType::f64)).item() == doctest::Approx(std::exp(-700.0)).epsilon(1e-12));
  CHECK(log1p(tensor({1e-20}, DType::f64)).item() == 1e-20);
  CHECK(expm1(tensor({-1e-20}, DType::f64)).item() == -1e-20);
  CHECK(softplus(tensor({-50}, DType::f64)).item() == doctest::Approx(std::exp(-50.0)).epsilon(1e-12));
  CHECK(softplus(tensor({1000})).item() == 1000);
  CHECK(silu(tensor({-80})).item() == doctest::Approx(-80 * std::exp(-80.0)).epsilon(1e-5));
  CHECK(tanh(tensor({1e-10}, DType::f64)).item() == 1e-10);
}

TEST_CASE("pow at its corners agrees with the C library") {
  const double values[] = {-inf, -2.5, -2, -1, -0.0, 0.0, 0.5, 1, 2, 3, inf, nan_value};
  for (const double a : values) {
    for (const double b : values) {
      CAPTURE(a);
      CAPTURE(b);
      const double got = pow(tensor({a}, DType::f64), tensor({b}, DType::f64)).item(), want = std::pow(a, b);
      CHECK((same(got, want) || std::abs(got - want) <= 1e-14 * std::abs(want)));
    }
  }
}

TEST_CASE("a value does not depend on where it stands, nor on the layout") {
  Rng rng(1);
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Tensor x = uniform({37}, 0.2, 3, rng, dtype);
    for (const Function& f : functions()) {
      CAPTURE(f.name);
      const Tensor whole = f.fovea(x);
      for (const int64_t start : {1, 3, 30, 36}) {
        const Tensor part = narrow(x, 0, start, 37 - start);
        CHECK(identical(f.fovea(part), narrow(whole, 0, start, 37 - start)));
        CHECK(identical(f.fovea(part.clone()), narrow(whole, 0, start, 37 - start)));
      }
      CHECK(identical(f.fovea(slice(x, 0, 0, 37, 3)), slice(whole, 0, 0, 37, 3)));
      const Tensor square_x = reshape(narrow(x, 0, 0, 36), {6, 6}), square_y = reshape(narrow(whole, 0, 0, 36), {6, 6});
      CHECK(identical(f.fovea(transpose(square_x)), transpose(square_y)));
      CHECK(identical(f.fovea(expand(unsqueeze(x, 0), {3, 37})), expand(unsqueeze(whole, 0), {3, 37})));
      CHECK(f.fovea(zeros({0, 4}, dtype)).shape() == Shape{0, 4});
      CHECK(f.fovea(ones({1, 1, 1}, dtype)).shape() == Shape{1, 1, 1});
    }
  }
}

TEST_CASE("arithmetic broadcasts like a naive loop, whatever the layout") {
  Rng rng(2);
  const std::pair<Shape, Shape> pairs[] = {{{3, 4}, {3, 4}}, {{2, 1, 4}, {3, 1}}, {{3, 4}, {}},     {{}, {3, 4}},
                                           {{1, 5}, {4, 1}}, {{0, 3}, {1, 3}},    {{7}, {2, 3, 7}}, {{1}, {1, 1}}};
  const std::pair<Tensor (*)(const Tensor&, const Tensor&), double (*)(double, double)> operations[] = {
      {operator+, [](double a, double b) { return a + b; }},
      {operator-, [](double a, double b) { return a - b; }},
      {operator*, [](double a, double b) { return a * b; }},
      {operator/, [](double a, double b) { return a / b; }},
      {minimum, [](double a, double b) { return std::min(a, b); }},
      {maximum, [](double a, double b) { return std::max(a, b); }}};
  for (const auto& [shape_a, shape_b] : pairs) {
    const Tensor a = uniform(shape_a, 0.5, 2, rng, DType::f64), b = uniform(shape_b, 0.5, 2, rng, DType::f64);
    for (const auto& [fn, reference] : operations) {
      const Shape shape = broadcast_shapes("test", shape_a, shape_b);
      const Tensor y = fn(a, b);
      REQUIRE(y.shape() == shape);
      bool right = true;
      for_each_index(shape, [&, reference = reference](const Dims& i) {
        right = right && y.at(i) == reference(broadcast_at(a, i), broadcast_at(b, i));
      });
      CHECK(right);
      if (a.rank() == 2 && b.rank() == 2) {
        CHECK(identical(fn(transpose(transpose(a).clone()), b), y));
        CHECK(identical(transpose(fn(transpose(a), transpose(b))), y));
      }
    }
  }
}

TEST_CASE("minimum and maximum pass NaN on from either side") {
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Tensor a = tensor({nan_value, 1, nan_value}, dtype), b = tensor({1, nan_value, nan_value}, dtype);
    for (int64_t i = 0; i < 3; ++i) {
      CHECK(std::isnan(minimum(a, b).at({i})));
      CHECK(std::isnan(maximum(a, b).at({i})));
    }
  }
}

TEST_CASE("one thread and several give the same bits") {
  const tests::Restored restored;
  Rng rng(3);
  const Tensor x = uniform({301, 333}, 0.2, 3, rng, DType::f32), row = uniform({333}, 0.2, 3, rng, DType::f32);
  for (const Function& f : functions()) {
    set_threads(1);
    const Tensor alone = f.fovea(x), strided = f.fovea(transpose(x));
    for (const int count : {2, 5}) {
      set_threads(count);
      CHECK(identical(f.fovea(x), alone));
      CHECK(identical(f.fovea(transpose(x)), strided));
    }
  }
  set_threads(1);
  const Tensor sum_alone = x + row, chosen = where(x > row, x, row);
  set_threads(5);
  CHECK(identical(x + row, sum_alone));
  CHECK(identical(where(x > row, x, row), chosen));
}

TEST_CASE("integers stay exact") {
  const int64_t big = (int64_t(1) << 60) + 1;
  const Tensor a = from_vector(std::vector<int64_t>{big, -7, 0, 3}), b = from_vector(std::vector<int64_t>{1, 2, 3, 4});
  CHECK((a + b).to_vector<int64_t>() == std::vector<int64_t>{big + 1, -5, 3, 7});
  CHECK((a - b).to_vector<int64_t>() == std::vector<int64_t>{big - 1, -9, -3, -1});
  CHECK((a * 2).to_vector<int64_t>() == std::vector<int64_t>{2 * big, -14, 0, 6});
  CHECK((1 - a).to_vector<int64_t>() == std::vector<int64_t>{1 - big, 8, 1, -2});
  CHECK(abs(a).to_vector<int64_t>() == std::vector<int64_t>{big, 7, 0, 3});
  CHECK(sign(a).to_vector<int64_t>() == std::vector<int64_t>{1, -1, 0, 1});
  CHECK(maximum(a, b).to_vector<int64_t>() == std::vector<int64_t>{big, 2, 3, 4});
  CHECK(equal(a, a + 0).to_vector<bool>() == std::vector<bool>(4, true));
  CHECK_FALSE(equal(a, a + 1).at({0}));  // also where f64 cannot tell them apart
  CHECK_THROWS_WITH_AS(a / b, "div: takes f32 or f64, got i64; convert with .to(DType::f32)", DTypeError);
  CHECK_THROWS_WITH_AS(exp(a), "exp: takes f32 or f64, got i64; convert with .to(DType::f32)", DTypeError);
}

TEST_CASE("comparisons and logic, NaN included") {
  const Tensor a = tensor({1, 2, 3, nan_value}), b = tensor({2, 2, 2, 2});
  CHECK((a < b).to_vector<bool>() == std::vector<bool>{true, false, false, false});
  CHECK((a <= b).to_vector<bool>() == std::vector<bool>{true, true, false, false});
  CHECK((a > b).to_vector<bool>() == std::vector<bool>{false, false, true, false});
  CHECK((a >= 2).to_vector<bool>() == std::vector<bool>{false, true, true, false});
  CHECK(equal(a, b).to_vector<bool>() == std::vector<bool>{false, true, false, false});
  CHECK(not_equal(a, 2).to_vector<bool>() == std::vector<bool>{true, false, true, true});
  CHECK(is_nan(a).to_vector<bool>() == std::vector<bool>{false, false, false, true});
  CHECK(is_finite(tensor({1, inf, -inf, nan_value})).to_vector<bool>() == std::vector<bool>{true, false, false, false});
  const Tensor p = tensor({0, 0, 1, 1}, DType::boolean), q = tensor({0, 1, 0, 1}, DType::boolean);
  CHECK(logical_and(p, q).to_vector<bool>() == std::vector<bool>{false, false, false, true});
  CHECK(logical_or(p, q).to_vector<bool>() == std::vector<bool>{false, true, true, true});
  CHECK(logical_xor(p, q).to_vector<bool>() == std::vector<bool>{false, true, true, false});
  CHECK(logical_not(p).to_vector<bool>() == std::vector<bool>{true, true, false, false});
  CHECK((unsqueeze(a, 1) < b).shape() == Shape{4, 4});
}

TEST_CASE("where and masked_fill") {
  const Tensor c = unsqueeze(tensor({1, 0}, DType::boolean), 1);
  for (const DType dtype : {DType::f32, DType::f64, DType::i64, DType::boolean}) {
    const Tensor a = tensor({1, 0, 1}, dtype), b = zeros({2, 3}, dtype);
    CHECK(identical(where(c, a, b), tensor({{1, 0, 1}, {0, 0, 0}}, dtype)));
  }
  const Tensor poison = tensor({nan_value, 2});
  CHECK(where(is_nan(poison), zeros({2}), poison).to_vector<float>() == std::vector<float>{0, 2});
  CHECK(masked_fill(tensor({1, 2}), tensor({1, 0}, DType::boolean), -inf).to_vector<float>() ==
        std::vector<float>{-std::numeric_limits<float>::infinity(), 2});
}

TEST_CASE("in place: onto itself, onto a view, broadcast; and what does not fit") {
  Tensor a = tensor({{1, 2}, {3, 4}}, DType::f64);
  a += a;
  CHECK(a.to_vector<double>() == std::vector<double>{2, 4, 6, 8});
  Tensor column = select(a, 1, 0);
  column *= tensor({10, 100}, DType::f64);
  CHECK(a.to_vector<double>() == std::vector<double>{20, 4, 600, 8});
  a -= tensor({1, 2}, DType::f64);
  a /= full({}, 2, DType::f64);
  CHECK(a.to_vector<double>() == std::vector<double>{9.5, 1, 299.5, 3});
  Tensor small = zeros({2});
  CHECK_THROWS_WITH_AS(small += ones({3, 2}), "add: the result of a [2] and b [3, 2] does not fit into [2]",
                       ShapeError);
  CHECK(identical(small, zeros({2})));
}

TEST_CASE("errors say what clashes") {
  CHECK_THROWS_WITH_AS(
      ones({2, 3}) + ones({2, 4}),
      "add: shapes do not broadcast: a [2, 3] and b [2, 4] differ at axis -1 (3 and 4), and neither is 1", ShapeError);
  CHECK_THROWS_WITH_AS(ones({2}) * ones({2}, DType::f64),
                       "mul: dtypes differ: a [2] is f32, b [2] is f64; convert one with .to()", DTypeError);
  CHECK_THROWS_WITH_AS(exp(ones({2}, DType::boolean)),
                       "exp: takes numbers, got bool; convert with .to(), or use logical_and, logical_or", DTypeError);
  CHECK_THROWS_WITH_AS(logical_not(ones({2})), "logical_not: takes bool, got f32", DTypeError);
  CHECK_THROWS_WITH_AS(logical_and(ones({2}), ones({2})),
                       "logical_and: takes bool, got f32 and f32; compare first, as in x > 0", DTypeError);
  CHECK_THROWS_WITH_AS(where(ones({2}), ones({2}), ones({2})),
                       "where: the condition must be bool, got f32; compare first, as in x > 0", DTypeError);
  CHECK_THROWS_WITH_AS(clamp(ones({2}), 2, 1), "clamp: the lower bound 2 lies above the upper, 1", ValueError);
}
