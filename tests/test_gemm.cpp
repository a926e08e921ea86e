// gemm against two naive twins: the same chain of fma, bit for bit, and a sum in long double, within rounding. For all
// transpositions, sizes around every border, leading dimensions, instruction sets and numbers of threads.
#include "tensor/gemm.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "tensor/dispatch.h"
#include "tensor/error.h"
#include "tensor/parallel.h"
#include "tests/restored.h"

using namespace fovea;

namespace {

struct Shape3 {
  int64_t m, n, k;
};

// What one product is called with. `gap` is added to each leading dimension.
template <class T> struct Case {
  Shape3 s;
  Trans ta = Trans::no, tb = Trans::no;
  T alpha = 1, beta = 0;
  int64_t gap = 0;

  int64_t lda() const { return (ta == Trans::no ? s.k : s.m) + gap; }
  int64_t ldb() const { return (tb == Trans::no ? s.n : s.k) + gap; }
  int64_t ldc() const { return s.n + gap; }
  int64_t size_a() const { return (ta == Trans::no ? s.m : s.k) * lda(); }
  int64_t size_b() const { return (tb == Trans::no ? s.k : s.n) * ldb(); }
  int64_t size_c() const { return s.m * ldc(); }
  std::string text() const {
    return std::to_string(s.m) + "x" + std::to_string(s.n) + "x" + std::to_string(s.k) +
           (ta == Trans::no ? " N" : " T") + (tb == Trans::no ? "N" : "T") + " alpha " + std::to_string(alpha) +
           " beta " + std::to_string(beta) + " gap " + std::to_string(gap) + " " + isa_name(active_isa()) +
           " threads " + std::to_string(threads());
  }
};

template <class T> std::vector<T> random_values(int64_t count, uint32_t seed) {
  std::mt19937 generator(seed);
  std::vector<T> values(size_t(count) + 1);  // never empty, so that data() points somewhere
  for (T& value : values) value = T(double(generator()) / 2147483648.0 - 1.0) * T(1.3);
  return values;
}

// The naive twin: three loops, the chains of a row of C side by side. `Sum` is T for the chain of fma, long double for
// the exact reference.
template <class Sum, class T>
void naive(const Case<T>& x, const T* a, const T* b, const std::vector<T>& c, std::vector<Sum>& result, bool fused) {
  const int64_t a_row = x.ta == Trans::no ? x.lda() : 1, a_col = x.ta == Trans::no ? 1 : x.lda();
  const int64_t b_row = x.tb == Trans::no ? x.ldb() : 1, b_col = x.tb == Trans::no ? 1 : x.ldb();
  result.assign(c.begin(), c.end());
  for (int64_t i = 0; i < x.s.m; ++i) {
    Sum* const sums = result.data() + i * x.ldc();
    for (int64_t j = 0; j < x.s.n; ++j) sums[j] = x.beta == T(0) ? Sum(0) : Sum(x.beta) * sums[j];
    for (int64_t p = 0; p < (x.alpha == T(0) ? 0 : x.s.k); ++p) {
      const Sum left = Sum(x.alpha) * Sum(a[i * a_row + p * a_col]);
      const T* const right = b + p * b_row;
      for (int64_t j = 0; j < x.s.n; ++j)
        sums[j] = fused ? std::fma(left, Sum(right[j * b_col]), sums[j]) : sums[j] + left * Sum(right[j * b_col]);
    }
  }
}

template <class T> bool same_bits(const std::vector<T>& x, const std::vector<T>& y) {
  return x.size() == y.size() && std::memcmp(x.data(), y.data(), x.size() * sizeof(T)) == 0;
}

template <class T> void run(const Case<T>& x, const T* a, const T* b, T* c) {
  gemm<T>(x.ta, x.tb, x.s.m, x.s.n, x.s.k, x.alpha, a, x.lda(), b, x.ldb(), x.beta, c, x.ldc());
}

// Runs the case under every level and 1, 2, 3 and 5 threads, each against the twin, gaps between rows included.
template <class T> void check_case(const Case<T>& x) {
  const auto a = random_values<T>(x.size_a(), 1), b = random_values<T>(x.size_b(), 2),
             c = random_values<T>(x.size_c(), 3);
  std::vector<T> chain;
  int chain_fused = -1;
  for (const Isa isa : available_isas()) {
    set_isa(isa);
    if (int(kernels().fused) != chain_fused) {
      chain_fused = kernels().fused;
      naive<T>(x, a.data(), b.data(), c, chain, chain_fused);
    }
    for (const int count : {1, 2, 3, 5}) {
      if (count > 1 && x.s.m * x.s.n * x.s.k < 20000) continue;  // too small to be shared by threads
      set_threads(count);
      std::vector<T> result = c;
      run(x, a.data(), b.data(), result.data());
      if (!same_bits(result, chain)) FAIL_CHECK(x.text());
    }
  }
}

constexpr Trans kBoth[] = {Trans::no, Trans::yes};

template <class T> void check_shape(Shape3 s) {
  for (const Trans ta : kBoth) {
    for (const Trans tb : kBoth) {
      check_case<T>({s, ta, tb, T(1), T(0), 0});
      check_case<T>({s, ta, tb, T(1), T(1), 3});
      check_case<T>({s, ta, tb, T(-0.7), T(0.3), 1});
    }
  }
}

}  // namespace

