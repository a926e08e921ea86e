// attention_pool under every score: weights, gradients, masks, broadcasting; kernel regression, which is a case of it,
// and scaled dot-product attention, which is another.
#include "nn/attention_pool.h"

#include <doctest/doctest.h>

#include <limits>
#include <numbers>

#include "autograd/gradcheck.h"
#include "autograd/indexing.h"
#include "autograd/tape.h"
#include "tensor/reduce.h"
#include "tests/score_cases.h"

using namespace fovea;
using namespace fovea::tests;
using nn::Attention;
using nn::Mask;
using nn::Score;
using nn::ScoreConfig;
using nn::ScoreKind;

namespace {

// Nadaraya–Watson: Σ_j K_ij v_j / Σ_j K_ij, or 0 where all K_ij are. kernel [L, S], v [S, e].
Tensor kernel_regression(const Tensor& kernel, const Tensor& v) {
  Tensor y = zeros({kernel.size(0), v.size(1)}, DType::f64);
  for (int64_t i = 0; i < kernel.size(0); ++i) {
    double total = 0;
    for (int64_t j = 0; j < kernel.size(1); ++j) total += kernel.at({i, j});
    for (int64_t c = 0; c < v.size(1) && total > 0; ++c) {
      double sum = 0;
      for (int64_t j = 0; j < kernel.size(1); ++j) sum += kernel.at({i, j}) * v.at({j, c});
      y.set({i, c}, sum / total);
    }
  }
  return y;
}

}  // namespace

TEST_CASE("each kernel's weights are K / ΣK, and 0 where no key is in reach") {
  Tensor q = random_f64({5, 2}, 1);
  const Tensor k = random_f64({6, 2}, 2), v = random_f64({6, 3}, 3);
  narrow(q, 0, 4, 1).fill_(9);  // far from all keys
  const double w = 0.8;
  const auto check = [&](ScoreKind kind, const std::function<double(double)>& kernel) {
    CAPTURE(std::string(name(kind)));
    const Tensor K = for_pairs(q, k, [&](const Row& a, const Row& b) { return kernel(w * distance(a, b)); });
    const Attention a = nn::attention_pool(score_of({.kind = kind, .w = w}), q, k, v);
    CHECK(max_abs_difference(a.output.value(), kernel_regression(K, v)) < 1e-13);
    CHECK(max_abs_difference(a.weights.value(), kernel_regression(K, eye(6, DType::f64))) < 1e-13);
    return narrow(a.weights.value(), 0, 4, 1);
  };
  const auto inside = [](double u) { return u < 1 ? 1.0 : 0.0; };
  CHECK(max(check(ScoreKind::boxcar, inside)).item() == 0);
  CHECK(max(check(ScoreKind::epanechnikov, [&](double u) { return inside(u) * (1 - u * u); })).item() == 0);
  CHECK(max(check(ScoreKind::constant, [](double) { return 1.0; })).item() == 1.0 / 6);
  CHECK(max(check(ScoreKind::gaussian, [](double u) {
          return std::exp(-u * u / 2) / std::sqrt(2 * std::numbers::pi);
        })).item() > 0.1);
}

TEST_CASE("Nadaraya–Watson with a Gaussian is softmax(−(w (x − x_i))²/2)") {
  const Tensor x = linspace(-1, 6, 50, DType::f64), at = linspace(0, 5, 40, DType::f64), y = random_f64({40, 1}, 1);
  const Variable q = unsqueeze(x, 1), k = unsqueeze(at, 1);  // [50, 1], [40, 1]
  for (const double w : {0.3, 1.0, 7.0}) {
    const Attention a = nn::attention_pool(nn::GaussianKernel(w), q, k, y);
    const Tensor weights = softmax(square((q.value() - unsqueeze(at, 0)) * w) * -0.5);
    CHECK(max_abs_difference(a.weights.value(), weights) < 1e-12);
    const Tensor K = for_pairs(q.value(), k.value(), [&](const Row& b, const Row& c) {
      return std::exp(-std::pow(w * distance(b, c), 2) / 2) / std::sqrt(2 * std::numbers::pi);
    });
    CHECK(max_abs_difference(a.output.value(), kernel_regression(K, y)) < 1e-12);
  }
  // Where every K is 0 in f32, the softmax of the logarithms still knows the nearest key.
  const Attention far =
      nn::attention_pool(nn::GaussianKernel(), full({1, 1}, 100), reshape(tensor({0, 1}), {2, 1}), eye(2));
  CHECK(identical(far.output.value(), tensor({{0, 1}})));
}

