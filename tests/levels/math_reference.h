// What the elementary functions should give, from the C++ library in a wider type: double for f32, long double for
// f64; the error in units of the last place; and the bars that the tests hold.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

namespace fovea::reference {

template <class R> R square_low(R x) { return std::fma(x, x, -(x * x)); }  // x² = x * x + square_low(x)

template <class R> R sigmoid(R x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); }
template <class R> R silu(R x) { return std::isinf(x) ? (x > 0 ? x : R(-0.0)) : x * sigmoid(x); }
template <class R> R softplus(R x) { return (x > 0 ? x : 0) + std::log1p(std::exp(-std::abs(x))); }
template <class R> R rsqrt(R x) { return 1 / std::sqrt(x); }
template <class R> R normal_pdf(R x) {
  const R per_sqrt_two_pi = R(0.398942280401432677939946059934381868L);
  return std::abs(x) > 100 ? 0 : per_sqrt_two_pi * std::exp(-x * x / 2) * (1 - square_low(x) / 2);
}
// erfc is steep where Φ is small, so the rounding of x / √2 is made good.
template <class R> R normal_cdf(R x) {
  if (std::isinf(x)) return x > 0;
  const R per_sqrt_2 = R(0.707106781186547524400844362104849039L);
  const R low = R(0.707106781186547524400844362104849039L - (long double)(per_sqrt_2)) +
                (sizeof(R) > 8 ? R(-1.2740633806195735e-20L) : R(0));
  const R y = -x * per_sqrt_2, y_low = std::fma(-x, per_sqrt_2, -y) - x * low;
  return (std::erfc(y) - R(1.128379167095512573896158903121545172L) * std::exp(-y * y) * y_low) / 2;
}
template <class R> R gelu(R x) { return std::isinf(x) ? (x > 0 ? x : R(-0.0)) : x * normal_cdf(x); }
template <class R> R gelu_derivative(R x) {
  if (std::abs(x) > (sizeof(R) > 8 ? 100 : 30)) return x > 0 ? 1 : R(-0.0);
  return normal_cdf(x) + x * normal_pdf(x);
}
template <class R> R gelu_tanh(R x) {
  if (std::abs(x) > 100) return x > 0 ? x : R(-0.0);
  const R k = R(1.595769121605730711759784239737527476L);
  return x * sigmoid(k * (x + R(0.044715L) * x * x * x));
}

template <class R> R silu_derivative(R x) {
  if (std::abs(x) > 12000) return x > 0 ? 1 : R(-0.0);
  return sigmoid(x) * (1 + x * sigmoid(-x));
}
template <class R> R gelu_tanh_derivative(R x) {
  if (std::abs(x) > 25) return x > 0 ? 1 : R(-0.0);
  const R k = R(1.595769121605730711759784239737527476L), c = R(0.044715L), z = k * (x + c * x * x * x);
  return sigmoid(z) * (1 + x * sigmoid(-z) * k * (1 + 3 * c * x * x));
}

// |got - exact| in units of exact's last place (of the denormals' below them). Infinity where one is NaN and the
// other not, where the sign is wrong, zeros included, or where one is infinite and the other well inside.
template <class T, class R> double ulps(T got, R exact) {
  using Limits = std::numeric_limits<T>;
  constexpr double never = std::numeric_limits<double>::infinity();
  if (std::isnan(exact) || std::isnan(got)) return std::isnan(exact) && std::isnan(got) ? 0 : never;
  if (std::signbit(exact) != std::signbit(got)) return never;
  if (exact == R(got)) return 0;
  const R beyond = std::ldexp(R(1), Limits::max_exponent);  // where infinity stands among the numbers
  const R size = std::min(std::abs(exact), beyond), value = std::min(R(std::abs(got)), beyond);
  const int exponent = std::max(size == 0 ? Limits::min_exponent : std::ilogb(size), Limits::min_exponent - 1);
  return double(std::ldexp(std::abs(value - size), Limits::digits - 1 - std::min(exponent, Limits::max_exponent - 1)));
}

struct MathReference {
  const char* name;
  double (*f32)(double);
  long double (*f64)(long double);
  double bar;  // largest error in ulp; 2 in f64 where it is smaller

  // The error of y = f(x). The derivatives have zeros that no rounding of x meets: left of 0 in ulp of 1/4.
  template <class T> double error(T x, T y) const {
    const auto exact = [&] {
      if constexpr (sizeof(T) == 4) return f32(double(x));
      if constexpr (sizeof(T) == 8) return f64((long double)(x));
    }();
    const bool is_derivative = std::string_view(name).find("derivative") != std::string_view::npos;
    if (!is_derivative || !(x < 0) || std::isinf(x)) return ulps(y, exact);
    return double(std::abs(y - exact)) / (std::numeric_limits<T>::epsilon() / 4);
  }
};

#define FOVEA_REFERENCE(name, bar)                                                      \
  {                                                                                     \
#name, [](double x) { return name(x); }, [](long double x) { return name(x); }, bar \
  }

inline const MathReference* find(const char* wanted) {
  using std::cos, std::erf, std::exp, std::expm1, std::log, std::log1p, std::sin, std::tanh;
  static const MathReference all[] = {
      FOVEA_REFERENCE(exp, 1),
      FOVEA_REFERENCE(expm1, 2),
      FOVEA_REFERENCE(sigmoid, 2),
      FOVEA_REFERENCE(silu, 2),
      FOVEA_REFERENCE(tanh, 1),
      FOVEA_REFERENCE(log, 1),
      FOVEA_REFERENCE(log1p, 2),
      FOVEA_REFERENCE(softplus, 2),
      FOVEA_REFERENCE(erf, 1),
      FOVEA_REFERENCE(gelu, 2),
      FOVEA_REFERENCE(gelu_tanh, 2),
      FOVEA_REFERENCE(sin, 2),
      FOVEA_REFERENCE(cos, 2),
      FOVEA_REFERENCE(rsqrt, 2),
      FOVEA_REFERENCE(gelu_derivative, 3),
      FOVEA_REFERENCE(silu_derivative, 4),
      FOVEA_REFERENCE(gelu_tanh_derivative, 4),
  };
  for (const auto& reference : all) {
    if (std::string_view(reference.name) == wanted) return &reference;
  }
  return nullptr;
}

#undef FOVEA_REFERENCE

}  // namespace fovea::reference
