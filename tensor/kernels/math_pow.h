// x^y = e^(y log x), with every special case of IEEE 754. An error of log x is multiplied by y log x, up to 104
// (745 in f64), so the logarithm is carried in two parts: see math_log.h for its formula.
// Largest error found (tests/test_math.cpp): below 1 ulp in f32, 1.4 in f64.
#pragma once
#include "tensor/kernels/math_log.h"

namespace fovea {
namespace {

// log x for positive finite x, to about half as many digits again as T has.
template <class T> FOVEA_INLINE Pair<T> log_pair(Vec<T> x) {
  using Table = LogTable<T>;
  const LogParts<T> parts = log_parts_of_any(x);
  const Vec<T> f = parts.m - Vec<T>(1), d = Vec<T>(2) + f, d_low = f - (d - Vec<T>(2)), inverse = Vec<T>(1) / d;
  Pair<T> s;  // f / (2 + f): a quotient, and what it leaves over divided again
  s.high = f * inverse;
  s.low = (remainder(f, s.high, d) - s.high * d_low) * inverse;
  Pair<T> square = exact_product(s.high, s.high);
  square.low = fma(s.high + s.high, s.low, square.low);
  Pair<T> slope = exact_product(square.high, Vec<T>(Table::two_thirds));  // s² L(s²): its first term in two parts
  slope.low = fma(square.low, Vec<T>(Table::two_thirds), fma(square.high, Vec<T>(Table::two_thirds_low), slope.low));
  slope.low = fma(square.high * square.high, polynomial(square.high, Table::l), slope.low);
  Pair<T> cubic = exact_product(s.high, slope.high);
  cubic.low = fma(s.high, slope.low, fma(s.low, slope.high, cubic.low));
  // e log 2 + 2 s + s³ L(s²), from the largest term to the smallest
  const Pair<T> first = exact_sum(parts.e * Vec<T>(ExpTable<T>::log2_high), s.high + s.high);
  const Pair<T> second = exact_sum(first.high, cubic.high);
  const Vec<T> twice_low = s.low + s.low;
  const Vec<T> low = fma(parts.e, Vec<T>(ExpTable<T>::log2_low), first.low) + (second.low + (twice_low + cubic.low));
  return exact_sum(second.high, low);
}

// x^y for x > 0 and finite, y finite.
template <class T> FOVEA_INLINE Vec<T> pow_positive(Vec<T> x, Vec<T> y) {
  constexpr T limit = -ExpTable<T>::lowest_product;
  const Pair<T> log_x = log_pair(x);
  const Pair<T> product = exact_product(y, log_x.high);
  const Vec<T> high = clamp(product.high, -limit, ExpTable<T>::highest);
  const Vec<T> low = select(high == product.high, fma(y, log_x.low, product.low), Vec<T>(0));
  const ExpParts<T> p = exp_parts(high, low);
  return scale(p.head + p.low, p.n);
}

// Whether y is an integer, for y ≥ 0.
template <class T> FOVEA_INLINE typename Vec<T>::Bits is_whole(Vec<T> y) {
  const Vec<T> no_fraction(T(uint64_t(1) << Ieee<T>::mantissa_bits));
  return (y >= no_fraction) | ((y + no_fraction) - no_fraction == y);
}

template <class T> FOVEA_INLINE Vec<T> pow(Vec<T> x, Vec<T> y) {
  const Vec<T> zero(0), one(1), infinity(kInfinity<T>), a = abs(x), power = abs(y);
  // Zero or infinite operands: 0, ∞, or 1 for |x| = 1.
  const auto extreme = (a == zero) | (a == infinity) | (power == infinity);
  const Vec<T> limit = select(a == one, one, select((a < one) == (y < zero), infinity, zero));
  Vec<T> result = select(extreme, limit, pow_positive(a, y));
  // A negative base: NaN unless y is an integer, negative if y is odd.
  const auto negative = x.bits() < 0;
  const auto whole = is_whole(power), odd = whole & ~is_whole(power * Vec<T>(0.5));
  result = select(negative & odd, -result, result);
  result = select(negative & ~whole & ~extreme, Vec<T>(kNan<T>), result);
  result = select(is_nan(x) | is_nan(y), x + y, result);
  return select((x == one) | (y == zero), one, result);
}

}  // namespace
}  // namespace fovea
