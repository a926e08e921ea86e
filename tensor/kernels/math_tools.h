// What the elementary functions (math_exp.h, math_log.h, …) share: polynomials, numbers in two parts, powers
// of two, and rounding to an integer. None of it branches: a special value is computed beside the ordinary one
// and picked by select.
//
// Every coefficient table in these files was computed for fovea: a Remez exchange in 60 decimal digits for the
// error that the comment names, the coefficients then rounded to T one after another, the rest refitted.
#pragma once
#include <limits>

#include "tensor/kernels/simd.h"

namespace fovea {
namespace {

// The layout of an IEEE number: sign, exponent + bias, mantissa.
template <class T> struct Ieee;
template <> struct Ieee<float> {
  static constexpr int mantissa_bits = 23, bias = 127;
  static constexpr float round_shift = 0x1.8p23f;  // x + round_shift has no room for a fraction: it is rounded away
  typedef uint32_t Unsigned __attribute__((vector_size(kVectorBytes)));
};
template <> struct Ieee<double> {
  static constexpr int mantissa_bits = 52, bias = 1023;
  static constexpr double round_shift = 0x1.8p52;
  typedef uint64_t Unsigned __attribute__((vector_size(kVectorBytes)));
};

template <class T> constexpr T kInfinity = std::numeric_limits<T>::infinity();
template <class T> constexpr T kNan = std::numeric_limits<T>::quiet_NaN();
template <class T> constexpr T kSmallestNormal = std::numeric_limits<T>::min();

template <class T> FOVEA_INLINE typename Ieee<T>::Unsigned unsigned_bits(Vec<T> x) {
  return (typename Ieee<T>::Unsigned)x.raw;
}
template <class T> FOVEA_INLINE Vec<T> from_unsigned(typename Ieee<T>::Unsigned bits) {
  return Vec<T>((typename Vec<T>::Raw)bits);
}

// c[first] + c[first + 1] x + …, `count` terms; power: x, x², x⁴, …
template <int first, int count, class T, int N>
FOVEA_INLINE Vec<T> polynomial_part(const Vec<T> (&power)[5], const T (&c)[N]) {
  if constexpr (count == 1) {
    return Vec<T>(c[first]);
  } else {
    constexpr int level = std::bit_width(unsigned(count - 1)) - 1, half = 1 << level;  // half < count ≤ 2 half
    return fma(polynomial_part<first + half, count - half>(power, c), power[level],
               polynomial_part<first, half>(power, c));
  }
}
// c[0] + c[1] x + c[2] x² + …, cut in two again and again (Estrin 1960): the parts do not wait for each other, as the
// steps of Horner's rule would. Waiting, not arithmetic, is what these functions spend their time on.
template <class T, int N> FOVEA_INLINE Vec<T> polynomial(Vec<T> x, const T (&c)[N]) {
  static_assert(N <= 32);
  Vec<T> power[5] = {x, x * x};
  for (int i = 2; i < 5; ++i) power[i] = power[i - 1] * power[i - 1];
  return polynomial_part<0, N>(power, c);
}

// The same step by step: fewer instructions, for loops that have other work to do while a step waits (Horner's rule).
template <class T, int N> FOVEA_INLINE Vec<T> horner(Vec<T> x, const T (&c)[N]) {
  Vec<T> y(c[N - 1]);
  FOVEA_EACH_LANE
  for (int i = N - 2; i >= 0; --i) y = fma(y, x, Vec<T>(c[i]));
  return y;
}

// x, but no further out than [low, high]; NaN stays.
template <class T> FOVEA_INLINE Vec<T> clamp(Vec<T> x, T low, T high) {
  return smaller(Vec<T>(high), larger(Vec<T>(low), x));
}

// An integer n, |n| < 2^(mantissa_bits - 1), in two forms.
template <class T> struct Whole {
  Vec<T> value;    // n
  Vec<T> shifted;  // n + round_shift: its lowest bits are n as a two's complement integer
};
template <class T> FOVEA_INLINE Whole<T> round_product(Vec<T> x, T factor) {
  const Vec<T> shift(Ieee<T>::round_shift), shifted = fma(x, Vec<T>(factor), shift);
  return {shifted - shift, shifted};
}

// 2^(n + offset), if that is a normal number. The shift to the exponent's place drops all of round_shift.
template <class T> FOVEA_INLINE Vec<T> power_of_two(Whole<T> n, int offset = 0) {
  using Bits = typename Ieee<T>::Unsigned;
  const Bits one = Bits{} + (typename std::make_unsigned<typename Vec<T>::Int>::type)(Ieee<T>::bias + offset);
  return from_unsigned<T>((unsigned_bits(n.shifted) + one) << Ieee<T>::mantissa_bits);
}

// x · 2^n for any n that exp can meet. Two factors, since 2^n itself may be out of range; only the second
// product can round, so a denormal result is rounded once.
template <class T> FOVEA_INLINE Vec<T> scale(Vec<T> x, Whole<T> n) {
  constexpr int half = (Ieee<T>::bias + 1) / 2;
  constexpr T up = T(uint64_t(1) << 32) * (half == 64 ? T(uint64_t(1) << 32) : T(0x1p480));
  const auto positive = n.value > Vec<T>(0);
  const Vec<T> first = select(positive, power_of_two(n, -half), power_of_two(n, half));
  return x * first * select(positive, Vec<T>(up), Vec<T>(1 / up));
}

// The same for n ≤ 0.
template <class T> FOVEA_INLINE Vec<T> scale_down(Vec<T> x, Whole<T> n) {
  constexpr int half = (Ieee<T>::bias + 1) / 2;
  constexpr T up = T(uint64_t(1) << 32) * (half == 64 ? T(uint64_t(1) << 32) : T(0x1p480));
  return x * power_of_two(n, half) * Vec<T>(1 / up);
}
// The same where, nearly always, each result is `normal` or its n = 0: then n is just added to the exponent of x.
template <class T> FOVEA_INLINE Vec<T> scale_down(Vec<T> x, Whole<T> n, bool normal) {
  if (!__builtin_expect(normal, 1)) return scale_down(x, n);
  return from_unsigned<T>(unsigned_bits(x) + (unsigned_bits(n.shifted) << Ieee<T>::mantissa_bits));
}

// A number as an unevaluated sum, |low| ≤ ulp(high): about twice the digits of T.
template <class T> struct Pair { Vec<T> high, low; };

// a + b exactly, for |a| ≥ |b| or a = 0 (Dekker 1971).
template <class T> FOVEA_INLINE Pair<T> exact_sum(Vec<T> a, Vec<T> b) {
  const Vec<T> sum = a + b;
  return {sum, b - (sum - a)};
}

// a · b exactly: by one fma, or by halves of the mantissas where there is none (Dekker 1971).
template <class T> FOVEA_INLINE Pair<T> exact_product(Vec<T> a, Vec<T> b) {
  const Vec<T> product = a * b;
  if constexpr (kFused) return {product, fma(a, b, -product)};
  using Int = typename Vec<T>::Int;
  const typename Vec<T>::Bits upper = typename Vec<T>::Bits{} - (Int(1) << (Ieee<T>::mantissa_bits / 2 + 1));
  const Vec<T> a1 = Vec<T>::from_bits(a.bits() & upper), a2 = a - a1;
  const Vec<T> b1 = Vec<T>::from_bits(b.bits() & upper), b2 = b - b1;
  return {product, ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2};
}

// a - q · d exactly, where q is a / d rounded.
template <class T> FOVEA_INLINE Vec<T> remainder(Vec<T> a, Vec<T> q, Vec<T> d) {
  if constexpr (kFused) return fma(-q, d, a);
  const Pair<T> product = exact_product(q, d);
  return (a - product.high) - product.low;
}

// 1 / √x, each step correctly rounded.
template <class T> FOVEA_INLINE Vec<T> rsqrt(Vec<T> x) { return Vec<T>(1) / sqrt(x); }

// -1, 0 or 1; a zero keeps its sign, NaN stays NaN.
template <class T> FOVEA_INLINE Vec<T> sign(Vec<T> x) { return select(abs(x) > Vec<T>(0), copysign(Vec<T>(1), x), x); }

}  // namespace
}  // namespace fovea
