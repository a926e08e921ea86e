// Reductions against sums, products and extremes taken one element after another in f64 (or long double), under
// every instruction set, for layouts of every kind; accuracy over long axes; threads; errors.
#include "tensor/reduce.h"

#include <algorithm>
#include <numeric>

#include "tensor/parallel.h"
#include "tensor/views.h"
#include "tests/naive.h"

using namespace fovea;
using namespace fovea::tests;

namespace {

// The elements that become each element of the result: groups in row-major order of the kept axes.
std::vector<std::vector<double>> groups_of(const Tensor& x, const Axes& some_axes) {
  const Axes axes = normalize_axes("groups", some_axes, x.rank());
  const Shape kept = reduced_shape(x.shape(), axes, true);
  std::vector<std::vector<double>> groups(size_t(element_count("groups", kept)));
  const Strides places = row_major(kept);
  Dims index(x.rank(), 0);
  for (int64_t i = 0; i < x.count(); ++i) {
    int64_t group = 0;
    for (int axis = 0; axis < x.rank(); ++axis) {
      if (!axes.contains(axis)) group += index[axis] * places[axis];
    }
    groups[size_t(group)].push_back(x.at(index));
    for (int axis = x.rank() - 1; axis >= 0 && ++index[axis] == x.shape()[axis]; --axis) index[axis] = 0;
  }
  return groups;
}

double total(const std::vector<double>& v) { return double(std::accumulate(v.begin(), v.end(), 0.0L)); }
double square_deviation(const std::vector<double>& v) {
  const long double centre = std::accumulate(v.begin(), v.end(), 0.0L) / (long double)v.size();
  long double sum = 0;
  for (double x : v) sum += (x - centre) * (x - centre);
  return double(sum);
}
double log_sum_exp(const std::vector<double>& v) {
  long double sum = 0;
  for (double x : v) sum += std::exp((long double)x);
  return double(std::log(sum));
}
double product(const std::vector<double>& v) {
  return double(std::accumulate(v.begin(), v.end(), 1.0L, std::multiplies<>()));
}
double power_norm(const std::vector<double>& v, double p) {
  long double sum = 0;
  for (double x : v) sum += std::pow(std::abs((long double)x), (long double)p);
  return double(std::pow(sum, 1 / (long double)p));
}

void check_against(const Tensor& result, const std::vector<std::vector<double>>& groups, double tolerance,
                   const std::function<double(const std::vector<double>&)>& naive) {
  const std::vector<double> values = result.to(DType::f64).to_vector<double>();
  REQUIRE(values.size() == groups.size());
  for (size_t i = 0; i < values.size(); ++i) {
    const double wanted = naive(groups[i]);
    const double error = std::abs(values[i] - wanted) / std::max(1.0, std::abs(wanted));
    CHECK_MESSAGE(error <= tolerance, "element ", i, ": ", values[i], " instead of ", wanted);
  }
}

// Every floating reduction of x over these axes.
void check_all(const Tensor& x, const Axes& axes) {
  CAPTURE(x.shape());
  CAPTURE(x.strides());
  CAPTURE(axes);
  const double tolerance = x.dtype() == DType::f32 ? 1.5e-7 : 2e-15;
  const auto groups = groups_of(x, axes);
  const double n = groups.empty() ? 0 : double(groups[0].size());
  // A sum of terms of both signs is only as exact as the terms: measured against the sum of their sizes.
  check_against(sum(x, axes), groups, tolerance * 4, total);
  check_against(mean(x, axes), groups, tolerance, [&](const auto& v) { return total(v) / n; });
  check_against(prod(x, axes), groups, tolerance * 4, product);
  check_against(min(x, axes), groups, 0, [](const auto& v) { return *std::min_element(v.begin(), v.end()); });
  check_against(max(x, axes), groups, 0, [](const auto& v) { return *std::max_element(v.begin(), v.end()); });
  check_against(logsumexp(x, axes), groups, tolerance, log_sum_exp);
  check_against(norm(x, 1, axes), groups, tolerance, [](const auto& v) { return power_norm(v, 1); });
  check_against(norm(x, 2, axes), groups, tolerance, [](const auto& v) { return power_norm(v, 2); });
  check_against(norm(x, 3, axes), groups, tolerance, [](const auto& v) { return power_norm(v, 3); });
  check_against(norm(x, kInf, axes), groups, 0, [](const auto& v) {
    return std::max(-*std::min_element(v.begin(), v.end()), *std::max_element(v.begin(), v.end()));
  });
  check_against(var(x, axes, false, 0), groups, tolerance, [&](const auto& v) { return square_deviation(v) / n; });
  if (n > 1) {
    check_against(var(x, axes), groups, tolerance, [&](const auto& v) { return square_deviation(v) / (n - 1); });
    check_against(stddev(x, axes), groups, tolerance,
                  [&](const auto& v) { return std::sqrt(square_deviation(v) / (n - 1)); });
  }
  const Axes normal = normalize_axes("test", axes, x.rank());
  CHECK(sum(x, axes).shape() == reduced_shape(x.shape(), normal, false));
  CHECK(sum(x, axes, true).shape() == reduced_shape(x.shape(), normal, true));
  CHECK(identical(reshape(max(x, axes, true), max(x, axes).shape()), max(x, axes)));
}

}  // namespace

