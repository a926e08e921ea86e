// Attention in tiles: equal to the composed form under every mask and at every size around those of its tiles, in
// values and gradients; the same bits whoever computes it; memory that grows with the length, not with its square.
#include "tensor/attention.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "autograd/attention.h"
#include "autograd/matmul.h"
#include "autograd/rows.h"
#include "autograd/tape.h"
#include "autograd/views.h"
#include "tensor/elementwise.h"
#include "tensor/parallel.h"
#include "tensor/random.h"
#include "tensor/reduce.h"
#include "tensor/views.h"

using namespace fovea;

namespace {

struct Inputs {
  Tensor q, k, v;
  Tensor keep = {};
  bool causal = false;
  double scale = 0.5;

  Inputs to(DType dtype) const { return {q.to(dtype), k.to(dtype), v.to(dtype), keep, causal, scale}; }
};

Inputs random_inputs(const Shape& front, int64_t queries, int64_t keys, int64_t d_k, int64_t d_v, uint64_t seed = 1) {
  Rng rng(seed);
  const auto make = [&](int64_t rows, int64_t columns) {
    Shape shape = front;
    shape.push_back(rows);
    shape.push_back(columns);
    return randn(shape, rng, DType::f64);
  };
  return {make(queries, d_k), make(keys, d_k), make(keys, d_v)};
}

// y and the gradients of q, k and v for a random cotangent.
std::vector<Tensor> run(const Inputs& in, bool in_tiles) {
  Parameter q(in.q), k(in.k), v(in.v);
  Tape tape;
  const Variable y = in_tiles ? attention(q, k, v, in.scale, in.keep, in.causal)
                              : matmul(masked_softmax(matmul(q, transpose(k)), in.scale, in.keep, in.causal), v);
  std::vector<Tensor> results{y.value()};
  Rng rng(7);
  tape.backward(y, randn(y.shape(), rng, DType::f64).to(in.q.dtype()));
  for (const Parameter* p : {&q, &k, &v}) results.push_back(p->grad());
  return results;
}

// The largest difference of the two forms, relative to the largest number in each tensor.
double disagreement(const Inputs& in) {
  const std::vector<Tensor> tiles = run(in, true), composed = run(in, false);
  double largest = 0;
  for (size_t i = 0; i < tiles.size(); ++i) {
    REQUIRE(tiles[i].shape() == composed[i].shape());
    if (tiles[i].count() == 0) continue;
    const double size = max(abs(composed[i])).item();
    largest = std::max(largest, max_abs_difference(tiles[i], composed[i]) / (size > 0 ? size : 1));
  }
  return largest;
}

void check_forms_agree(const Inputs& in) {
  CHECK(disagreement(in) < 1e-12);
  CHECK(disagreement(in.to(DType::f32)) < 2e-5);
}

bool same_bits(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (!identical(a[i], b[i])) return false;
  }
  return a.size() == b.size();
}

}  // namespace

TEST_CASE("attention in tiles equals the composed form at sizes around those of its tiles") {
  for (const int64_t queries : {1, 15, 17, 64, 65, 130, 256, 300}) {
    for (const int64_t keys : {1, 16, 127, 129, 257, 520}) {
      Inputs in = random_inputs({2}, queries, keys, 7, 5, uint64_t(queries * 1000 + keys));
      for (const bool causal : {false, true}) {
        INFO(queries, " queries, ", keys, " keys, causal ", causal);
        in.causal = causal;
        check_forms_agree(in);
      }
    }
  }
}

TEST_CASE("attention in tiles equals the composed form for any width of keys and values") {
  for (const int64_t d_k : {1, 16, 33, 64, 200, 300}) {  // more than a block of the matrix product is deep
    for (const int64_t d_v : {1, 24, 65, 270}) {
      INFO("d_k ", d_k, ", d_v ", d_v);
      Inputs in = random_inputs({}, 70, 140, d_k, d_v);
      in.scale = 1 / std::sqrt(double(d_k));
      check_forms_agree(in);
      in.causal = true;
      check_forms_agree(in);
    }
  }
}

