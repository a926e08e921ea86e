// Scores: each against its formula in plain loops, the identities that tie them to each other, and what they refuse.
#include "nn/scores.h"

#include <doctest/doctest.h>

#include <limits>
#include <set>

#include "autograd/indexing.h"
#include "autograd/tape.h"
#include "nn/attention_pool.h"
#include "tensor/reduce.h"
#include "tests/score_cases.h"

using namespace fovea;
using namespace fovea::tests;
using nn::Mask;
using nn::Score;
using nn::ScoreConfig;
using nn::ScoreKind;

namespace {

// vᵀ tanh(W_q q + W_k k + b), term by term.
Formula additive_formula(Score& score) {
  std::map<std::string, Tensor> state = score.state();
  return [state](const Row& q, const Row& k) {
    const Tensor &wq = state.at("query_weight"), &wk = state.at("key_weight"), &v = state.at("v");
    double result = 0;
    for (int64_t h = 0; h < v.size(0); ++h) {
      double sum = state.count("bias") ? state.at("bias").at({h}) : 0;
      for (size_t c = 0; c < q.size(); ++c) sum += wq.at({int64_t(c), h}) * q[c];
      for (size_t c = 0; c < k.size(); ++c) sum += wk.at({int64_t(c), h}) * k[c];
      result += v.at({h, 0}) * std::tanh(sum);
    }
    return result;
  };
}

}  // namespace

TEST_CASE("each score equals its formula in plain loops") {
  const Tensor q = random_f64({4, 3}, 1), k = random_f64({6, 3}, 2), k5 = random_f64({6, 5}, 3);
  const auto check = [&](const ScoreConfig& config, const Tensor& keys, const Formula& formula) {
    CAPTURE(std::string(name(config.kind)));
    CHECK(max_abs_difference(score_of(config)(q, keys).value(), for_pairs(q, keys, formula)) < 1e-14);
  };
  check({.kind = ScoreKind::dot}, k, product);
  check({.kind = ScoreKind::scaled_dot}, k, [](const Row& a, const Row& b) { return product(a, b) / std::sqrt(3.0); });
  check({.kind = ScoreKind::cosine, .temperature = 0.25}, k,
        [](const Row& a, const Row& b) { return product(a, b) / std::sqrt(product(a, a) * product(b, b)) / 0.25; });
  check({.kind = ScoreKind::constant}, k5, [](const Row&, const Row&) { return 0.0; });

  const ScoreConfig general = {.kind = ScoreKind::general, .query_dim = 3, .key_dim = 5};
  const Tensor w = score_of(general).state().at("weight");
  check(general, k5, [&](const Row& a, const Row& b) {
    double sum = 0;
    for (int64_t i = 0; i < 3; ++i)
      for (int64_t j = 0; j < 5; ++j) sum += a[size_t(i)] * w.at({i, j}) * b[size_t(j)];
    return sum;
  });
  for (const bool bias : {true, false}) {
    const ScoreConfig additive = {.kind = ScoreKind::additive, .query_dim = 3, .key_dim = 5, .hidden = 7, .bias = bias};
    Score score = score_of(additive);
    CHECK(score.parameters().size() == (bias ? 4 : 3));
    check(additive, k5, additive_formula(score));
  }
}

TEST_CASE("a query and a key of different sizes: general, additive, concat") {
  const Tensor q = random_f64({2, 4, 3}, 1), k = random_f64({2, 6, 5}, 2), v = random_f64({2, 6, 7}, 3);
  for (const ScoreKind kind : {ScoreKind::general, ScoreKind::additive, ScoreKind::concat}) {
    const Score score = score_of({.kind = kind, .query_dim = 3, .key_dim = 5, .hidden = 8});
    CHECK(nn::attention_pool(score, q, k, v).output.shape() == Shape{2, 4, 7});
  }
}

TEST_CASE("general with W = 1 is dot, bit for bit") {
  Rng rng(1);
  const Tensor q = randn({2, 7, 5}, rng), k = randn({2, 9, 5}, rng);
  nn::GeneralScore general({.query_dim = 5}, rng);
  CHECK(!identical(general(q, k).value(), nn::DotScore()(q, k).value()));
  general.weight.value().copy_(eye(5));
  CHECK(identical(general(q, k).value(), nn::DotScore()(q, k).value()));
}

