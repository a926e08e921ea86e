// Attention: what masks hide, what scaling is for, and the properties that make it attention.
#include "nn/attention.h"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <set>

#include "autograd/gradcheck.h"
#include "autograd/indexing.h"
#include "autograd/reduce.h"
#include "autograd/tape.h"
#include "nn/encoder.h"
#include "nn/positions.h"
#include "tensor/reduce.h"

using namespace fovea;
using nn::Mask;

namespace {

Tensor random_f64(const Shape& shape, uint64_t seed) {
  Rng rng(seed);
  return randn(shape, rng, DType::f64);
}

// softmax(q kᵀ / √d) v by the book: one query at a time, plain loops. q [L, d], k [S, d], v [S, e].
Tensor naive_attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& keep) {
  const int64_t queries = q.size(0), keys = k.size(0);
  Tensor y = zeros({queries, v.size(1)}, DType::f64);
  for (int64_t i = 0; i < queries; ++i) {
    std::vector<double> weight(static_cast<size_t>(keys));
    double total = 0;
    for (int64_t j = 0; j < keys; ++j) {
      double score = 0;
      for (int64_t c = 0; c < q.size(1); ++c) score += q.at({i, c}) * k.at({j, c});
      weight[size_t(j)] = keep.at({i, j}) != 0 ? std::exp(score / std::sqrt(double(q.size(1)))) : 0;
      total += weight[size_t(j)];
    }
    for (int64_t j = 0; j < keys; ++j) {
      for (int64_t c = 0; c < v.size(1); ++c)
        y.set({i, c}, y.at({i, c}) + (total > 0 ? weight[size_t(j)] / total : 0) * v.at({j, c}));
    }
  }
  return y;
}

nn::MultiHeadAttention attention_of(int64_t dim, int64_t heads, uint64_t seed = 1) {
  Rng rng(seed);
  nn::MultiHeadAttention attention({.dim = dim, .heads = heads}, rng);
  attention.to(DType::f64);
  return attention;
}

}  // namespace

TEST_CASE("attention equals its formula in plain loops") {
  const Tensor q = random_f64({4, 3}, 1), k = random_f64({6, 3}, 2), v = random_f64({6, 5}, 3);
  const Tensor everything = ones({4, 6}, DType::boolean);
  const Tensor expected = naive_attention(q, k, v, everything);
  CHECK(max_abs_difference(nn::attention_with_weights(q, k, v).output.value(), expected) < 1e-14);
  CHECK(max_abs_difference(nn::scaled_dot_product_attention(q, k, v).value(), expected) < 1e-14);
  Rng rng(4);
  Tensor keep = bernoulli(0.5, {4, 6}, rng);
  narrow(keep, 0, 2, 1).fill_(0);  // one query sees nothing
  const nn::Attention a = nn::attention_with_weights(q, k, v, Mask::keep(keep));
  for (const Variable& y : {a.output, nn::scaled_dot_product_attention(q, k, v, Mask::keep(keep))}) {
    CHECK(max_abs_difference(y.value(), naive_attention(q, k, v, keep)) < 1e-14);
    CHECK(max(abs(narrow(y.value(), 0, 2, 1))).item() == 0);
  }
  CHECK(identical(equal(a.weights.value(), 0.0), logical_not(keep)));
}

TEST_CASE("attention's gradient, saturated softmax included") {
  Rng rng(1);
  const Tensor keep = bernoulli(0.7, {4, 6}, rng);
  for (const double size : {1.0, 8.0}) {
    const GradcheckReport report = gradcheck(
        [&](std::span<const Variable> in) {
          return nn::scaled_dot_product_attention(in[0], in[1], in[2], Mask::keep(keep), in[3]);
        },
        {random_f64({2, 4, 3}, 1) * size, random_f64({2, 6, 3}, 2), random_f64({2, 6, 5}, 3), random_f64({4, 6}, 4)});
    CHECK_MESSAGE(report.ok, report);
  }
}