TEST_CASE("attention in tiles under every kind of mask") {
  Rng rng(3);
  Inputs in = random_inputs({2, 3}, 140, 270, 8, 6);
  const auto check = [&](const char* what, const Tensor& keep) {
    CAPTURE(what);
    in.keep = keep;
    for (const bool causal : {false, true}) {
      in.causal = causal;
      check_forms_agree(in);
    }
  };
  check("of everything", bernoulli(0.5, {2, 3, 140, 270}, rng));
  check("of the scores", bernoulli(0.5, {140, 270}, rng));
  check("nearly all hidden", bernoulli(0.003, {2, 1, 140, 270}, rng));  // most tiles and many rows as a whole
  check("of the keys", bernoulli(0.5, {2, 1, 1, 270}, rng));
  check("of the queries", bernoulli(0.5, {1, 3, 140, 1}, rng));
  check("of the heads", bernoulli(0.5, {3, 1, 1}, rng));
  check("transposed", transpose(bernoulli(0.5, {270, 140}, rng)));
  check("every other key", slice(bernoulli(0.5, {140, 540}, rng), 1, 0, 540, 2));
  check("a number", scalar(0, DType::boolean));
  Tensor padded = ones({2, 1, 1, 270}, DType::boolean);  // padding behind the end of the second sequence
  narrow(narrow(padded, 0, 1, 1), 3, 100, 170).fill_(0);
  check("padding", padded);
}

TEST_CASE("a query that sees no key has output and gradient 0, and one that is not seen gets none") {
  for (const DType dtype : {DType::f32, DType::f64}) {
    Inputs in = random_inputs({2}, 80, 30, 4, 3).to(dtype);
    in.causal = true;  // the first 50 queries see nothing
    const std::vector<Tensor> results = run(in, true);
    for (const int i : {0, 1}) CHECK(max(abs(narrow(results[size_t(i)], 1, 0, 50))).item() == 0);
    CHECK(max(abs(narrow(results[0], 1, 50, 1))).item() > 0);
    in.causal = false;
    in.keep = ones({1, 1, 30}, DType::boolean);
    narrow(in.keep, 2, 20, 10).fill_(0);
    const std::vector<Tensor> masked = run(in, true);
    for (const int i : {2, 3}) CHECK(max(abs(narrow(masked[size_t(i)], 1, 20, 10))).item() == 0);
    in.keep = zeros({}, DType::boolean);
    for (const Tensor& t : run(in, true)) CHECK(max(abs(t)).item() == 0);
  }
}

TEST_CASE("hidden keys may hold anything finite") {
  Inputs in = random_inputs({2}, 70, 200, 8, 8);
  in.keep = arange(200) < 150.0;
  const Tensor y = run(in, true)[0];
  for (Tensor* x : {&in.k, &in.v}) narrow(*x, 1, 150, 50).fill_(1e30);
  CHECK(identical(run(in, true)[0], y));
}

