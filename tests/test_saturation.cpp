// Softmax where it saturates: its Jacobian three ways, extreme and masked logits, and why attention divides its scores
// by √d_k: products of d_k numbers have variance d_k, a softmax of such scores is all but one-hot, and its gradient
// dies.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "autograd/elementwise.h"
#include "autograd/gradcheck.h"
#include "autograd/matmul.h"
#include "autograd/rows.h"
#include "autograd/tape.h"
#include "autograd/views.h"
#include "nn/attention.h"
#include "tensor/random.h"
#include "tensor/reduce.h"
#include "tensor/views.h"

using namespace fovea;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// ∂p_k / ∂x_i = p_k (δ_ki − p_i).  [n] -> [n, n]
Tensor analytic_jacobian(const Tensor& p) {
  const int64_t n = p.count();
  const Tensor column = unsqueeze(p, 1), row = unsqueeze(p, 0);
  return column * (eye(n, DType::f64) - row);
}

Tensor autograd_jacobian(const Tensor& x) {
  const int64_t n = x.count();
  Tensor jacobian = zeros({n, n}, DType::f64);
  for (int64_t k = 0; k < n; ++k) {
    Parameter leaf(x.clone());
    Tape tape;
    const Variable p = softmax(leaf);
    Tensor dy = zeros({n}, DType::f64);
    dy.set({k}, 1);
    tape.backward(p, dy);
    select(jacobian, 0, k).copy_(leaf.grad());
  }
  return jacobian;
}

Tensor numeric_jacobian(const Tensor& x) {
  const int64_t n = x.count();
  const double h = 1e-3;
  Tensor jacobian = zeros({n, n}, DType::f64);
  for (int64_t i = 0; i < n; ++i) {
    const auto at = [&](double t) {
      Tensor moved = x.clone();
      moved.set({i}, x.at({i}) + t);
      return softmax(moved);
    };
    const Tensor slope = (at(-2 * h) - at(2 * h) + (at(h) - at(-h)) * 8) / (12 * h);
    select(jacobian, 1, i).copy_(slope);
  }
  return jacobian;
}

struct Measured {
  double score_variance, top_weight, entropy, jacobian_norm, dead;
};

// 200 queries against 16 keys of width d, independent normal numbers: the means over the queries.
Measured attention_statistics(int64_t d, double scale) {
  const int64_t queries = 200, keys = 16;
  Rng rng(21);
  const Tensor q = randn({queries, 1, d}, rng, DType::f64), k = randn({queries, keys, d}, rng, DType::f64);
  const Tensor scores = sum(q * k, {-1}) * scale;  // [200, 16]
  const Tensor weights = softmax(scores);
  Measured m{};
  m.score_variance = mean(square(scores)).item();
  m.top_weight = mean(max(weights, {-1})).item();
  for (int64_t i = 0; i < queries; ++i) {
    const Tensor p = select(weights, 0, i);
    const double norm_of_jacobian = norm(analytic_jacobian(p)).item();
    m.jacobian_norm += norm_of_jacobian / double(queries);
    m.dead += double(norm_of_jacobian < 1e-3) / double(queries);
    m.entropy -= sum(where(p > 0, p * log(p + 1e-300), p * 0)).item() / double(queries);
  }
  return m;
}

}  // namespace

TEST_CASE("the Jacobian of softmax: the formula, autograd and differences agree") {
  for (const Tensor& x : {tensor({0.3, -1.2, 0.8, 2.0, -0.1}, DType::f64), tensor({0, 0, 0}, DType::f64),
                          tensor({8, 0, -8, 7.5}, DType::f64), tensor({1000.5, 1000, 999}, DType::f64)}) {
    const Tensor formula = analytic_jacobian(softmax(x)), recorded = autograd_jacobian(x),
                 numeric = numeric_jacobian(x);
    CHECK(max_abs_difference(formula, recorded) < 1e-15);
    CHECK(max_abs_difference(formula, numeric) < 1e-11);
    CHECK(max_abs_difference(sum(recorded, {1}), zeros({x.count()}, DType::f64)) < 1e-15);  // shifts change nothing
    CHECK(max_abs_difference(recorded, transpose(recorded)) < 1e-15);
    CHECK(norm(recorded).item() > 1e-4);
  }
}