TEST_CASE("the sum form and the concat form: the same numbers and the same gradients") {
  for (const bool bias : {true, false}) {
    Rng rng(1);
    nn::AdditiveScore sums({.query_dim = 3, .key_dim = 5, .hidden = 8, .bias = bias}, rng);
    sums.to(DType::f64);
    if (bias) sums.bias.value() = randn({8}, rng, DType::f64);
    nn::ConcatScore concat(sums);
    CHECK(concat.parameters().size() == (bias ? 3 : 2));
    Parameter q(random_f64({2, 4, 3}, 1)), k(random_f64({2, 6, 5}, 2));
    Parameter q2 = q, k2 = k;
    Tape tape;
    const Variable a = sums(q, k), b = concat(q2, k2);  // [2, 4, 6]
    CHECK(max_abs_difference(a.value(), b.value()) < 1e-14);
    tape.backward(weighted_sum(a) + weighted_sum(b));
    CHECK(max_abs_difference(q.grad(), q2.grad()) < 1e-13);
    CHECK(max_abs_difference(k.grad(), k2.grad()) < 1e-13);
    CHECK(max_abs_difference(cat({sums.query_weight.grad(), sums.key_weight.grad()}), concat.weight.grad()) < 1e-13);
    CHECK(max_abs_difference(sums.v.grad(), concat.v.grad()) < 1e-13);
    if (bias) CHECK(max_abs_difference(sums.bias.grad(), concat.bias.grad()) < 1e-13);
    nn::AdditiveScore back(concat);
    CHECK(identical(back(q, k).value(), a.value()));
    back.query_weight.value().fill_(0);  // a copy: the others stay
    CHECK(identical(concat(q2, k2).value(), b.value()));
  }
}

TEST_CASE("keys projected once give the same bits") {
  const Tensor q = random_f64({2, 4, 3}, 1), k = random_f64({2, 5, 3}, 2);
  for (const ScoreConfig& config : every_config(3)) {
    CAPTURE(std::string(name(config.kind)));
    const Score score = score_of(config);
    const Variable projected = score.project_keys(k);
    CHECK(projected.size(-1) == (config.kind == ScoreKind::additive ? 4 : 3));
    CHECK(identical(score.score_projected(q, projected).value(), score(q, k).value()));
  }
}

TEST_CASE("additive with W_k = −W_q depends on q − k alone") {
  Rng rng(1);
  nn::AdditiveScore score({.query_dim = 3, .hidden = 6}, rng);
  score.to(DType::f64);
  const Tensor q = random_f64({4, 3}, 1), k = random_f64({5, 3}, 2), shift = random_f64({3}, 3);
  const auto change = [&] { return max_abs_difference(score(q + shift, k + shift).value(), score(q, k).value()); };
  CHECK(change() > 0.01);
  score.key_weight.value() = -score.query_weight.value();
  CHECK(change() < 1e-14);
  CHECK(max_abs_difference(score(q + shift, k).value(), score(q, k).value()) > 0.01);
}

TEST_CASE("cosine does not see lengths; the temperature does what it says") {
  const Tensor q = random_f64({4, 3}, 1), k = random_f64({5, 3}, 2);
  const nn::CosineScore cosine;
  const Tensor scores = cosine(q, k).value();
  CHECK(max(abs(scores)).item() <= 1);
  CHECK(max_abs_difference(cosine(q * 1e3, k * 0.1).value(), scores) < 1e-12);
  CHECK(max_abs_difference(nn::CosineScore(0.1)(q, k).value(), scores * 10.0) < 1e-13);
  nn::CosineScore learned(0.1, true);
  CHECK(learned.inverse_temperature.value() == doctest::Approx(10));
  CHECK(max_abs_difference(learned(q.to(DType::f32), k.to(DType::f32)).value(), (scores * 10.0).to(DType::f32)) < 1e-5);
  CHECK(learned.parameters()[0].name == "inverse_temperature.raw");

  Parameter zero(zeros({1, 3}, DType::f64));
  Tape tape;
  const Variable y = cosine(zero, k);
  CHECK(max(abs(y.value())).item() == 0);
  tape.backward(weighted_sum(y));
  CHECK(all(is_finite(zero.grad())).item() == 1);
}

TEST_CASE("a learned width stays positive, whatever training does to it") {
  for (const double w : {1e-3, 0.5, 1.0, 40.0, 1e4}) CHECK(nn::GaussianKernel(w, true).w.value() == doctest::Approx(w));
  nn::GaussianKernel kernel(1, true);
  CHECK(nn::GaussianKernel().parameters().empty());
  CHECK(kernel.parameters().size() == 1);
  for (const double raw : {-50.0, -1.0, 0.0, 50.0}) {
    kernel.w.raw.value().fill_(raw);
    CHECK(kernel.w.value() > 0);
  }
}