TEST_CASE("weights are a distribution, outputs lie between the least and the largest value") {
  const Tensor q = random_f64({2, 3, 4, 5}, 1) * 1.5, k = random_f64({2, 3, 6, 5}, 2), v = random_f64({2, 3, 6, 7}, 3);
  const Tensor low = min(v, {-2}, true), high = max(v, {-2}, true);  // [2, 3, 1, 7]
  for (const ScoreConfig& config : every_config(5)) {
    CAPTURE(std::string(name(config.kind)));
    const Score score = score_of(config);
    const Attention a = nn::attention_pool(score, q, k, v);
    CHECK(a.output.shape() == Shape{2, 3, 4, 7});
    CHECK(a.weights.shape() == Shape{2, 3, 4, 6});
    CHECK(min(a.weights).item() >= 0);
    // a score of −∞ for every key: nothing in reach
    const Tensor reaches = max(score(q, k).value(), {-1}) > -std::numeric_limits<double>::infinity();  // [2, 3, 4]
    CHECK(max_abs_difference(sum(a.weights.value(), {-1}), reaches.to(DType::f64)) < 1e-14);
    const Tensor rows = unsqueeze(reaches, -1);
    CHECK(all(where(rows, a.output.value() - low, low * 0.0) >= -1e-14).item() == 1);
    CHECK(all(where(rows, high - a.output.value(), low * 0.0) >= -1e-14).item() == 1);
    const double reached = sum(reaches.to(DType::f64)).item();
    const bool bounded = config.kind == ScoreKind::boxcar || config.kind == ScoreKind::epanechnikov;
    CHECK((bounded ? reached > 12 && reached < 24 : reached == 24));
  }
}

TEST_CASE("every score's gradient, of inputs and parameters, under a mask") {
  const Tensor q = transpose(random_f64({2, 3, 4}, 5)), k = random_f64({2, 5, 3}, 2);  // q [2, 4, 3], strided
  const Tensor v = random_f64({2, 5, 2}, 3);
  Rng rng(4);
  Tensor keep = bernoulli(0.7, {4, 5}, rng);
  narrow(keep, 0, 2, 1).fill_(0);  // one query sees nothing
  // No pair lies so close to the edge of a bounded kernel that a difference would cross it.
  const Tensor u2 = sum(square(unsqueeze(q, -2) - unsqueeze(k, -3)), {-1}) / 9.0;
  CHECK(min(abs(u2 - 1.0)).item() > 0.01);
  for (const ScoreConfig& config : every_config(3)) {
    CAPTURE(std::string(name(config.kind)));
    Score score = score_of(config);
    const auto pooled = [&](std::span<const Variable> in) {
      return nn::attention_pool(score, in[0], in[1], in[2], Mask::keep(keep)).output;
    };
    const GradcheckReport of_inputs = gradcheck(pooled, {q, k, v});
    CHECK_MESSAGE(of_inputs.ok, of_inputs);
    if (score.parameters().empty()) continue;
    const std::vector<Variable> inputs = {q, k, v};
    const GradcheckReport of_parameters = gradcheck(score.parameters(), [&] { return pooled(inputs); });
    CHECK_MESSAGE(of_parameters.ok, of_parameters);
  }
}

TEST_CASE("a key exactly at the edge of a kernel is out of reach and gives a finite gradient") {
  Parameter q(reshape(tensor({0, 0.5}, DType::f64), {2, 1}));
  const Tensor k = reshape(tensor({0, 1, 2}, DType::f64), {3, 1}), v = random_f64({3, 1}, 1);
  Tape tape;
  const Attention a = nn::attention_pool(nn::EpanechnikovKernel(), q, k, v);
  CHECK(identical(a.weights.value(), tensor({{1, 0, 0}, {0.5, 0.5, 0}}, DType::f64)));
  tape.backward(weighted_sum(a.output));
  CHECK(q.grad().at({0, 0}) == 0);
  CHECK(std::abs(q.grad().at({1, 0})) > 1e-6);
  CHECK(std::isfinite(q.grad().at({1, 0})));
  CHECK(identical(nn::attention_pool(nn::BoxcarKernel(), q, k, v).weights.value(), a.weights.value()));
}