TEST_CASE("logits of 1e4: one-hot, finite, the gradient exactly zero; a tie stays alive at any height") {
  for (const DType dtype : {DType::f32, DType::f64}) {
    Parameter x(tensor({{1e4, -1e4, 0}, {-1e4, -1e4, -1e4}, {1e4, 1e4, -1e4}}, dtype));
    Tape tape;
    const Variable p = softmax(x);
    CHECK(max_abs_difference(p.value(), tensor({{1, 0, 0}, {1.0 / 3, 1.0 / 3, 1.0 / 3}, {0.5, 0.5, 0}}, dtype)) < 1e-7);
    tape.backward(p, tensor({{1, 2, 3}, {1, 2, 3}, {1, 2, 3}}, dtype));
    const Tensor expected = tensor({{0, 0, 0}, {-1.0 / 3, 0, 1.0 / 3}, {-0.25, 0.25, 0}}, dtype);
    CHECK(max_abs_difference(x.grad(), expected) < 1e-7);
    for (int64_t i = 0; i < 3; ++i) CHECK(x.grad().at({0, i}) == 0);
  }
}

TEST_CASE("logits of minus infinity have weight 0 and gradient 0; plus infinity and rows of nothing are NaN") {
  Parameter x(tensor({{0, -infinity, 1}, {-infinity, 5, -infinity}}, DType::f64));
  Tape tape;
  const Variable p = softmax(x);
  const double e = std::exp(1.0);
  CHECK(max_abs_difference(p.value(), tensor({{1 / (1 + e), 0, e / (1 + e)}, {0, 1, 0}}, DType::f64)) < 1e-15);
  CHECK(p.value().at({0, 1}) == 0);
  tape.backward(p, tensor({{1, 5, -1}, {3, 2, 1}}, DType::f64));
  CHECK(x.grad().at({0, 1}) == 0);
  CHECK(all(is_finite(x.grad())).item() == 1);
  CHECK(all(equal(select(x.grad(), 0, 1), 0)).item() == 1);
  CHECK(all(is_nan(softmax(tensor({1, infinity}, DType::f64)))).item() == 1);
  CHECK(all(is_nan(softmax(tensor({-infinity, -infinity}, DType::f64)))).item() == 1);
}

TEST_CASE("a fully masked row has weights 0 and gradient 0, and does not touch its neighbours") {
  const Tensor keep = tensor({{1, 1, 0}, {0, 0, 0}, {0, 1, 1}}, DType::boolean);
  Parameter x(tensor({{1, 2, 3}, {1, 2, 3}, {1e4, -1e4, 1e4}}, DType::f64));
  Tape tape;
  const Variable p = masked_softmax(x, 1, keep);
  CHECK(all(equal(select(p.value(), 0, 1), 0)).item() == 1);
  CHECK(max_abs_difference(sum(p.value(), {1}), tensor({1, 0, 1}, DType::f64)) < 1e-15);
  tape.backward(p, tensor({{1, 2, 3}, {4, 5, 6}, {7, 8, 9}}, DType::f64));
  CHECK(all(is_finite(x.grad())).item() == 1);
  for (int64_t i = 0; i < 3; ++i) CHECK(x.grad().at({1, i}) == 0);
  CHECK(x.grad().at({0, 2}) == 0);
  CHECK(x.grad().at({2, 0}) == 0);
  CHECK(std::abs(x.grad().at({0, 0})) > 0.1);
}