TEST_CASE("reductions over every set of axes, for both dtypes and under every instruction set") {
  under_every_isa([] {
    for (const DType dtype : {DType::f32, DType::f64}) {
      const Tensor x = noise({3, 5, 19}, dtype);
      for (const Axes& axes : {Axes{}, Axes{0}, Axes{1}, Axes{2}, Axes{0, 1}, Axes{0, 2}, Axes{-1, 1}, Axes{2, 0, 1}})
        check_all(x, axes);
      for (int64_t n : {1, 2, 7, 15, 16, 17, 31, 33, 48, 65, 130}) {
        check_all(noise({2, n}, dtype, uint64_t(n)), {1});  // tails of rows
        check_all(noise({n, 2}, dtype, uint64_t(n)), {0});  // numbers of rows
        check_all(noise({9, n}, dtype, uint64_t(n)), {0});  // tails of columns
      }
    }
  });
}

TEST_CASE("reductions of views: transposed, sliced, stretched, windows, single elements") {
  under_every_isa([] {
    for (const DType dtype : {DType::f32, DType::f64}) {
      const Tensor x = noise({6, 4, 10}, dtype, 7);
      const Tensor views[] = {transpose(x, 0, 2),    permute(x, {1, 2, 0}),
                              slice(x, 2, 1, 10, 2), slice(x, 0, 1, 6, 2),
                              narrow(x, 1, 1, 2),    expand(narrow(x, 1, 2, 1), {6, 3, 10}),
                              unfold(x, 2, 4, 3),    unsqueeze(select(x, 1, 3), 0),
                              diagonal(x, 0, 0, 1)};
      for (const Tensor& view : views) {
        for (int axis = 0; axis < view.rank(); ++axis) check_all(view, {axis});
        check_all(view, {});
        check_all(view, {0, -1});
      }
      check_all(noise({}, dtype), {});
      check_all(noise({1, 1}, dtype), {0});
    }
  });
}

TEST_CASE("reductions whose pieces threads share: long rows, long columns, wide columns") {
  under_every_isa([] {
    check_all(noise({2, 40000}), {1});
    check_all(noise({1500, 3}), {0});
    check_all(noise({300, 1100}), {0});
    check_all(noise({3, 600, 20}), {1});
  });
}

