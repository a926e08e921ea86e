// What the tests of rows and reductions share: numbers to work on, naive twins in f64, derivatives by differences.
#pragma once
#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "tensor/dispatch.h"
#include "tensor/elementwise.h"
#include "tests/restored.h"

namespace fovea::tests {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
using Row = std::vector<double>;

inline void under_every_isa(const std::function<void()>& check) {
  const Restored restored;
  for (const Isa isa : available_isas()) {
    set_isa(isa);
    CAPTURE(isa_name(isa));
    check();
  }
}

// Numbers without a pattern, in [-2, 2).
inline Tensor noise(const Shape& shape, DType dtype = DType::f32, uint64_t seed = 1) {
  Tensor x = empty(shape, DType::f64);
  uint64_t state = seed * 0x9E3779B97F4A7C15u;
  for (int64_t i = 0; i < x.count(); ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    x.data<double>()[i] = double(state >> 33) / double(1u << 29) - 2;
  }
  return dtype == DType::i64 ? [&] { Tensor y = x.clone(); y.mul_(50); return y.to(dtype); }() : x.to(dtype);
}

inline Row numbers(const Tensor& x) { return x.to(DType::f64).contiguous().to_vector<double>(); }

// x as rows along its last axis.
inline std::vector<Row> rows_of(const Tensor& x) {
  const Row all = numbers(x);
  const size_t n = size_t(x.shape().back());
  std::vector<Row> rows;
  for (size_t i = 0; i < all.size(); i += n) rows.emplace_back(all.begin() + int64_t(i), all.begin() + int64_t(i + n));
  return rows;
}

inline double tolerance_of(const Tensor& x) { return x.dtype() == DType::f32 ? 1e-6 : 1e-14; }

inline void check_rows(const Tensor& result, const std::vector<Row>& wanted, double tolerance) {
  const std::vector<Row> rows = rows_of(result);
  REQUIRE(rows.size() == wanted.size());
  for (size_t r = 0; r < rows.size(); ++r) {
    REQUIRE(rows[r].size() == wanted[r].size());
    for (size_t i = 0; i < rows[r].size(); ++i) {
      const double error = std::abs(rows[r][i] - wanted[r][i]) / std::max(1.0, std::abs(wanted[r][i]));
      if (!(error <= tolerance)) FAIL_CHECK("row ", r, " element ", i, ": ", rows[r][i], " instead of ", wanted[r][i]);
    }
  }
  CHECK(result.count() == int64_t(wanted.size()) * result.shape().back());
}

inline std::vector<Row> each_row(const Tensor& x, const std::function<Row(const Row&)>& naive) {
  std::vector<Row> results;
  for (const Row& row : rows_of(x)) results.push_back(naive(row));
  return results;
}

inline Row naive_softmax(const Row& x) {
  double most = -kInf, total = 0;
  for (double v : x) most = std::max(most, v);
  Row y;
  for (double v : x) total += std::exp(v - most);
  for (double v : x) y.push_back(std::exp(v - most) / total);
  return y;
}
inline Row naive_log_softmax(const Row& x) {
  double most = -kInf, total = 0;
  for (double v : x) most = std::max(most, v);
  for (double v : x) total += std::exp(v - most);
  Row y;
  for (double v : x) y.push_back(v - most - std::log(total));
  return y;
}
inline Row naive_norm(const Row& x, bool centred, const Row& weight, const Row& bias, double eps) {
  double mean = 0, square = 0;
  for (double v : x) mean += centred ? v / double(x.size()) : 0;
  for (double v : x) square += (v - mean) * (v - mean) / double(x.size());
  Row y;
  for (size_t i = 0; i < x.size(); ++i) y.push_back((x[i] - mean) / std::sqrt(square + eps) * weight[i] + bias[i]);
  return y;
}
// loss of one row, written with PyTorch's formula.
inline double naive_loss(const Row& logits, int64_t target, const Row& weights, double smoothing) {
  const Row logp = naive_log_softmax(logits);
  double loss = -(1 - smoothing) * weights[size_t(target)] * logp[size_t(target)];
  for (size_t c = 0; c < logp.size(); ++c) loss -= smoothing / double(logp.size()) * weights[c] * logp[c];
  return loss;
}

// d/dx_i of f by a five-point difference.
inline Row slope(const Row& x, const std::function<double(const Row&)>& f) {
  Row result;
  for (size_t i = 0; i < x.size(); ++i) {
    const double h = 1e-3;
    const auto at = [&](double step) {
      Row moved = x;
      moved[i] += step;
      return f(moved);
    };
    result.push_back((at(-2 * h) - 8 * at(-h) + 8 * at(h) - at(2 * h)) / (12 * h));
  }
  return result;
}
inline double dot(const Row& a, const Row& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}
// Gradients of Σ dy ∘ f(x), row by row.
inline std::vector<Row> slopes(const Tensor& x, const Tensor& dy, const std::function<Row(const Row&)>& f) {
  const std::vector<Row> xs = rows_of(x), dys = rows_of(dy);
  std::vector<Row> results;
  for (size_t r = 0; r < xs.size(); ++r)
    results.push_back(slope(xs[r], [&](const Row& moved) { return dot(dys[r], f(moved)); }));
  return results;
}
constexpr double kSlope = 1e-9;  // what a difference is good for

template <class Kind> std::string message_of(const std::function<void()>& run) {
  try {
    run();
  } catch (const Kind& error) { return error.what(); }
  return "no such error";
}

}  // namespace fovea::tests
