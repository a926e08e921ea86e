// Matrix products against three nested loops, for every way that operands can lie in memory.
#include <doctest/doctest.h>

#include <cmath>

#include "tensor/elementwise.h"
#include "tensor/matmul.h"
#include "tensor/parallel.h"
#include "tensor/random.h"
#include "tensor/views.h"

using namespace fovea;

namespace {

// Σ_k a[..., i, k] b[..., k, j], element by element; operands of two axes or more.
Tensor naive(const Tensor& a, const Tensor& b) {
  const int64_t m = a.size(-2), k = a.size(-1), n = b.size(-1);
  const auto front = [](const Tensor& x) { return Shape(std::span(x.shape().begin(), size_t(x.rank() - 2))); };
  const Shape batch = broadcast_shapes("naive", front(a), front(b));
  const auto stretched = [&](const Tensor& x) {
    Shape full = batch;
    full.push_back(x.size(-2));
    full.push_back(x.size(-1));
    return reshape(expand(x, full), {element_count("naive", batch), x.size(-2), x.size(-1)});
  };
  const Tensor left = stretched(a), right = stretched(b);
  Tensor out = zeros({element_count("naive", batch), m, n}, DType::f64);
  for (int64_t s = 0; s < out.shape()[0]; ++s) {
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        double sum = 0;
        for (int64_t p = 0; p < k; ++p) sum += left.at({s, i, p}) * right.at({s, p, j});
        out.set({s, i, j}, sum);
      }
    }
  }
  Shape full = batch;
  full.push_back(m);
  full.push_back(n);
  return reshape(out, full);
}

void check_product(const Tensor& a, const Tensor& b) {
  CAPTURE(a.shape());
  CAPTURE(b.shape());
  const Tensor c = matmul(a, b), expected = naive(a, b);
  CHECK(c.dtype() == a.dtype());
  REQUIRE(c.shape() == expected.shape());
  CHECK(max_abs_difference(c.to(DType::f64), expected) <= (a.dtype() == DType::f64 ? 1e-13 : 2e-5));
}

}  // namespace

TEST_CASE("matmul equals nested loops over sizes, batches and broadcasting") {
  Rng rng(1);
  for (DType dtype : {DType::f32, DType::f64}) {
    const auto x = [&](const Shape& shape) { return randn(shape, rng, dtype); };
    check_product(x({1, 1}), x({1, 1}));
    check_product(x({3, 5}), x({5, 2}));
    check_product(x({33, 17}), x({17, 65}));
    check_product(x({1, 40}), x({40, 9}));
    check_product(x({9, 40}), x({40, 1}));
    check_product(x({2, 3, 7}), x({7, 5}));
    check_product(x({3, 7}), x({4, 7, 5}));
    check_product(x({2, 1, 3, 7}), x({4, 7, 5}));
    check_product(x({2, 3, 4, 6}), x({2, 3, 6, 5}));
    check_product(x({1, 4, 6}), x({3, 6, 5}));
    check_product(x({3, 0}), x({0, 2}));
    check_product(x({2, 3, 0}), x({0, 2}));
    check_product(x({0, 3}), x({3, 2}));
    check_product(x({0, 3, 4}), x({4, 2}));
    check_product(x({2, 3}), x({3, 0}));
  }
}

TEST_CASE("matmul reads transposed, sliced, expanded and reversed-order operands") {
  Rng rng(2);
  for (DType dtype : {DType::f32, DType::f64}) {
    const auto x = [&](const Shape& shape) { return randn(shape, rng, dtype); };
    const Tensor heads = x({2, 5, 3, 4});                                                       // [B, T, H, d]
    const Tensor q = permute(heads, {0, 2, 1, 3}), k = permute(x({2, 5, 3, 4}), {0, 2, 1, 3});  // [B, H, T, d]
    check_product(q, transpose(k));
    check_product(transpose(q), k);
    check_product(transpose(x({7, 3})), x({7, 5}));
    check_product(x({3, 7}), transpose(x({5, 7})));
    check_product(transpose(x({7, 3})), transpose(x({5, 7})));
    check_product(slice(x({9, 14}), 1, 0, 14, 2), x({7, 5}));                  // no axis has adjacent elements
    check_product(narrow(x({9, 14}), 1, 3, 7), narrow(x({7, 20}), 1, 11, 5));  // leading dimension > columns
    check_product(narrow(x({4, 9, 7}), 1, 2, 3), x({7, 5}));                   // batch whose rows are not evenly spaced
    check_product(slice(x({4, 3, 7}), 0, 0, 4, 2), x({7, 5}));
    check_product(expand(x({1, 7}), {6, 7}), x({7, 5}));
    check_product(expand(x({3, 1, 7}), {3, 6, 7}), expand(x({7, 1}), {7, 5}));
    check_product(expand(x({1, 3, 7}), {4, 3, 7}), x({7, 5}));
    check_product(x({2, 3, 7}), transpose(x({5, 7})));
    check_product(transpose(x({2, 7, 3})), x({7, 5}));
    check_product(permute(x({7, 3, 4}), {1, 2, 0}), x({7, 5}));
    check_product(narrow(x({3, 9}), 1, 4, 1), x({1, 5}));  // k = 1 inside a wider row
  }
}