TEST_CASE("any score by configuration: a value with its parameters") {
  std::set<std::string> names;
  for (int kind = 0; kind < nn::kScoreKinds; ++kind) names.insert(name(ScoreKind(kind)));
  CHECK(names.size() == size_t(nn::kScoreKinds));
  const Tensor q = random_f64({4, 3}, 1), k = random_f64({5, 3}, 2);
  for (const ScoreConfig& config : every_config(3)) {
    CAPTURE(std::string(name(config.kind)));
    Score score = score_of(config);
    CHECK(int(score.score.index()) == int(config.kind));
    const Tensor before = score(q, k).value();
    Score copy = score;
    CHECK(identical(copy(q, k).value(), before));
    for (const auto& [path, p] : copy.parameters()) p->value().fill_(0.5);
    CHECK(identical(score(q, k).value(), before));
    Score other = score_of(config, 7);
    other.load_state(score.state());
    CHECK(identical(other(q, k).value(), before));
  }
  // A function is a score too.
  const auto doubled = [](const Variable& a, const Variable& b) { return nn::DotScore()(a, b) * 2; };
  CHECK(max_abs_difference(nn::attention_pool(doubled, q, k, k).weights.value(),
                           nn::attention_pool(nn::DotScore(), q * 2.0, k, k).weights.value()) < 1e-14);
}

TEST_CASE("sizes that a score cannot take are refused, with what would fit") {
  Rng rng(1);
  const Tensor q = ones({2, 4, 3}), k = ones({2, 6, 5}), v = ones({2, 6, 7});
  CHECK_THROWS_WITH_AS(nn::attention_pool(nn::DotScore(), q, k, v),
                       "DotScore: compares vectors of one size: query [2, 4, 3] has 3, key [2, 6, 5] has 5; use "
                       "GeneralScore or AdditiveScore, or project one of them",
                       ShapeError);
  for (const ScoreKind kind :
       {ScoreKind::scaled_dot, ScoreKind::cosine, ScoreKind::gaussian, ScoreKind::boxcar, ScoreKind::epanechnikov}) {
    CHECK_THROWS_WITH_AS(Score({.kind = kind}, rng)(q, k), doctest::Contains("use GeneralScore or AdditiveScore"),
                         ShapeError);
  }
  for (const ScoreKind kind : {ScoreKind::general, ScoreKind::concat}) {
    CHECK_THROWS_WITH_AS(Score({.kind = kind, .query_dim = 3}, rng)(q, k),
                         doctest::Contains("Score: made with query_dim 3 and key_dim 3: query [2, 4, 3] has 3, key "
                                           "[2, 6, 5] has 5 (in model)"),
                         ShapeError);
  }
  const nn::AdditiveScore additive({.query_dim = 3, .key_dim = 5, .hidden = 8}, rng);
  CHECK_THROWS_WITH_AS(additive(q, q),
                       "AdditiveScore: takes keys [..., positions, 5] (key_dim), got [2, 4, 3] (in model)", ShapeError);
  CHECK_THROWS_WITH_AS(additive(k, k),
                       "AdditiveScore: takes queries [..., positions, 3] (query_dim), got [2, 6, 5] (in model)",
                       ShapeError);
  CHECK_THROWS_WITH_AS(additive.score_projected(q, k),
                       "AdditiveScore: takes projected keys [..., positions, 8] (hidden), as from project_keys, got "
                       "[2, 6, 5] (in model)",
                       ShapeError);
  for (const ScoreKind kind : {ScoreKind::general, ScoreKind::additive, ScoreKind::concat}) {
    CHECK_THROWS_WITH_AS(Score({.kind = kind}, rng),
                         doctest::Contains("needs the sizes of its weights: query_dim 0, key_dim 0, hidden 0"),
                         ValueError);
  }
  CHECK_THROWS_WITH_AS(nn::DotScore()(ones({3}), q),
                       "DotScore: query and key need the axes [..., positions, channels]: query [3], key [2, 4, 3]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(nn::DotScore()(ones({5, 4, 3}), q), doctest::Contains("DotScore: shapes do not broadcast"),
                       ShapeError);
  CHECK_THROWS_WITH_AS(nn::attention_pool(nn::DotScore(), q, q, v),
                       "attention_pool: a value for each key: scores [2, 4, 4] [..., queries, keys], values [2, 6, 7] "
                       "[..., keys, channels]",
                       ShapeError);
  const Mask padding = Mask::keep_keys(ones({2, 4}, DType::boolean));
  CHECK_THROWS_WITH_AS(nn::attention_pool(nn::DotScore(), q, q, q, padding),
                       "attention_pool: the mask [2, 1, 1, 4] is larger than the scores [2, 4, 4]; Mask::keep_keys is "
                       "for scores with an axis of heads, without one it is Mask::keep(unsqueeze(keys, 1))",
                       ShapeError);
  CHECK_THROWS_WITH_AS(nn::GaussianKernel(0), "GaussianKernel: w must be above 0 and finite, got 0", ValueError);
  CHECK_THROWS_WITH_AS(nn::BoxcarKernel(-1), "BoxcarKernel: w must be above 0 and finite, got -1", ValueError);
  CHECK_THROWS_WITH_AS(nn::EpanechnikovKernel{std::numeric_limits<double>::infinity()},
                       "EpanechnikovKernel: w must be above 0 and finite, got inf", ValueError);
  CHECK_THROWS_WITH_AS(nn::CosineScore(0), "CosineScore: temperature must be above 0 and finite, got 0", ValueError);
}