TEST_CASE("attention with a row that sees no key: output, weights and gradients are 0, never NaN") {
  Rng rng(4);
  Parameter q(randn({1, 3, 4}, rng, DType::f64)), k(randn({1, 5, 4}, rng, DType::f64)),
      v(randn({1, 5, 2}, rng, DType::f64));
  Tensor keep = ones({3, 5}, DType::boolean);
  select(keep, 0, 1).fill_(0);
  Tape tape;
  const nn::Attention result = nn::attention_with_weights(q, k, v, nn::Mask::keep(keep));
  CHECK(all(equal(narrow(result.output.value(), 1, 1, 1), 0)).item() == 1);
  tape.backward(result.output, randn({1, 3, 2}, rng, DType::f64));
  for (const Parameter* p : {&q, &k, &v}) CHECK(all(is_finite(p->grad())).item() == 1);
  CHECK(all(equal(narrow(q.grad(), 1, 1, 1), 0)).item() == 1);
}

TEST_CASE("Var(q·k) is d_k, and 1 after the scaling") {
  for (const int64_t d : {4, 16, 64, 256, 1024}) {  // of 3200 scores: a relative standard error of about 4 %
    CHECK(attention_statistics(d, 1).score_variance == doctest::Approx(double(d)).epsilon(0.15));
    CHECK(attention_statistics(d, 1 / std::sqrt(double(d))).score_variance == doctest::Approx(1).epsilon(0.15));
  }
}

TEST_CASE("without the scaling the weights harden and the gradient dies as d_k grows; with it both stay") {
  Measured before = attention_statistics(4, 1);
  CHECK(before.jacobian_norm == doctest::Approx(0.32).epsilon(0.1));
  for (const int64_t d : {16, 64, 256, 1024}) {
    const Measured now = attention_statistics(d, 1);
    CHECK(now.top_weight > before.top_weight);
    CHECK(now.entropy < before.entropy);
    CHECK(now.jacobian_norm < before.jacobian_norm);
    CHECK(now.dead >= before.dead);
    before = now;
    const Measured scaled = attention_statistics(d, 1 / std::sqrt(double(d)));
    CHECK(scaled.top_weight == doctest::Approx(0.24).epsilon(0.15));
    CHECK(scaled.entropy == doctest::Approx(2.36).epsilon(0.05));
    CHECK(scaled.jacobian_norm == doctest::Approx(0.30).epsilon(0.1));
    CHECK(scaled.dead == 0);
  }
  CHECK(before.top_weight > 0.95);
  CHECK(before.entropy < 0.15);
  CHECK(before.jacobian_norm < 0.08);
  CHECK(before.dead > 0.5);
}

TEST_CASE("the gradient that reaches the queries through attention: dead unscaled, alive scaled") {
  // Median over the queries of |dq| / |dq of the scaled one|, for the same cotangent.
  const int64_t queries = 100, keys = 16, d = 1024;
  Rng rng(31);
  const Tensor q0 = randn({queries, 1, d}, rng, DType::f64), k = randn({queries, keys, d}, rng, DType::f64);
  const Tensor dy = randn({queries, 1, keys}, rng, DType::f64);
  const auto norms = [&](double scale) {
    Parameter q(q0.clone());
    Tape tape;
    tape.backward(softmax(matmul(q, transpose(Variable(k))) * scale), dy);
    std::vector<double> lengths = (norm(q.grad(), 2, {1, 2}) / scale).to_vector<double>();  // of the scores' gradient
    std::sort(lengths.begin(), lengths.end());
    return lengths;
  };
  const auto unscaled = norms(1), scaled = norms(1 / 32.0);
  CHECK(unscaled[size_t(queries) / 2] < 0.02 * scaled[size_t(queries) / 2]);
  CHECK(scaled[0] > 1);  // none of them is dead
}

TEST_CASE("gradcheck holds for a softmax of moderately large logits") {
  const GradcheckReport report = gradcheck([](std::span<const Variable> in) { return softmax(in[0] * 8); },
                                           {tensor({{0.3, -1.2, 0.8}, {1, 1.1, -2}}, DType::f64)});
  CHECK_MESSAGE(report.ok, report);
}