TEST_CASE("vectors count as a row on the left and a column on the right") {
  Rng rng(3);
  const Tensor a = randn({4, 3, 7}, rng, DType::f64), v = randn({7}, rng, DType::f64), w = randn({3}, rng, DType::f64);
  CHECK(matmul(a, v).shape() == Shape{4, 3});
  CHECK(identical(unsqueeze(matmul(a, v), 2), matmul(a, unsqueeze(v, 1))));
  CHECK(matmul(w, a).shape() == Shape{4, 7});
  CHECK(identical(unsqueeze(matmul(w, a), 1), matmul(unsqueeze(w, 0), a)));
  CHECK(matmul(v, v).shape() == Shape{});
  CHECK(identical(dot(v, v), matmul(v, v)));
  double sum = 0;
  for (double x : v.to_vector<double>()) sum = std::fma(x, x, sum);
  CHECK(dot(v, v).item() == doctest::Approx(sum).epsilon(1e-15));
  const Tensor every_other = slice(randn({14}, rng, DType::f64), 0, 0, 14, 2);
  CHECK(dot(every_other, v).item() == doctest::Approx(dot(every_other.clone(), v).item()));
  CHECK(identical(outer(w, v), unsqueeze(w, 1) * unsqueeze(v, 0)));
  CHECK(dot(zeros({0}), zeros({0})).item() == 0);
}

TEST_CASE("matmul_into overwrites or adds, whatever the strides of its target") {
  Rng rng(4);
  for (DType dtype : {DType::f32, DType::f64}) {
    const double tolerance = dtype == DType::f64 ? 1e-13 : 1e-5;
    const Tensor a = randn({2, 3, 7}, rng, dtype), b = randn({7, 5}, rng, dtype), product = matmul(a, b);
    const Tensor start = randn({2, 3, 5}, rng, dtype);
    std::vector<Tensor> targets = {empty({2, 3, 5}, dtype),
                                   transpose(empty({2, 5, 3}, dtype)),
                                   narrow(empty({2, 3, 9}, dtype), 2, 2, 5),
                                   slice(empty({2, 6, 5}, dtype), 1, 0, 6, 2),
                                   slice(empty({2, 3, 10}, dtype), 2, 0, 10, 2),
                                   narrow(empty({2, 5, 5}, dtype), 1, 1, 3),
                                   permute(empty({3, 2, 5}, dtype), {1, 0, 2})};
    for (Tensor& out : targets) {
      CAPTURE(out.strides());
      out.fill_(std::nan(""));
      matmul_into(a, b, out);
      CHECK(identical(out.clone(), product));
      out.copy_(start);
      matmul_into(a, b, out, true);
      CHECK(max_abs_difference(out, start + product) < tolerance);
    }
    Tensor row = ones({2, 3}, dtype);
    matmul_into(a, select(b, 1, 0), row, true);
    CHECK(max_abs_difference(row, select(product, 2, 0) + 1.0) < tolerance);
    Tensor kept = ones({3, 2}, dtype);
    matmul_into(zeros({3, 0}, dtype), zeros({0, 2}, dtype), kept, true);
    CHECK(identical(kept, ones({3, 2}, dtype)));
  }
}

TEST_CASE("a row of a product has the same bits alone, in a batch and for any number of threads") {
  Rng rng(5);
  const Tensor a = randn({6, 70, 64}, rng), b = randn({64, 96}, rng);
  const Tensor q = permute(randn({6, 40, 4, 32}, rng), {0, 2, 1, 3}),
               k = permute(randn({6, 40, 4, 32}, rng), {0, 2, 3, 1});
  const int before = threads();
  set_threads(1);
  const Tensor one = matmul(a, b), heads = matmul(q, k);
  for (int n : {2, 5}) {
    set_threads(n);
    CHECK(identical(matmul(a, b), one));
    CHECK(identical(matmul(q, k), heads));
  }
  set_threads(before);
  CHECK(identical(matmul(select(a, 0, 3), b), select(one, 0, 3)));
  CHECK(identical(matmul(narrow(select(a, 0, 3), 0, 11, 1), b), narrow(select(one, 0, 3), 0, 11, 1)));
  CHECK(identical(matmul(select(select(q, 0, 2), 0, 1), select(select(k, 0, 2), 0, 1)),
                  select(select(heads, 0, 2), 0, 1)));
}

TEST_CASE("matmul says what does not fit") {
  const auto f = [](const Shape& shape) { return zeros(shape); };
  CHECK_THROWS_WITH_AS(matmul(f({32, 128}), f({64, 256})),
                       "matmul: inner sizes differ: a [32, 128] has 128, b [64, 256] has 64", ShapeError);
  CHECK_THROWS_WITH_AS(matmul(f({3}), f({4})), "matmul: inner sizes differ: a [3] has 3, b [4] has 4", ShapeError);
  CHECK_THROWS_WITH_AS(matmul(f({2, 3}), f({2})), "matmul: inner sizes differ: a [2, 3] has 3, b [2] has 2",
                       ShapeError);
  CHECK_THROWS_WITH_AS(matmul(f({}), f({2})), "matmul: a [] and b [2] need an axis each; use * for scalars",
                       ShapeError);
  CHECK_THROWS_WITH_AS(matmul(f({2, 4, 3}), f({5, 3, 2})),
                       "matmul (batch axes): shapes do not broadcast: a [2] and b [5] differ at axis -1 (2 and 5), and "
                       "neither is 1",
                       ShapeError);
  CHECK_THROWS_WITH_AS(matmul(f({2, 3}), zeros({3, 2}, DType::f64)),
                       "matmul: a [2, 3] is f32, b [3, 2] is f64; convert one with .to()", DTypeError);
  CHECK_THROWS_WITH_AS(matmul(arange(2), arange(2)), "matmul: takes f32 or f64, got i64", DTypeError);
  Tensor out = ones({2, 3});
  CHECK_THROWS_WITH_AS(matmul_into(f({2, 4}), f({4, 2}), out),
                       "matmul: out [2, 3] of f32 does not fit the product of a [2, 4] and b [4, 2], [2, 2] of f32",
                       ShapeError);
  CHECK(identical(out, ones({2, 3})));
}
