// The elementary functions of every instruction set against the C++ library in a wider type: errors in ulp over
// inputs from all binades, special values, tails; and the same bits from every level with FMA. The program
// tests/bench/math_ulp.cpp does the same for all 2^32 inputs.
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

#include "doctest/doctest.h"
#include "tests/levels/math.h"
#include "tests/levels/math_reference.h"

using namespace fovea;

namespace {

template <class T> constexpr T kInf = std::numeric_limits<T>::infinity();
template <class T> constexpr T kQuietNan = std::numeric_limits<T>::quiet_NaN();

// Bit patterns of the whole range, and evenly spaced numbers where the functions are not yet 0, 1 or infinite. Fewer
// for f64, whose reference, long double, some machines compute in software.
template <class T> std::vector<T> inputs() {
  constexpr int patterns = sizeof(T) == 4 ? 200'000 : 50'000, spaced = patterns / 5;
  using Bits = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
  std::vector<T> x;
  const Bits step = Bits(~Bits(0)) / patterns | 1;
  Bits bits = 0;
  for (int i = 0; i < patterns; ++i, bits += step) {
    T v;
    std::memcpy(&v, &bits, sizeof v);
    x.push_back(v);
  }
  for (const T reach : {T(1), T(8), T(40), T(120), T(760)}) {
    for (int i = 0; i < spaced; ++i) x.push_back(reach * (T(2 * i) / spaced - 1) + reach * T(1e-6));
  }
  for (int k = 1; k < 4'000; ++k) x.push_back(T(k * 1.5707963267948966));  // where sin and cos nearly vanish
  x.resize((x.size() + 15) / 16 * 16, T(1));
  return x;
}

template <class T> auto pick(const MathFunction& f) {
  if constexpr (sizeof(T) == 4) {
    return f.f32;
  } else {
    return f.f64;
  }
}
template <class T> auto pick(const reference::MathReference& f) {
  if constexpr (sizeof(T) == 4) {
    return f.f32;
  } else {
    return f.f64;
  }
}

template <class T> std::vector<T> apply(const MathFunction& f, const std::vector<T>& x) {
  std::vector<T> y(x.size());
  pick<T>(f)(x.data(), y.data(), int64_t(x.size()));
  return y;
}
template <class T> T apply_one(const MathFunction& f, T x) { return apply<T>(f, std::vector<T>(16, x))[7]; }

template <class T> T power(const MathLevel& level, T x, T p) {
  const std::vector<T> xs(16, x), ps(16, p);
  std::vector<T> y(16);
  if constexpr (sizeof(T) == 4) {
    level.pow_f32(xs.data(), ps.data(), y.data(), 16);
  } else {
    level.pow_f64(xs.data(), ps.data(), y.data(), 16);
  }
  return y[3];
}

const MathFunction& function(const MathLevel& level, const std::string& name) {
  for (const auto& f : level.function) {
    if (f.name == name) return f;
  }
  FAIL("no function of that name");
  return level.function[0];
}

// Without FMA one more rounding enters here and there.
template <class T> double bar(const MathLevel& level, const reference::MathReference& exact) {
  const double f64_bar = std::max(exact.bar, 2.0);
  return (sizeof(T) == 4 ? exact.bar : f64_bar) + (level.fused ? 0 : 1);
}

template <class T> void check_accuracy() {
  const std::vector<T> x = inputs<T>();
  for (const MathLevel* level : math_levels()) {
    for (const MathFunction& f : level->function) {
      const auto* exact = reference::find(f.name);
      REQUIRE(exact != nullptr);
      const std::vector<T> y = apply(f, x);
      double worst = 0;
      T at = 0;
      for (size_t i = 0; i < x.size(); ++i) {
        const double error = exact->error<T>(x[i], y[i]);
        if (error > worst) worst = error, at = x[i];
      }
      INFO(level->name);
      INFO(f.name);
      CAPTURE(at);
      CHECK(worst <= bar<T>(*level, *exact));
    }
  }
}

template <class T> void check_special_values() {
  using Limits = std::numeric_limits<T>;
  const T inf = kInf<T>, nan = kQuietNan<T>, tiny = Limits::denorm_min(), huge = Limits::max();
  struct Case {
    const char* name;
    T x, y;
  };
  const Case cases[] = {
      {"exp", inf, inf},
      {"exp", -inf, 0},
      {"exp", 0, 1},
      {"exp", -T(0), 1},
      {"exp", huge, inf},
      {"exp", -huge, 0},
      {"expm1", inf, inf},
      {"expm1", -inf, -1},
      {"expm1", -T(0), -T(0)},
      {"expm1", tiny, tiny},
      {"expm1", -tiny, -tiny},
      {"log", 0, -inf},
      {"log", -T(0), -inf},
      {"log", inf, inf},
      {"log", 1, 0},
      {"log", -1, nan},
      {"log", -inf, nan},
      {"log1p", -1, -inf},
      {"log1p", -2, nan},
      {"log1p", inf, inf},
      {"log1p", -T(0), -T(0)},
      {"log1p", tiny, tiny},
      {"tanh", inf, 1},
      {"tanh", -inf, -1},
      {"tanh", -T(0), -T(0)},
      {"tanh", tiny, tiny},
      {"sigmoid", inf, 1},
      {"sigmoid", -inf, 0},
      {"sigmoid", 0, T(0.5)},
      {"silu", inf, inf},
      {"silu", -inf, -T(0)},
      {"silu", huge, huge},
      {"silu", -T(0), -T(0)},
      {"silu", -huge, -T(0)},
      {"softplus", inf, inf},
      {"softplus", -inf, 0},
      {"softplus", huge, huge},
      {"erf", inf, 1},
      {"erf", -inf, -1},
      {"erf", -T(0), -T(0)},
      {"gelu", inf, inf},
      {"gelu", -inf, -T(0)},
      {"gelu", -T(0), -T(0)},
      {"gelu", huge, huge},
      {"gelu_tanh", inf, inf},
      {"gelu_tanh", -inf, -T(0)},
      {"gelu_tanh", huge, huge},
      {"gelu_tanh", -huge, -T(0)},
      {"gelu_derivative", inf, 1},
      {"gelu_derivative", 0, T(0.5)},
      {"sin", inf, nan},
      {"sin", -inf, nan},
      {"sin", -T(0), -T(0)},
      {"sin", -tiny, -tiny},
      {"cos", inf, nan},
      {"cos", 0, 1},
      {"rsqrt", 0, inf},
      {"rsqrt", -T(0), -inf},
      {"rsqrt", inf, 0},
      {"rsqrt", -1, nan},
      {"rsqrt", 4, T(0.5)},
  };
  for (const MathLevel* level : math_levels()) {
    INFO(level->name);
    for (const Case& c : cases) {
      INFO(c.name);
      CAPTURE(c.x);
      CHECK(reference::ulps(apply_one(function(*level, c.name), c.x), c.y) == 0);  // the sign of a zero counts
    }
    for (const MathFunction& f : level->function) {
      INFO(f.name);
      CHECK(std::isnan(apply_one(f, nan)));
    }
  }
}

// All pairs of these, every special case of IEEE 754 among them, then pairs spread over the whole range.
template <class T> void check_pow() {
  using Wide = std::conditional_t<sizeof(T) == 4, double, long double>;
  using Limits = std::numeric_limits<T>;
  const T inf = kInf<T>;
  std::vector<T> values = {0,
                           0.5,
                           1,
                           1.5,
                           2,
                           3,
                           4,
                           5,
                           7.25,
                           1e10,
                           16777216,
                           inf,
                           Limits::min(),
                           Limits::max(),
                           Limits::denorm_min(),
                           1 - Limits::epsilon(),
                           1 + Limits::epsilon(),
                           T(1) / 3};
  for (size_t i = values.size(); i-- > 0;) values.push_back(-values[i]);
  values.push_back(kQuietNan<T>);
  std::vector<T> x, p;
  for (const T a : values) {
    for (const T b : values) x.push_back(a), p.push_back(b);
  }
  for (int i = 0; i < 150'000; ++i) {  // x^p between the smallest denormal and beyond the largest number
    const double log_x = std::sin(i * 0.7) * (i % 3 == 0 ? 0.01 : i % 3 == 1 ? 1 : Limits::max_exponent * 0.69);
    x.push_back(T(std::exp(log_x)));
    p.push_back(T(std::cos(i * 0.37) * Limits::max_exponent * 0.72 / log_x));
  }
  const size_t padded = (x.size() + 15) / 16 * 16;
  x.resize(padded, 1), p.resize(padded, 1);
  for (const MathLevel* level : math_levels()) {
    std::vector<T> y(padded);
    if constexpr (sizeof(T) == 4) {
      level->pow_f32(x.data(), p.data(), y.data(), int64_t(padded));
    } else {
      level->pow_f64(x.data(), p.data(), y.data(), int64_t(padded));
    }
    double worst = 0;
    size_t at = 0;
    for (size_t i = 0; i < padded; ++i) {
      const double error = reference::ulps(y[i], std::pow(Wide(x[i]), Wide(p[i])));
      if (error > worst) worst = error, at = i;
    }
    INFO(level->name);
    CAPTURE(x[at]);
    CAPTURE(p[at]);
    CAPTURE(y[at]);
    CHECK(worst <= (sizeof(T) == 4 ? 1 : 2));
  }
}

template <class T> void check_same_bits() {
  std::vector<const MathLevel*> fused;
  for (const MathLevel* level : math_levels()) {
    if (level->fused) fused.push_back(level);
  }
  if (fused.size() < 2) return;
  const std::vector<T> x = inputs<T>();
  for (size_t other = 1; other < fused.size(); ++other) {
    INFO(fused[other]->name);
    for (int k = 0; k < kMathFunctions; ++k) {
      const auto a = apply(fused[0]->function[k], x), b = apply(fused[other]->function[k], x);
      size_t different = 0;
      for (size_t i = 0; i < x.size(); ++i) {
        different += std::memcmp(&a[i], &b[i], sizeof(T)) != 0 && !(std::isnan(a[i]) && std::isnan(b[i]));
      }
      INFO(fused[0]->function[k].name);
      CHECK(different == 0);
    }
  }
}

}  // namespace

TEST_CASE("elementary functions are within their bars, f32") { check_accuracy<float>(); }
TEST_CASE("elementary functions are within their bars, f64") { check_accuracy<double>(); }
TEST_CASE("elementary functions at zeros, infinities, denormals and NaN, f32") { check_special_values<float>(); }
TEST_CASE("elementary functions at zeros, infinities, denormals and NaN, f64") { check_special_values<double>(); }
TEST_CASE("pow, IEEE special cases and accuracy, f32") { check_pow<float>(); }
TEST_CASE("pow, IEEE special cases and accuracy, f64") { check_pow<double>(); }
TEST_CASE("elementary functions give the same bits at every level with FMA, f32") { check_same_bits<float>(); }
TEST_CASE("elementary functions give the same bits at every level with FMA, f64") { check_same_bits<double>(); }

TEST_CASE("pow is exact where the result is a small integer") {
  for (const MathLevel* level : math_levels()) {
    INFO(level->name);
    for (int base = 1; base <= 12; ++base) {
      for (int exponent = 0, exact = 1; exponent <= 6; ++exponent, exact *= base) {
        CHECK(power<float>(*level, float(base), float(exponent)) == float(exact));
        CHECK(power<double>(*level, -double(base), double(exponent)) == (exponent % 2 ? -exact : exact));
      }
    }
  }
}

TEST_CASE("gelu, sigmoid and silu keep their left tails") {
  for (const MathLevel* level : math_levels()) {
    INFO(level->name);
    // -5.84 Φ(-5.84), where 0.5 x (1 + erf(x / √2)) is 0 in f32; reference from 30 digits.
    CHECK(apply_one<float>(function(*level, "gelu"), -5.84f) == doctest::Approx(-1.5242e-8).epsilon(1e-3));
    CHECK(apply_one<float>(function(*level, "gelu"), -14.0f) < 0);
    CHECK(apply_one<double>(function(*level, "gelu"), -38.4) < 0);
    CHECK(apply_one<float>(function(*level, "sigmoid"), -103.0f) > 0);
    CHECK(apply_one<float>(function(*level, "silu"), -107.0f) < 0);
    CHECK(apply_one<float>(function(*level, "softplus"), -103.0f) > 0);
  }
}