TEST_CASE_TEMPLATE("gemm equals the naive chain of fma bit for bit: every small size", T, float, double) {
  const tests::Restored restored;
  for (const int64_t m : {0, 1, 2, 3, 5, 7, 12, 13})
    for (const int64_t n : {0, 1, 3, 8, 17})
      for (const int64_t k : {0, 1, 2, 3, 5, 8, 11}) check_shape<T>({m, n, k});
}

TEST_CASE_TEMPLATE("gemm equals the naive chain of fma bit for bit: around the borders of tiles and blocks", T, float,
                   double) {
  const tests::Restored restored;
  for (const Shape3 s : {Shape3{6, 16, 16},
                         {12, 32, 4},
                         {13, 33, 9},
                         {11, 31, 193},
                         {24, 64, 257},
                         {4, 100, 13},
                         {64, 64, 32},
                         {67, 71, 73},
                         {128, 48, 20},
                         {193, 65, 129},
                         {1, 300, 50},
                         {1, 129, 259},
                         {200, 1, 31},
                         {7, 600, 40},
                         {100, 2, 300},
                         {385, 40, 7}}) {
    check_shape<T>(s);
  }
}

TEST_CASE("gemm equals the naive chain of fma bit for bit: several blocks along every axis") {
  const tests::Restored restored;
  check_case<float>({{401, 330, 600}, Trans::no, Trans::no, 1, 1, 5});
  check_case<float>({{401, 330, 600}, Trans::yes, Trans::yes, 0.5f, 0, 0});
  check_case<float>({{30, 4200, 300}, Trans::no, Trans::yes, 1, 0, 0});
  check_case<float>({{31, 530, 1024}, Trans::no, Trans::no, 1, 1, 0});  // rows of A 4 KiB apart
  check_case<float>({{1, 45, 1024}, Trans::no, Trans::yes, 1, 0, 0});   // rows of B too
  check_case<float>({{70, 1024, 19}, Trans::no, Trans::no, 1, 1, 0});   // and copied on the way
  check_case<float>({{261, 70, 37}, Trans::yes, Trans::no, 1, 0, 3});   // copied, and a part of a panel left over
  check_case<double>({{250, 50, 3}, Trans::no, Trans::no, 1, 1, 1});
  for (const int64_t n : {8, 16, 32})
    check_case<float>({{70, n, 33}, Trans::no, Trans::no, 1, 0, 0});  // as a copy lies
  check_case<double>({{1, 23, 512}, Trans::no, Trans::yes, 1, 1, 0});
  check_case<float>({{58, 2500, 700}, Trans::yes, Trans::no, 1, 2, 0});
  check_case<double>({{211, 303, 601}, Trans::yes, Trans::no, 1, 1, 2});
}

TEST_CASE_TEMPLATE("gemm against a sum in long double", T, float, double) {
  const tests::Restored restored;
  for (const Isa isa : available_isas()) {
    set_isa(isa);
    for (const Shape3 s : {Shape3{67, 71, 73}, {1, 90, 400}, {40, 40, 1000}}) {
      const Case<T> x{s, Trans::no, Trans::yes, T(0.9), T(-1.1), 0};
      const auto a = random_values<T>(x.size_a(), 1), b = random_values<T>(x.size_b(), 2),
                 c = random_values<T>(x.size_c(), 3);
      std::vector<T> result = c;
      std::vector<long double> exact;
      naive<long double>(x, a.data(), b.data(), c, exact, false);
      run(x, a.data(), b.data(), result.data());
      long double worst = 0;
      for (size_t i = 0; i < result.size(); ++i) worst = std::max(worst, std::fabs(result[i] - exact[i]));
      CHECK(worst < 2.0L * s.k * std::numeric_limits<T>::epsilon());  // |a b| < 1.7, the errors half an ulp each
      CHECK(worst > 0);
    }
  }
}

