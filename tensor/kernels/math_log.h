// Logarithms: log, log1p, softplus.
//
//   x = 2^e m, 1/√2 ≤ m < √2, f = m - 1, s = f / (2 + f), so m = (1 + s) / (1 - s)
//   log m = 2 atanh s = 2 s + s³ L(s²) = f - (f²/2 - s (f²/2 + s² L(s²)))
//
// The last form adds what is small before what is large: f carries no rounding at all.
//
// Largest error found with FMA, in ulp (tests/bench/math_ulp.cpp: every f32, a sample of f64), f32 and f64:
//   log 0.84, 0.81   log1p 1.40, 1.34   softplus 1.70, 1.64
#pragma once
#include "tensor/kernels/math_exp.h"

namespace fovea {
namespace {

template <class T> struct LogTable;
template <> struct LogTable<float> {
  static constexpr float two_thirds = 0x1.555556p-1f, two_thirds_low = -0x1.555556p-26f;
  // (L(z) - 2/3) / z for 0 ≤ z ≤ (√2 - 1)² / (√2 + 1)²; relative error of log m 2^-36.8
  static constexpr float l[] = {0x1.999ap-2f, 0x1.24527cp-2f, 0x1.dfa272p-3f};
};
template <> struct LogTable<double> {
  static constexpr double two_thirds = 0x1.5555555555555p-1, two_thirds_low = 0x1.5555555555555p-55;
  // relative error of log m 2^-73.4: more than log needs, for pow
  static constexpr double l[] = {0x1.9999999999996p-2, 0x1.2492492492f56p-2, 0x1.c71c71c595944p-3,
                                 0x1.745d1829f04e6p-3, 0x1.3b136499c0878p-3, 0x1.112077145e479p-3,
                                 0x1.de3c177b68871p-4, 0x1.ead19e8cbd153p-4};
};

// x = 2^e m.
template <class T> struct LogParts {
  Vec<T> e, m;
  typename Ieee<T>::Unsigned biased_e;  // e + bias
};

// For positive normal x.
template <class T> FOVEA_INLINE LogParts<T> log_parts(Vec<T> x) {
  using Bits = typename Ieee<T>::Unsigned;
  constexpr int mantissa_bits = Ieee<T>::mantissa_bits;
  const Bits sqrt_half = unsigned_bits(Vec<T>(T(0x1.6a09e667f3bcdp-1)));
  const Bits one = unsigned_bits(Vec<T>(1)), mantissa = ((Bits{} + 1) << mantissa_bits) - 1;
  const Bits offset = unsigned_bits(x) - sqrt_half + one;  // its exponent field is e + bias
  const Bits biased_e = offset >> mantissa_bits;
  const Vec<T> unit(T(uint64_t(1) << mantissa_bits));  // unit + an integer: the integer is the mantissa
  const Vec<T> e = from_unsigned<T>(unsigned_bits(unit) | biased_e) - (unit + Vec<T>(Ieee<T>::bias));
  return {e, from_unsigned<T>((offset & mantissa) + sqrt_half), biased_e};
}

// The same for any positive finite x: a denormal is first made normal.
template <class T> FOVEA_INLINE LogParts<T> log_parts_of_any(Vec<T> x) {
  constexpr T up = T(uint64_t(1) << (Ieee<T>::mantissa_bits + 1));
  const auto denormal = x < Vec<T>(kSmallestNormal<T>);
  LogParts<T> p = log_parts(select(denormal, x * Vec<T>(up), x));
  p.e = p.e - select(denormal, Vec<T>(Ieee<T>::mantissa_bits + 1), Vec<T>(0));
  return p;
}

// e log 2 + log(1 + f)
template <class T> FOVEA_INLINE Vec<T> log_sum(Vec<T> e, Vec<T> f) {
  const Vec<T> s = f / (Vec<T>(2) + f), z = s * s, half = Vec<T>(0.5) * f * f;
  const Vec<T> l = fma(polynomial(z, LogTable<T>::l), z, Vec<T>(LogTable<T>::two_thirds));
  const Vec<T> small = fma(s, fma(z, l, half), e * Vec<T>(ExpTable<T>::log2_low));
  return fma(e, Vec<T>(ExpTable<T>::log2_high), f - (half - small));
}

// y where 0 < x < ∞, else the limits: -∞ at 0, NaN below, ∞ and NaN themselves.
template <class T> FOVEA_INLINE Vec<T> log_limits(Vec<T> x, Vec<T> y) {
  const Vec<T> beside = select(x == Vec<T>(0), Vec<T>(-kInfinity<T>), select(x < Vec<T>(0), Vec<T>(kNan<T>), x));
  return select((x > Vec<T>(0)) & (x < Vec<T>(kInfinity<T>)), y, beside);
}

template <class T> FOVEA_INLINE Vec<T> log(Vec<T> x) {
  const LogParts<T> p = log_parts_of_any(x);
  return log_limits(x, log_sum(p.e, p.m - Vec<T>(1)));
}

// log(1 + x) for finite x > -1: e belongs to the rounded sum 1 + x, f = x / 2^e + (1 / 2^e - 1) to the exact one.
template <class T> FOVEA_INLINE Vec<T> log1p_in_range(Vec<T> x, Vec<T> sum) {
  using Bits = typename Ieee<T>::Unsigned;
  const LogParts<T> p = log_parts(sum);
  const Bits top = Bits{} + (2 * Ieee<T>::bias + 2);
  const Vec<T> power = from_unsigned<T>((top - p.biased_e) << Ieee<T>::mantissa_bits);  // 2^(2 - e), always normal
  const Vec<T> quarter(0.25);
  const Vec<T> f = fma(power, quarter * x, fma(power, quarter, Vec<T>(-1)));
  return select(abs(x) < Vec<T>(kSmallestNormal<T> * 4), x,
                log_sum(p.e, f));  // a quarter costs a denormal its last bits
}

template <class T> FOVEA_INLINE Vec<T> log1p(Vec<T> x) {
  const Vec<T> sum = Vec<T>(1) + x;
  return log_limits(sum, log1p_in_range(x, sum));
}

// log(1 + e^x) = max(x, 0) + log(1 + e^-|x|)
template <class T> FOVEA_INLINE Vec<T> softplus(Vec<T> x) {
  const Vec<T> t = exp_down(-smaller(Vec<T>(-ExpTable<T>::lowest), abs(x)));
  return select(x > Vec<T>(0), x, Vec<T>(0)) + log1p_in_range(t, Vec<T>(1) + t);
}

}  // namespace
}  // namespace fovea