TEST_CASE("masks: what is hidden has weight 0, a query that sees nothing gets 0 and gives no gradient") {
  const Tensor v = random_f64({2, 4, 2}, 3);
  const Tensor keep = equal(tensor({{1, 1, 0, 1}, {0, 1, 1, 0}, {0, 0, 0, 0}}), 1.0);  // [L, S]
  for (const ScoreConfig& config : every_config(3)) {
    CAPTURE(std::string(name(config.kind)));
    const Score score = score_of(config);
    Parameter q(random_f64({2, 3, 3}, 1) * 0.5), k(random_f64({2, 4, 3}, 2) * 0.5);
    Parameter values(v);
    Tape tape;
    const Attention a = nn::attention_pool(score, q, k, values, Mask::keep(keep));
    CHECK(identical(equal(a.weights.value(), 0.0), expand(logical_not(keep), {2, 3, 4})));
    CHECK(max(abs(narrow(a.output.value(), 1, 2, 1))).item() == 0);
    tape.backward(weighted_sum(a.output));
    CHECK(all(is_finite(values.grad())).item() == 1);
    if (!q.has_grad()) continue;  // the constant ones
    CHECK(max(abs(narrow(q.grad(), 1, 2, 1))).item() == 0);
    CHECK(max(abs(narrow(q.grad(), 1, 0, 1))).item() > 1e-6);
    CHECK(all(is_finite(k.grad())).item() == 1);
  }
  const Tensor q = random_f64({2, 3, 3}, 1), k = random_f64({2, 3, 3}, 2);
  const Attention causal = nn::attention_pool(nn::DotScore(), q, k, k, Mask::causal());
  CHECK(identical(causal.weights.value(), tril(causal.weights.value())));
  const Tensor padded = equal(tensor({{1, 1, 0}, {1, 1, 1}}), 1.0);  // [B, S]
  const Attention a = nn::attention_pool(nn::DotScore(), q, k, k, Mask::keep(unsqueeze(padded, 1)));
  CHECK(identical(not_equal(a.weights.value(), 0.0), expand(unsqueeze(padded, 1), {2, 3, 3})));
}

TEST_CASE("batches and heads broadcast; strided inputs give the same bits") {
  const Tensor q = random_f64({4, 3}, 1), k = random_f64({2, 1, 6, 3}, 2), v = random_f64({5, 6, 2}, 3);
  const Tensor whole_q = expand(q, {2, 5, 4, 3}).clone(), whole_k = expand(k, {2, 5, 6, 3}).clone();
  const Tensor by_columns = transpose(transpose(q).clone());
  for (const ScoreConfig& config : every_config(3)) {
    CAPTURE(std::string(name(config.kind)));
    const Score score = score_of(config);
    const Attention a = nn::attention_pool(score, q, k, v);
    CHECK(a.weights.shape() == Shape{2, 1, 4, 6});
    CHECK(a.output.shape() == Shape{2, 5, 4, 2});
    const Attention whole = nn::attention_pool(score, whole_q, whole_k, expand(v, {2, 5, 6, 2}).clone());
    CHECK(max_abs_difference(a.output.value(), whole.output.value()) < 1e-14);
    CHECK(identical(score(by_columns, k).value(), score(q, k).value()));
  }
}

TEST_CASE("leaving one out is a mask that hides the diagonal") {
  const int64_t n = 12;
  const Tensor x = random_f64({n, 1}, 1), y = random_f64({n, 1}, 2);
  const Mask others = Mask::hide(equal(eye(n), 1.0));
  const nn::GaussianKernel kernel(2);
  const Attention a = nn::attention_pool(kernel, x, x, y, others);
  CHECK(max(abs(diagonal(a.weights.value()))).item() == 0);
  for (int64_t i = 0; i < n; ++i) {  // the same as a regression on the others
    const Tensor rest = index_select(arange(n), 0, from_vector<int64_t>([&] {
                                       std::vector<int64_t> left;
                                       for (int64_t j = 0; j < n; ++j)
                                         if (j != i) left.push_back(j);
                                       return left;
                                     }()));
    const Variable alone =
        nn::attention_pool(kernel, narrow(x, 0, i, 1), index_select(x, 0, rest), index_select(y, 0, rest)).output;
    CHECK(max_abs_difference(alone.value(), narrow(a.output.value(), 0, i, 1)) < 1e-14);
  }
  // Why: with every point in, the narrowest kernel fits its own data to the bit, and training would go there.
  const nn::GaussianKernel narrowest(1e4);
  CHECK(identical(nn::attention_pool(narrowest, x, x, y).output.value(), y));
  CHECK(max_abs_difference(nn::attention_pool(narrowest, x, x, y, others).output.value(), y) > 0.1);
}

TEST_CASE("attention_pool with the scaled dot is scaled dot-product attention") {
  const Tensor q = random_f64({2, 3, 7, 4}, 1), k = random_f64({2, 3, 9, 4}, 2), v = random_f64({2, 3, 9, 5}, 3);
  Rng rng(4);
  Tensor keep = bernoulli(0.5, {7, 9}, rng);
  narrow(keep, 0, 2, 1).fill_(0);  // one query sees nothing
  for (const Mask& mask : {Mask(), Mask::causal(), Mask::keep(keep), Mask::keep(keep) & Mask::causal()}) {
    const Attention pooled = nn::attention_pool(nn::ScaledDotScore(), q, k, v, mask);
    const Attention attention = nn::attention_with_weights(q, k, v, mask);
    CHECK(identical(pooled.weights.value(), attention.weights.value()));
    CHECK(identical(pooled.output.value(), attention.output.value()));
    CHECK(max_abs_difference(pooled.output.value(), nn::scaled_dot_product_attention(q, k, v, mask).value()) < 1e-14);
  }
}