TEST_CASE("sums over ten million f32 elements are as good as f32 holds") {
  under_every_isa([] {
    const int64_t n = 10000000;
    const Tensor tenth = full({n}, 0.1);
    const double wanted = double(0.1f) * double(n);
    CHECK(std::abs(sum(tenth).item() / wanted - 1) < 1e-7);
    CHECK(std::abs(sum(reshape(tenth, {n / 4, 4}), {0}).at({3}) / (wanted / 4) - 1) < 1e-7);
    CHECK(std::abs(mean(tenth).item() / double(0.1f) - 1) < 1e-7);
    CHECK(var(tenth).item() < 1e-30);

    Tensor alternating = empty({n});  // 1000.1, -1000, 1000.1, -1000, …
    for (int64_t i = 0; i < n; ++i) alternating.data<float>()[i] = i % 2 ? -1000.0f : 1000.1f;
    const double left = (double(1000.1f) - 1000.0) * double(n) / 2;
    CHECK(std::abs(sum(alternating).item() / left - 1) < 1e-6);
  });
}

TEST_CASE("the variance of numbers far from zero") {
  under_every_isa([] {
    for (int64_t n : {10, 1000, 100000}) {
      Tensor x = empty({n});
      for (int64_t i = 0; i < n; ++i) x.data<float>()[i] = 1e6f + (i % 2 ? 1.0f : -1.0f);
      CHECK(var(x, {}, false, 0).item() == doctest::Approx(1.0).epsilon(1e-7));
      CHECK(mean(x).item() == 1e6);
    }
  });
}

TEST_CASE("1, 2 and 5 threads give the same bits, and so does every instruction set with fused multiply-add") {
  const Isa before = active_isa();
  const int threads_before = threads();
  const Tensor x = noise({700, 333}), y = noise({3, 100001});
  const auto everything = [&] {
    std::vector<Tensor> results;
    for (const Tensor& t : {x, y}) {
      for (const Axes& axes : {Axes{}, Axes{0}, Axes{1}}) {
        for (const Tensor& r : {sum(t, axes), mean(t, axes), var(t, axes), logsumexp(t, axes), norm(t, 2, axes),
                                max(t, axes), prod(t, axes)})
          results.push_back(r);
      }
      results.push_back(argmax(t));
      results.push_back(cumsum(t, -1));
    }
    return results;
  };
  std::vector<Tensor> fused;
  for (const Isa isa : available_isas()) {
    set_isa(isa);
    CAPTURE(isa_name(isa));
    set_threads(1);
    const std::vector<Tensor> one = everything();
    for (const int count : {2, 5}) {
      set_threads(count);
      const std::vector<Tensor> several = everything();
      for (size_t i = 0; i < one.size(); ++i) CHECK(identical(one[i], several[i]));
    }
    if (!kernels().fused) continue;
    if (fused.empty()) fused = one;
    for (size_t i = 0; i < one.size(); ++i) CHECK(identical(one[i], fused[i]));
  }
  set_isa(before);
  set_threads(threads_before);
}

TEST_CASE("NaN and infinities") {
  under_every_isa([] {
    for (const DType dtype : {DType::f32, DType::f64}) {
      for (int64_t n : {3, 16, 50}) {
        for (int64_t at : {int64_t(0), n / 2, n - 1}) {
          Tensor x = noise({n}, dtype);
          x.set({at}, kNaN);
          for (const Tensor& t : {x, reshape(x, {n, 1})}) {
            CHECK(std::isnan(max(t, {0}).to(DType::f64).to_vector<double>()[0]));
            CHECK(std::isnan(min(t, {0}).to(DType::f64).to_vector<double>()[0]));
            CHECK(std::isnan(logsumexp(t, {0}).to(DType::f64).to_vector<double>()[0]));
          }
          CHECK(argmax(x).item() == at);
          CHECK(argmin(x).item() == at);
          x.set({at}, -kInf);
          CHECK(min(x).item() == -kInf);
          CHECK(argmin(x).item() == at);
          CHECK(std::isfinite(logsumexp(x).item()));
          x.set({at}, kInf);
          CHECK(logsumexp(x).item() == kInf);
          CHECK(norm(x, kInf).item() == kInf);
        }
      }
      CHECK(logsumexp(full({20}, -kInf, dtype)).item() == -kInf);
      CHECK(logsumexp(full({20}, 1e4, dtype)).item() == doctest::Approx(1e4 + std::log(20.0)));
      CHECK(logsumexp(full({20}, -1e4, dtype)).item() == doctest::Approx(-1e4 + std::log(20.0)));
    }
  });
}