TEST_CASE("masks say what they mean, and combine") {
  const Tensor keep = equal(tensor({{1, 1, 0}, {1, 0, 0}}), 1.0);
  CHECK(Mask().keeps_all());
  CHECK(identical(Mask::hide(keep).as_tensor(2, 3), logical_not(keep)));
  CHECK(identical(Mask::causal().as_tensor(3, 3), tril(ones({3, 3}, DType::boolean))));
  CHECK(identical(Mask::causal().as_tensor(2, 4), equal(tensor({{1, 1, 1, 0}, {1, 1, 1, 1}}), 1.0)));
  CHECK(identical((Mask::keep(keep) & Mask::causal()).as_tensor(2, 3), equal(tensor({{1, 1, 0}, {1, 0, 0}}), 1.0)));
  CHECK(identical((Mask::keep(keep) & Mask::hide(keep)).as_tensor(2, 3), zeros({2, 3}, DType::boolean)));
  CHECK((Mask() & Mask::causal()).is_causal());
  CHECK(Mask::keep_keys(keep).kept().shape() == Shape{2, 1, 1, 3});
  CHECK_THROWS_WITH_AS(Mask::keep(ones({2})),
                       "Mask::keep: the mask must be bool, got f32; compare first, as in lengths > 3", DTypeError);
  CHECK_THROWS_AS(Mask::keep_keys(ones({3}, DType::boolean)), ShapeError);

  const Variable x = random_f64({2, 4, 5, 3}, 1);
  CHECK_THROWS_WITH_AS(nn::scaled_dot_product_attention(x, x, x, Mask::keep(ones({3, 1, 1, 1, 1}, DType::boolean))),
                       doctest::Contains("does not broadcast to the scores [2, 4, 5, 5]"), ShapeError);
  CHECK_THROWS_WITH_AS(
      nn::scaled_dot_product_attention(x, x, x, Mask::keep(ones({2, 5}, DType::boolean))),
      "attention: the mask [2, 5] does not broadcast to the scores [2, 4, 5, 5], [batch, heads, queries, "
      "keys]; a mask [batch, keys] is made with Mask::keep_keys",
      ShapeError);
  CHECK_THROWS_WITH_AS(nn::scaled_dot_product_attention(x, random_f64({2, 4, 5, 2}, 1), x),
                       "attention: query and key differ in their channels: query [2, 4, 5, 3], key [2, 4, 5, 2], "
                       "value [2, 4, 5, 3]",
                       ShapeError);
}

TEST_CASE("what is masked is not seen, whatever it holds") {
  const nn::MultiHeadAttention attention = attention_of(8, 2);
  const Tensor x = random_f64({2, 5, 8}, 1);
  Tensor changed = x.clone();
  narrow(changed, 1, 4, 1).fill_(1e3);
  const Mask mask = Mask::hide(equal(arange(5), 4.0));
  const Tensor y = attention(x, mask).value(), z = attention(changed, mask).value();
  CHECK(identical(narrow(y, 1, 0, 4), narrow(z, 1, 0, 4)));
}

TEST_CASE("causality: a later position changes nothing before it, and gets no gradient from there") {
  Rng rng(1);
  nn::EncoderLayer layer({.dim = 8, .heads = 2, .norm_first = true}, rng);
  Parameter x(randn({2, 6, 8}, rng));
  const Tensor y = layer(x, Mask::causal()).value();
  for (int64_t t = 0; t < 5; ++t) {
    Tensor changed = x.value().clone();
    narrow(changed, 1, t + 1, 1).fill_(7);
    const Tensor z = layer(changed, Mask::causal()).value();
    CHECK(identical(narrow(y, 1, 0, t + 1), narrow(z, 1, 0, t + 1)));
    CHECK(!identical(narrow(y, 1, t + 1, 1), narrow(z, 1, t + 1, 1)));

    x.zero_grad();
    Tape tape;
    tape.backward(sum(square(narrow(layer(x, Mask::causal()), 1, 0, t + 1))));
    CHECK(max(abs(narrow(x.grad(), 1, t + 1, 5 - t))).item() == 0);
    CHECK(max(abs(narrow(x.grad(), 1, t, 1))).item() > 0);
  }
}

TEST_CASE("without positions attention does not see order, with them it does") {
  const nn::MultiHeadAttention attention = attention_of(8, 2);
  const Tensor x = random_f64({2, 6, 8}, 1);
  const Tensor order = from_vector<int64_t>({3, 0, 5, 1, 4, 2}, {6});
  const auto permuted = [&](const Tensor& t) { return index_select(t, 1, order); };
  CHECK(max_abs_difference(attention(permuted(x)).value(), permuted(attention(x).value())) < 1e-14);
  const Tensor positions = nn::sinusoidal_positions(6, 8, DType::f64);
  CHECK(max_abs_difference(attention(permuted(x) + positions).value(), permuted(attention(x + positions).value())) >
        0.01);
}

TEST_CASE("one head is plain attention; several heads are several attentions side by side") {
  const Tensor x = random_f64({2, 5, 6}, 1);
  const nn::MultiHeadAttention one = attention_of(6, 1);
  const Variable plain = nn::scaled_dot_product_attention(one.query(x), one.key(x), one.value(x));
  CHECK(max_abs_difference(one(x).value(), one.output(plain).value()) < 1e-15);

  const nn::MultiHeadAttention three = attention_of(6, 3);
  const Variable q = three.query(x), k = three.key(x), v = three.value(x);
  std::vector<Variable> heads;
  for (int64_t h = 0; h < 3; ++h) {
    const auto columns = [&](const Variable& all) { return narrow(all, 2, 2 * h, 2); };
    heads.push_back(nn::scaled_dot_product_attention(columns(q), columns(k), columns(v), Mask::causal()));
  }
  CHECK(max_abs_difference(three(x, Mask::causal()).value(), three.output(cat(heads, 2)).value()) < 1e-15);
}

