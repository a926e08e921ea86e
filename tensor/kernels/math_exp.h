// The exponential and its relatives: exp, expm1, sigmoid, silu, tanh.
//
//   x = n log 2 + r, n an integer, |r| ≤ log(2) / 2 (Cody & Waite 1980)
//   e^x = 2^n (1 + r + r² E(r))
//
// Largest error found with FMA, in ulp (tests/bench/math_ulp.cpp: every f32, a sample of f64), f32 and f64:
//   exp 0.78, 0.71   expm1 1.24, 1.15   sigmoid 1.51, 1.50   silu 1.72, 1.68   tanh 0.96, 1.10
#pragma once
#include "tensor/kernels/math_tools.h"

namespace fovea {
namespace {

template <class T> struct ExpTable;
template <> struct ExpTable<float> {
  static constexpr float per_log2 = 0x1.715476p+0f;                             // 1 / log 2
  static constexpr float log2_high = 0x1.62e4p-1f, log2_low = 0x1.7f7d1cp-20f;  // n · log2_high is exact
  static constexpr float lowest = -104, highest = 89;                           // beyond: 0 and infinity
  static constexpr float lowest_product = -111;                                 // beyond: x e^x = 0
  static constexpr float power_is_zero = -88;                                   // here n = -127 = -bias
  static constexpr float power_is_normal = 86;                                  // e^-x up to here
  static constexpr float tanh_is_one = 10;
  // E(r) = (e^r - 1 - r) / r² for |r| ≤ log(2)/2; relative error of e^r 2^-28.2
  static constexpr float e[] = {0x1.fffffcp-2f, 0x1.55548ap-3f, 0x1.55584cp-5f, 0x1.123f6ep-7f, 0x1.6adb9ap-10f};
  // tanh x = x + x³ (tanh0 + tanh[0] x² + tanh[1] x⁴ + …) for |x| ≤ 1; relative error of tanh 2^-27.7
  static constexpr float tanh0 = -0x1.55553cp-2f;
  static constexpr float tanh[] = {0x1.110be4p-3f,  -0x1.b96242p-5f, 0x1.600a0ap-6f,
                                   -0x1.0461b2p-7f, 0x1.2da6bep-9f,  -0x1.77df8ep-12f};
};
template <> struct ExpTable<double> {
  static constexpr double per_log2 = 0x1.71547652b82fep+0;
  static constexpr double log2_high = 0x1.62e42fefa4p-1, log2_low = -0x1.8432a1b0e2634p-43;
  static constexpr double lowest = -746, highest = 710;
  static constexpr double lowest_product = -760;
  static constexpr double power_is_zero = -709;
  static constexpr double power_is_normal = 707;
  static constexpr double tanh_is_one = 20;
  // relative error of e^r 2^-56.5
  static constexpr double e[] = {0x1.000000000000ap-1,  0x1.55555555554f8p-3,  0x1.5555555550819p-5,
                                 0x1.1111111128313p-7,  0x1.6c16c18444db6p-10, 0x1.a01a012847d6dp-13,
                                 0x1.a01999b960ac2p-16, 0x1.71df290dadbf2p-19, 0x1.28adc6fed3e80p-22,
                                 0x1.ad7ae5acb8521p-26};
  // relative error of tanh 2^-56.2
  static constexpr double tanh0 = -0x1.555555555550fp-2;
  static constexpr double tanh[] = {0x1.111111110d7dfp-3,   -0x1.ba1ba1b81023dp-5,  0x1.664f483699af7p-6,
                                    -0x1.226e2ebee6654p-7,  0x1.d6d30fed87ba9p-9,   -0x1.7d9bcbd8eae83p-10,
                                    0x1.35213c2833f90p-11,  -0x1.f336761369c57p-13, 0x1.8d7b790214680p-14,
                                    -0x1.2eb523ca13e7ap-15, 0x1.9e14583dc1fafp-17,  -0x1.caed92aa61c11p-19,
                                    0x1.5f50c297b78a8p-21,  -0x1.0d321e8539075p-24};
};

// e^x = (head + low) 2^n, head = 1 + r rounded, low what that lost and r² E(r). Kept apart, they let a factor or a
// subtraction come before the one rounding that counts.
template <class T> struct ExpParts {
  Vec<T> head, low;
  Whole<T> n;
};

// The parts of e^(x + x_low), for x in the range where n fits (see lowest_product) or NaN.
template <class T> FOVEA_INLINE ExpParts<T> exp_parts(Vec<T> x, Vec<T> x_low = Vec<T>(0)) {
  using Table = ExpTable<T>;
  const Whole<T> n = round_product(x, Table::per_log2);
  const Vec<T> r_high = fma(n.value, Vec<T>(-Table::log2_high), x);  // exact
  const Vec<T> r_low = fma(n.value, Vec<T>(-Table::log2_low), x_low), r = r_high + r_low;
  const Pair<T> head = exact_sum(Vec<T>(1), r_high);
  return {head.high, fma(r * r, polynomial(r, Table::e), head.low + r_low), n};
}

// e^x for x in [lowest_product, highest] or NaN.
template <class T> FOVEA_INLINE Vec<T> exp_in_range(Vec<T> x) {
  const ExpParts<T> p = exp_parts(x);
  return scale(p.head + p.low, p.n);
}

template <class T> FOVEA_INLINE Vec<T> exp(Vec<T> x) {
  return exp_in_range(clamp(x, ExpTable<T>::lowest, ExpTable<T>::highest));
}

// What e^(x + x_low) = (1 + high + low) 2^n has beside 1, in two parts, of which the larger one is exact.
template <class T> struct ExpSplit {
  Vec<T> high, low;
  Whole<T> n;
};
template <class T> FOVEA_INLINE ExpSplit<T> exp_split(Vec<T> x, Vec<T> x_low) {
  using Table = ExpTable<T>;
  const Whole<T> n = round_product(x, Table::per_log2);
  const Vec<T> high = fma(n.value, Vec<T>(-Table::log2_high), x);
  const Vec<T> r_low = fma(n.value, Vec<T>(-Table::log2_low), x_low), r = high + r_low;
  return {high, fma(r * r, polynomial(r, Table::e), r_low), n};
}

// e^x for x in [lowest_product, 0] or NaN, within 1.1 ulp: with less care, where this rounding is not the last one.
template <class T> FOVEA_INLINE Vec<T> exp_down(Vec<T> x) {
  using Table = ExpTable<T>;
  const Whole<T> n = round_product(x, Table::per_log2);
  const Vec<T> r_high = fma(n.value, Vec<T>(-Table::log2_high), x);
  const Vec<T> r = fma(n.value, Vec<T>(-Table::log2_low), r_high);
  return scale_down(fma(r * r, polynomial(r, Table::e), r) + Vec<T>(1), n);
}

// e^x for x ≤ 0 or NaN, within 0.9 ulp, and 0 below the normal numbers: what the sums of softmax are made of, at half
// the cost of exp. These are so long that the number of instructions counts, hence Horner's rule, and n with the bias
// of an exponent added by the constant that rounds it.
template <class T> FOVEA_INLINE Vec<T> exp_not_positive(Vec<T> x) {
  using Table = ExpTable<T>;
  const Vec<T> shift(Ieee<T>::round_shift + Ieee<T>::bias), limited = larger(Vec<T>(Table::power_is_zero), x);
  const Vec<T> shifted = fma(limited, Vec<T>(Table::per_log2), shift), n = shifted - shift;
  const Vec<T> r = fma(n, Vec<T>(-Table::log2_low), fma(n, Vec<T>(-Table::log2_high), limited));
  const Vec<T> e = fma(r, fma(r, horner(r, Table::e), Vec<T>(1)), Vec<T>(1));
  return e * from_unsigned<T>(unsigned_bits(shifted) << Ieee<T>::mantissa_bits);
}

// e^x - 1 = 2 (2^(n-1) (head + low) - 1/2): halved, so that n = 128 (1024) does not overflow.
template <class T> FOVEA_INLINE Vec<T> expm1(Vec<T> x) {
  const T lowest = -4 - Ieee<T>::mantissa_bits;  // beyond: -1
  const ExpParts<T> p = exp_parts(clamp(x, lowest, ExpTable<T>::highest));
  const Vec<T> half_power = power_of_two(p.n, -1);
  const Vec<T> half = fma(half_power, p.low, fma(half_power, p.head, Vec<T>(-0.5)));
  return select(abs(x) < Vec<T>(kSmallestNormal<T> * 4), x, half + half);  // halving would cost a denormal its last bit
}

// n / (1 + t) for 0 ≤ t ≤ 1, finite n: the reciprocal in two parts, so that only n and the last step are rounded.
template <class T> FOVEA_INLINE Vec<T> over_one_plus(Vec<T> n, Vec<T> t) {
  const Pair<T> d = exact_sum(Vec<T>(1), t);
  const Vec<T> q = Vec<T>(1) / d.high;
  return fma(n, q, n * (q * (remainder(Vec<T>(1), q, d.high) - q * d.low)));
}

// 1 / (1 + e^-x), written with t = e^-|x| ≤ 1: 1 / (1 + t) or t / (1 + t).
template <class T> FOVEA_INLINE Vec<T> sigmoid(Vec<T> x) {
  const Vec<T> t = exp_down(-smaller(Vec<T>(-ExpTable<T>::lowest), abs(x)));
  return over_one_plus(select(x < Vec<T>(0), t, Vec<T>(1)), t);
}

// A function's value and its derivative, which share most of their work.
template <class T> struct WithSlope { Vec<T> value, slope; };

// x σ(z), |z| = magnitude + magnitude_low, z of the sign of x, and its derivative σ(z) + x σ(z) σ(-z) dz. For x < 0 the
// value is x t / (1 + t), the power of two in t applied last: x t may be normal where t = e^-|z| is not.
template <class T>
FOVEA_INLINE WithSlope<T> times_sigmoid(Vec<T> x, Vec<T> magnitude, Vec<T> magnitude_low, Vec<T> dz) {
  const Vec<T> zero(0), one(1), lowest(ExpTable<T>::lowest_product);
  const auto far = magnitude > -lowest, left = x < zero;
  const ExpSplit<T> p = exp_split(larger(lowest, -magnitude), -magnitude_low);
  const bool normal = all_set(magnitude <= Vec<T>(ExpTable<T>::power_is_normal));
  const Vec<T> rest = p.high + p.low, t = scale_down(rest + one, p.n, normal), reached = larger(lowest, x);
  const Vec<T> y = over_one_plus(select(left, fma(reached, rest, reached), x), t);
  const Vec<T> r = one / (one + t), tr = t * r;
  const Vec<T> slope = fma(reached * (tr * r), dz, select(left, tr, r));
  return {select(left, scale_down(y, p.n, normal), select(far, x, y)),
          select(far, select(left, Vec<T>(T(-0.0)), one), slope)};
}

// x σ(x)
template <class T> FOVEA_INLINE WithSlope<T> silu_with_slope(Vec<T> x) {
  return times_sigmoid(x, abs(x), Vec<T>(0), Vec<T>(1));
}
template <class T> FOVEA_INLINE Vec<T> silu(Vec<T> x) { return silu_with_slope(x).value; }

// 2 e^-2a / (1 + e^-2a) = 2 / (e^2a + 1) is what tanh a lacks to 1; below 1 an odd polynomial.
template <class T> FOVEA_INLINE Vec<T> tanh(Vec<T> x) {
  using Table = ExpTable<T>;
  const Vec<T> a = abs(x);
  const Pair<T> square = exact_product(a, a), bend = exact_product(square.high, Vec<T>(Table::tanh0));
  const Vec<T> bend_low = fma(square.low, Vec<T>(Table::tanh0), bend.low);
  const Vec<T> rest = fma(square.high * square.high, polynomial(square.high, Table::tanh), bend_low);
  const Vec<T> near = fma(a, bend.high + rest, a);
  const Vec<T> limited = smaller(Vec<T>(Table::tanh_is_one), a);
  const ExpParts<T> e = exp_parts(limited + limited);
  const Vec<T> power = power_of_two(e.n) * (e.head + e.low);
  const Vec<T> far = Vec<T>(1) - Vec<T>(2) / (power + Vec<T>(1));
  return copysign(select(a < Vec<T>(1), near, far), x);
}

}  // namespace
}  // namespace fovea