TEST_CASE("nothing to reduce") {
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Tensor x = empty({2, 0, 3}, dtype);
    CHECK(identical(sum(x, {1}), zeros({2, 3}, dtype)));
    CHECK(identical(prod(x, {1}), ones({2, 3}, dtype)));
    CHECK(sum(x, {0}).shape() == Shape{0, 3});
    CHECK(max(x, {0}).shape() == Shape{0, 3});
    CHECK(sum(x).item() == 0);
    CHECK(std::isnan(mean(x).item()));
    CHECK(std::isnan(var(x).item()));
    CHECK(logsumexp(x).item() == -kInf);
    CHECK(cumsum(x, 1).shape() == x.shape());
    CHECK(argmax(x, 0).shape() == Shape{0, 3});
  }
  CHECK(std::isnan(var(ones({1})).item()));
  CHECK(sum(empty({0}, DType::i64)).item() == 0);
  CHECK(any(empty({0}, DType::boolean)).item() == 0);
  CHECK(all(empty({0}, DType::boolean)).item() == 1);
}

TEST_CASE("integers and truth values") {
  const Tensor x = noise({4, 6, 9}, DType::i64, 3), flags = x > 20;
  for (const Axes& axes : {Axes{}, Axes{0}, Axes{1}, Axes{2}, Axes{0, 2}}) {
    for (const Tensor& t : {x, permute(x, {2, 0, 1}), expand(narrow(x, 1, 2, 1), {4, 5, 9})}) {
      const auto groups = groups_of(t, axes);
      CHECK(sum(t, axes).dtype() == DType::i64);
      check_against(sum(t, axes), groups, 0, total);
      check_against(min(t, axes), groups, 0, [](const auto& v) { return *std::min_element(v.begin(), v.end()); });
      check_against(max(t, axes), groups, 0, [](const auto& v) { return *std::max_element(v.begin(), v.end()); });
    }
    const auto groups = groups_of(flags, axes);
    CHECK(sum(flags, axes).dtype() == DType::i64);
    CHECK(any(flags, axes).dtype() == DType::boolean);
    check_against(sum(flags, axes), groups, 0, total);
    check_against(count_nonzero(flags, axes), groups, 0, total);
    check_against(any(flags, axes), groups, 0, [](const auto& v) { return total(v) > 0; });
    check_against(all(flags, axes), groups, 0, [](const auto& v) { return total(v) == double(v.size()); });
  }
  CHECK(max(tensor({-5, -7}, DType::i64)).item() == -5);
  CHECK(max(flags).dtype() == DType::boolean);
  CHECK(any(tensor({0, 0.5})).item() == 1);
  CHECK(all(tensor({0, 0.5})).item() == 0);
  CHECK(count_nonzero(tensor({0, 0.5, -0.0, kNaN})).item() == 2);
}