TEST_CASE("a query that sees no key has output and gradient 0, never NaN") {
  Parameter q(random_f64({1, 2, 4, 3}, 1)), k(random_f64({1, 2, 5, 3}, 2)), v(random_f64({1, 2, 5, 3}, 3));
  Tape tape;
  const Mask nothing = Mask::keep_keys(zeros({1, 5}, DType::boolean));
  CHECK(max(abs(nn::scaled_dot_product_attention(q, k, v, nothing).value())).item() == 0);
  const nn::Attention a = nn::attention_with_weights(q, k, v, nothing);
  CHECK(max(abs(a.output.value())).item() == 0);
  CHECK(max(abs(a.weights.value())).item() == 0);
  tape.backward(sum(a.output));
  CHECK(max(abs(q.grad())).item() == 0);
  CHECK(max(abs(k.grad())).item() == 0);
  CHECK(max(abs(v.grad())).item() == 0);
}

TEST_CASE("attention runs in tiles where nothing needs the weights, with the same result") {
  const Tensor x = random_f64({2, 5, 8}, 1);
  nn::MultiHeadAttention attention = attention_of(8, 2);
  const auto recorded = [&](const std::function<Variable()>& fn) {
    const Tape tape;
    fn();
    std::set<std::string> names;
    for (size_t i = 0; i < tape.size(); ++i) names.insert(tape.node(i).name);
    return names.count("attention") == 1;
  };
  CHECK(recorded([&] { return attention(x, Mask::causal()); }));
  CHECK(recorded([&] { return attention(x, x, x, Mask::keep_keys(ones({2, 5}, DType::boolean))); }));
  CHECK(!recorded([&] { return attention.attend_with_weights(x, attention.keys_and_values(x, x)).output; }));
  CHECK(!recorded([&] {
    const nn::AttentionRecord record;
    return attention(x);
  }));
  attention.dropout.p = 0.5;
  CHECK(!recorded([&] { return attention(x); }));
  attention.eval();
  CHECK(recorded([&] { return attention(x); }));
  Parameter q(x), bias(zeros({5, 5}, DType::f64));
  CHECK(recorded([&] { return nn::scaled_dot_product_attention(q, q, q); }));
  CHECK(!recorded([&] { return nn::scaled_dot_product_attention(q, q, q, {}, bias); }));
  Rng rng(1);
  const auto variant = [&](nn::Positions positions) {
    return nn::MultiHeadAttention(
        {.dim = 8, .heads = 2, .key_value_heads = 1, .qk_norm = true, .window = 2, .positions = positions}, rng);
  };
  const nn::MultiHeadAttention turned = variant(nn::Positions::rope), biased = variant(nn::Positions::alibi);
  const Tensor single = x.to(DType::f32);
  CHECK(recorded([&] { return turned(single, Mask::causal()); }));
  CHECK(!recorded([&] { return biased(single, Mask::causal()); }));

  const Mask mask = Mask::causal() & Mask::keep_keys(equal(tensor({{1, 0, 1, 1, 1}, {1, 1, 1, 1, 0}}), 1.0));
  const Variable with_weights = attention.attend_with_weights(x, attention.keys_and_values(x, x), mask).output;
  CHECK(max_abs_difference(attention(x, mask).value(), with_weights.value()) < 1e-15);
}

TEST_CASE("the product of two random vectors has variance d_k, scaled 1") {
  Rng rng(1);
  const int64_t d = 256, n = 4000;
  const Tensor q = randn({n, d}, rng, DType::f64), k = randn({n, d}, rng, DType::f64);
  const Tensor scores = sum(q * k, {1});  // [n]
  CHECK(std::abs(var(scores).item() / double(d) - 1) < 0.1);
  CHECK(std::abs(var(scores / std::sqrt(double(d))).item() - 1) < 0.1);
}

TEST_CASE("without the scaling the softmax saturates and its gradient dies") {
  Rng rng(1);
  const int64_t d = 4096;
  const Tensor q = randn({64, d}, rng, DType::f64), k = randn({64, d}, rng, DType::f64);
  // dp_k / ds_i = p_k (δ_ki − p_i): the share of queries for which its largest entry is below 0.001.
  const auto dead_queries = [&](double scale) {
    const Tensor p = masked_softmax(matmul(q, transpose(k)), scale);  // [L, S]
    return mean((max(p * (1.0 - p), {-1}) < 1e-3).to(DType::f64)).item();
  };
  CHECK(dead_queries(1 / std::sqrt(double(d))) == 0);
  CHECK(dead_queries(1) > 0.7);
}