TEST_CASE("large scores saturate to the value of the best key, infinite ones as softmax has them") {
  for (const DType dtype : {DType::f32, DType::f64}) {
    Inputs in = random_inputs({1}, 50, 200, 16, 4).to(dtype);
    in.scale = 20;  // the largest weights are 1 to many digits
    CHECK(disagreement(in) < (dtype == DType::f64 ? 1e-12 : 1e-4));
    in.scale = 1e4;
    const Tensor best = argmax(matmul(in.q, transpose(in.k)), 2);  // [1, 50]
    const Tensor y = run(in, true)[0];
    for (int64_t i = 0; i < 50; ++i)
      CHECK(max_abs_difference(narrow(y, 1, i, 1), narrow(in.v, 1, int64_t(best.at({0, i})), 1)) < 1e-3);

    // Scores of -inf have weight 0 and a row of nothing else is 0; NaN and +inf make a row NaN, and no other.
    const double infinity = std::numeric_limits<double>::infinity();
    Inputs special{ones({4, 1}, dtype), ones({300, 1}, dtype), random_inputs({}, 300, 1, 2, 1).q.to(dtype)};
    special.q.set({0, 0}, -1);
    special.k.set({290, 0}, infinity);
    const Tensor z = run(special, true)[0], composed = run(special, false)[0];
    CHECK(max_abs_difference(narrow(z, 0, 0, 1), narrow(composed, 0, 0, 1)) < 1e-5);
    CHECK(std::isnan(z.at({1, 0})));
    CHECK(std::isnan(composed.at({1, 0})));
    special.k.fill_(-infinity);
    special.q.fill_(1);
    CHECK(max(abs(run(special, true)[0])).item() == 0);
    special.k.fill_(1);
    special.q.set({2, 0}, std::nan(""));
    const Tensor one_nan = run(special, true)[0];
    for (int64_t i = 0; i < 4; ++i) CHECK(std::isnan(one_nan.at({i, 1})) == (i == 2));
  }
}

TEST_CASE("q, k and v are read where they lie: heads of one projection give the bits of separate copies") {
  for (const DType dtype : {DType::f32, DType::f64}) {
    Rng rng(5);
    const Tensor projection = randn({2, 90, 3, 4, 8}, rng, dtype);  // [B, T, 3, H, d]
    Inputs views, copies;
    Tensor* to[3][2] = {{&views.q, &copies.q}, {&views.k, &copies.k}, {&views.v, &copies.v}};
    for (int i = 0; i < 3; ++i) {
      *to[i][0] = permute(select(projection, 2, i), {0, 2, 1, 3});  // [B, H, T, d]
      *to[i][1] = to[i][0]->clone();
    }
    views.causal = copies.causal = true;
    CHECK(same_bits(run(views, true), run(copies, true)));
    const AttentionResult result = attention(views.q, views.k, views.v);
    CHECK(permute(result.out, {0, 2, 1, 3}).is_contiguous());  // merging the heads moves nothing
    const AttentionGradients g = attention_backward(result.out, views.q, views.k, views.v, {}, result);
    for (const Tensor* t : {&g.dq, &g.dk, &g.dv}) CHECK(permute(*t, {0, 2, 1, 3}).is_contiguous());

    const auto gapped = [](const Tensor& x) { return transpose(transpose(x).clone()); };
    CHECK(same_bits(run({gapped(views.q), gapped(views.k), gapped(views.v), {}, true}, true), run(views, true)));
  }
}

TEST_CASE("only the gradients that are needed are computed, with the same bits") {
  const Inputs in = random_inputs({2}, 70, 90, 4, 6);
  const AttentionResult result = attention(in.q, in.k, in.v);
  const AttentionGradients all = attention_backward(result.out, in.q, in.k, in.v, {}, result);
  for (int bits = 0; bits < 8; ++bits) {
    const AttentionNeeds needs{(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0};
    const AttentionGradients some = attention_backward(result.out, in.q, in.k, in.v, {}, result, needs);
    CHECK(some.dq.defined() == needs.dq);
    CHECK(some.dk.defined() == needs.dk);
    CHECK(some.dv.defined() == needs.dv);
    if (needs.dq) CHECK(identical(some.dq, all.dq));
    if (needs.dk) CHECK(identical(some.dk, all.dk));
    if (needs.dv) CHECK(identical(some.dv, all.dv));
  }
}

TEST_CASE("any number of threads gives the same bits, over several squares of scores") {
  const int before = threads();
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const bool causal : {false, true}) {
      Inputs in = random_inputs({1}, 900, 700, 8, 8).to(dtype);
      in.causal = causal;
      set_threads(1);
      const std::vector<Tensor> alone = run(in, true);
      for (const int count : {2, 3, 5, 8}) {
        set_threads(count);
        CHECK(same_bits(run(in, true), alone));
      }
    }
  }
  set_threads(before);
}