TEST_CASE("argmin and argmax find the first of equals, along any axis") {
  under_every_isa([] {
    for (const DType dtype : {DType::f32, DType::f64, DType::i64}) {
      const Tensor x = tensor({{3, 1, 3}, {1, 9, 9}}, dtype);
      CHECK(identical(argmax(x), tensor({0, 1}, DType::i64)));
      CHECK(identical(argmin(x), tensor({1, 0}, DType::i64)));
      CHECK(identical(argmax(x, 0), tensor({0, 1, 1}, DType::i64)));
      CHECK(identical(argmax(x, 0, true), tensor({{0, 1, 1}}, DType::i64)));
      const Tensor many = noise({5, 200, 3}, dtype, 11);
      for (int axis = 0; axis < 3; ++axis) {
        check_against(argmax(many, axis), groups_of(many, {axis}), 0,
                      [](const auto& v) { return double(std::max_element(v.begin(), v.end()) - v.begin()); });
        check_against(argmin(many, axis), groups_of(many, {axis}), 0,
                      [](const auto& v) { return double(std::min_element(v.begin(), v.end()) - v.begin()); });
      }
    }
  });
}

TEST_CASE("cumsum adds up along any axis") {
  for (const DType dtype : {DType::f32, DType::f64, DType::i64}) {
    const Tensor x = permute(noise({3, 4, 5}, dtype, 5), {2, 0, 1});
    for (int axis = 0; axis < 3; ++axis) {
      const Tensor y = cumsum(x, axis);
      CHECK(y.is_contiguous());
      CHECK(y.dtype() == dtype);
      for (int64_t i = 0; i < x.size(axis); ++i) {
        const Tensor wanted = sum(narrow(x, axis, 0, i + 1), {axis});
        CHECK(max_abs_difference(select(y, axis, i), wanted) <= 1e-6);
      }
    }
  }
  CHECK(identical(cumsum(tensor({1, 0, 1}, DType::boolean), 0), tensor({1, 1, 2}, DType::i64)));
  CHECK(cumsum(full({1000000}, 0.1), 0).at({-1}) == doctest::Approx(double(0.1f) * 1e6).epsilon(1e-7));
}

TEST_CASE("sum_to undoes broadcasting") {
  const Tensor x = noise({2, 3, 4}, DType::f64);
  CHECK(identical(sum_to(x, {2, 3, 4}), x));
  CHECK(identical(sum_to(x, {3, 4}), sum(x, {0})));
  CHECK(identical(sum_to(x, {4}), sum(x, {0, 1})));
  CHECK(identical(sum_to(x, {}), sum(x)));
  CHECK(identical(sum_to(x, {2, 1, 4}), sum(x, {1}, true)));
  CHECK(identical(sum_to(x, {1, 1, 1}), sum(x, {}, true)));
  CHECK(sum_to(empty({0, 4}), {4}).shape() == Shape{4});
  CHECK(identical(sum_to(ones({1, 1, 4}), {4}), ones({4})));
  CHECK(message_of<ShapeError>([&] {
          sum_to(x, {3, 5});
        }) == "sum_to: x [2, 3, 4] does not come from broadcasting [3, 5]");
  CHECK(message_of<ShapeError>([&] {
          sum_to(x, {1, 2, 3, 4});
        }) == "sum_to: x [2, 3, 4] does not come from broadcasting [1, 2, 3, 4]");
}

TEST_CASE("errors of reductions") {
  const Tensor x = zeros({0, 3});
  CHECK(message_of<ShapeError>([&] { max(x, {0}); }) ==
        "max: x [0, 3] has no elements along axis 0; of nothing there is no least or greatest");
  CHECK(message_of<ShapeError>([&] { argmin(x, 0); }) ==
        "argmin: x [0, 3] has no elements along axis 0; of nothing there is no least or greatest");
  CHECK(message_of<IndexError>([&] { sum(x, {2}); }) == "sum: axis 2 of a tensor with 2 axes; it must lie in [-2, 2)");
  CHECK(message_of<IndexError>([&] { sum(x, {1, -1}); }) == "sum: axis 1 named twice in [1, -1]");
  CHECK(message_of<DTypeError>([&] { mean(arange(3)); }) ==
        "mean: takes f32 or f64, got i64; convert with .to(DType::f32)");
  CHECK(message_of<ValueError>([&] { norm(x, 0); }) == "norm: p is 0; it must be positive, infinity included");
}