// Every level and number of threads for one batch.
template <class T> void check_batch(int64_t batch, const Case<T>& x) {
  const int64_t stride_a = x.size_a() + 2, stride_b = batch == 7 ? 0 : x.size_b(), stride_c = x.size_c() + 5;
  const auto a = random_values<T>(batch * stride_a, 1), b = random_values<T>(batch * stride_b + x.size_b(), 2),
             c = random_values<T>(batch * stride_c, 3);
  for (const Isa isa : available_isas()) {
    set_isa(isa);
    set_threads(1);
    std::vector<T> expected = c;
    for (int64_t i = 0; i < batch; ++i)
      run(x, a.data() + i * stride_a, b.data() + i * stride_b, expected.data() + i * stride_c);
    for (const int count : {1, 2, 3, 5}) {
      set_threads(count);
      std::vector<T> result = c;
      gemm_batched<T>(batch, x.ta, x.tb, x.s.m, x.s.n, x.s.k, x.alpha, a.data(), x.lda(), stride_a, b.data(), x.ldb(),
                      stride_b, x.beta, result.data(), x.ldc(), stride_c);
      if (!same_bits(result, expected)) FAIL_CHECK(x.text() << " batch " << batch);
    }
  }
}

TEST_CASE_TEMPLATE("gemm_batched is gemm for each matrix, with strides that skip and repeat", T, float, double) {
  const tests::Restored restored;
  for (const Shape3 s : {Shape3{64, 64, 32}, {64, 32, 64}, {5, 7, 3}, {1, 40, 24}, {130, 70, 300}, {3, 3, 0}}) {
    for (const int64_t batch : {0, 1, 2, 3, 7, 48}) {
      if (batch > 3 && s.m > 64) continue;
      for (const Trans ta : kBoth) {
        for (const Trans tb : kBoth) check_batch<T>(batch, {s, ta, tb, T(0.5), T(1), 1});
      }
    }
  }
}

TEST_CASE("gemm with beta 0 does not read C, and with alpha 0 neither A nor B") {
  const tests::Restored restored;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const Isa isa : available_isas()) {
    set_isa(isa);
    for (const Shape3 s : {Shape3{1, 40, 10}, {9, 37, 300}, {70, 70, 70}, {5, 5, 0}}) {
      const std::vector<float> ones(size_t(s.m * s.k + s.k * s.n + 1), 1.0f);
      std::vector<float> c(size_t(s.m * s.n), nan);
      gemm<float>(Trans::no, Trans::no, s.m, s.n, s.k, 1, ones.data(), s.k, ones.data(), s.n, 0, c.data(), s.n);
      for (const float value : c) CHECK(value == float(s.k));
      gemm<float>(Trans::no, Trans::no, s.m, s.n, s.k, 0, nullptr, s.k, nullptr, s.n, 2, c.data(), s.n);
      for (const float value : c) CHECK(value == 2 * float(s.k));
    }
  }
}

TEST_CASE("gemm carries NaN and infinity to where they belong and no further") {
  const tests::Restored restored;
  for (const Isa isa : available_isas()) {
    set_isa(isa);
    const int64_t m = 37, n = 45, k = 50;
    for (const Trans tb : kBoth) {
      std::vector<float> a(size_t(m * k), 1.0f), b(size_t(k * n), 1.0f), c(size_t(m * n));
      a[size_t(36 * k + 49)] = std::numeric_limits<float>::infinity();
      b[size_t(tb == Trans::no ? 3 * n + 44 : 44 * k + 3)] = std::numeric_limits<float>::quiet_NaN();
      gemm<float>(Trans::no, tb, m, n, k, 1, a.data(), k, b.data(), tb == Trans::no ? n : k, 0, c.data(), n);
      for (int64_t i = 0; i < m; ++i) {
        for (int64_t j = 0; j < n; ++j) {
          const float value = c[size_t(i * n + j)];
          CHECK((j == 44 ? std::isnan(value) : i == 36 ? std::isinf(value) : value == float(k)));
        }
      }
    }
  }
}

TEST_CASE("gemm says which argument is wrong") {
  float x = 0;
  CHECK_THROWS_WITH_AS(gemm<float>(Trans::no, Trans::no, -1, 2, 3, 1, &x, 3, &x, 2, 0, &x, 2),
                       "gemm: negative size in m -1, n 2, k 3", ShapeError);
  CHECK_THROWS_WITH_AS(gemm<float>(Trans::yes, Trans::no, 4, 2, 3, 1, &x, 3, &x, 2, 0, &x, 2),
                       "gemm: lda is 3, but a row in memory has 4 elements", ShapeError);
  CHECK_THROWS_WITH_AS(gemm<float>(Trans::no, Trans::yes, 4, 2, 3, 1, &x, 3, &x, 2, 0, &x, 2),
                       "gemm: ldb is 2, but a row in memory has 3 elements", ShapeError);
  CHECK_THROWS_WITH_AS(gemm<float>(Trans::no, Trans::no, 4, 2, 3, 1, &x, 3, &x, 2, 0, &x, 1),
                       "gemm: ldc is 1, but a row in memory has 2 elements", ShapeError);
}