TEST_CASE("a query's result depends neither on its batch nor on the other queries") {
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Inputs in = random_inputs({3}, 150, 300, 16, 8).to(dtype);
    const Tensor y = run(in, true)[0];
    const auto one = [](const Tensor& x, int64_t i) { return narrow(x, 0, i, 1).clone(); };
    const Inputs alone{one(in.q, 1), one(in.k, 1), one(in.v, 1)};
    CHECK(identical(run(alone, true)[0], one(y, 1)));
    for (const int64_t query : {0, 63, 64, 149}) {
      const Inputs single{narrow(alone.q, 1, query, 1).clone(), alone.k, alone.v};
      CHECK(identical(run(single, true)[0], narrow(one(y, 1), 1, query, 1).clone()));
    }
    // With causality: the last queries by themselves see the same keys.
    Inputs causal{alone.q, narrow(alone.k, 1, 0, 150).clone(), narrow(alone.v, 1, 0, 150).clone(), {}, true};
    const Tensor all = run(causal, true)[0];
    causal.q = narrow(causal.q, 1, 140, 10).clone();
    CHECK(identical(run(causal, true)[0], narrow(all, 1, 140, 10).clone()));
  }
}

TEST_CASE("the memory that attention takes grows with the length, not with its square") {
  const auto peak = [](int64_t length) {
    Inputs in = random_inputs({2}, length, length, 8, 8).to(DType::f32);
    in.causal = true;
    const int64_t before = memory_stats().live_bytes;
    reset_peak_memory();
    run(in, true);
    return memory_stats().peak_bytes - before;
  };
  const int64_t kMiB = 1 << 20;
  CHECK(peak(2048) < 4 * kMiB);  // the scores alone would be 32 MiB
  CHECK(double(peak(4096)) < 2.2 * double(peak(2048)));
}

TEST_CASE("attention says what does not fit") {
  const Tensor q = zeros({2, 4, 3}), k = zeros({2, 5, 3}), v = zeros({2, 5, 6});
  CHECK_THROWS_WITH_AS(attention(q, zeros({2, 5, 2}), v),
                       "attention: q and k differ in their channels: q [2, 4, 3] f32, k [2, 5, 2] f32, v [2, 5, 6] f32",
                       ShapeError);
  CHECK_THROWS_WITH_AS(attention(q, k, zeros({2, 4, 6})), doctest::Contains("k and v differ in their positions"),
                       ShapeError);
  CHECK_THROWS_WITH_AS(attention(zeros({3}), k, v), doctest::Contains("each needs the axes [..., positions, channels]"),
                       ShapeError);
  CHECK_THROWS_WITH_AS(attention(q, k, v.to(DType::f64)), doctest::Contains("the dtypes differ"), DTypeError);
  CHECK_THROWS_AS(attention(zeros({3, 4, 3}), k, v), ShapeError);
  CHECK_THROWS_WITH_AS(attention(q.to(DType::i64), k.to(DType::i64), v.to(DType::i64)),
                       doctest::Contains("takes f32 or f64"), DTypeError);
  CHECK_THROWS_WITH_AS(attention(q, k, v, {.keep = ones({4, 5})}), "attention: the mask must be bool, got f32",
                       DTypeError);
  CHECK_THROWS_AS(attention(q, k, v, {.keep = ones({4, 4}, DType::boolean)}), ShapeError);
  CHECK_THROWS_WITH_AS(attention(q, k, v, {.scale = 0, .keep = {}}), "attention: the scale must be positive, got 0",
                       ValueError);
  const AttentionResult result = attention(q, k, v);
  CHECK_THROWS_WITH_AS(attention_backward(q, q, k, v, {}, result),
                       "attention: dout [2, 4, 3] f32 does not fit the result [2, 4, 6] f32", ShapeError);
}