TEST_CASE("attention weights of any layer are recorded under its path") {
  Rng rng(1);
  const nn::Encoder encoder({.dim = 8, .heads = 2}, 3, rng);
  const Tensor x = randn({2, 5, 8}, rng);
  const nn::AttentionRecord outer;
  {
    const nn::AttentionRecord record;
    encoder(x);
    REQUIRE(record.entries().size() == 3);
    for (size_t i = 0; i < 3; ++i) {
      const auto& [path, weights] = record.entries()[i];
      CHECK(path == "layers." + std::to_string(i) + ".attention");
      CHECK(weights.shape() == Shape{2, 2, 5, 5});
      CHECK(max(abs(sum(weights, {-1}) - 1.0)).item() < 1e-6);
    }
  }
  encoder.layers[0].attention(x);
  CHECK(outer.entries().size() == 1);
  CHECK(outer.entries()[0].path == "");
}

TEST_CASE("a cache holds what was appended, grows, and refuses what does not fit") {
  Rng rng(1);
  nn::MultiHeadAttention attention({.dim = 8, .heads = 2}, rng);
  const Tensor x = randn({2, 40, 8}, rng);
  const Tensor whole = attention(x, Mask::causal()).value();
  nn::KeyValueCache cache;
  double worst = 0;
  for (int64_t at = 0; at < 40;) {
    const int64_t length = std::min<int64_t>(at % 3 + 1, 40 - at);  // one, two or three positions at a time
    const Tensor y = attention(narrow(x, 1, at, length), Mask::causal(), &cache).value();
    worst = std::max(worst, max_abs_difference(y, narrow(whole, 1, at, length)));
    at += length;
    CHECK(cache.length() == at);
  }
  CHECK(worst < 1e-6);
  CHECK_THROWS_WITH_AS(attention(narrow(x, 0, 0, 1), Mask::causal(), &cache),
                       doctest::Contains("holds 2 sequences, given are 1"), ShapeError);
  nn::KeyValueCache copy = cache;  // as for two continuations of one text
  attention(ones({2, 1, 8}), Mask::causal(), &cache);
  attention(zeros({2, 1, 8}), Mask::causal(), &copy);
  CHECK(cache.length() == 41);
  nn::KeyValueCache again;
  attention(x, Mask::causal(), &again);
  attention(ones({2, 1, 8}), Mask::causal(), &again);
  const Tensor after = attention(ones({2, 1, 8}), Mask::causal(), &cache).value();
  CHECK(max_abs_difference(attention(ones({2, 1, 8}), Mask::causal(), &again).value(), after) < 1e-6);
  cache.clear();
  CHECK(cache.length() == 0);
  const Tape tape;
  CHECK_THROWS_AS(attention(x, Mask::causal(), &cache), TapeError);
}

TEST_CASE("a configuration that cannot be is refused") {
  Rng rng(1);
  CHECK_THROWS_WITH_AS(nn::MultiHeadAttention({.dim = 10, .heads = 4}, rng),
                       "MultiHeadAttention: dim 10 is not a multiple of heads 4", ValueError);
  CHECK_THROWS_AS(nn::MultiHeadAttention({.dim = 8, .heads = 0}, rng), ValueError);
  CHECK_THROWS_WITH_AS(nn::MultiHeadAttention({.dim = 8, .heads = 4, .key_value_heads = 3}, rng),
                       "MultiHeadAttention: heads 4 is not a multiple of key_value_heads 3", ValueError);
  CHECK_THROWS_WITH_AS(nn::MultiHeadAttention({.dim = 8, .heads = 4, .window = -1}, rng),
                       "MultiHeadAttention: the window must be positive, or 0 for none, got -1", ValueError);
  CHECK_THROWS_WITH_AS(Mask::window(0), "Mask::window: a query sees itself at least, so the size is 1 or more, got 0",
                       ValueError);
  const Variable x = random_f64({1, 4, 8}, 1);
  CHECK_THROWS_WITH_AS(nn::MultiHeadAttention({.dim = 8, .heads = 4, .window = 3}, rng)(x, x, x),
                       doctest::Contains("cross-attention, so no window; for self-attention pass x alone"), ValueError);
  const nn::MultiHeadAttention attention = attention_of(8, 2);
  CHECK_THROWS_WITH_AS(attention(random_f64({5, 8}, 1)),
                       doctest::Contains("MultiHeadAttention: takes [batch, time, channels], got [5, 8]"), ShapeError);
}
