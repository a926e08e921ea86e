// The normal distribution: erf, its function Φ and density φ, and the exact gelu(x) = x Φ(x), whose left tail
// keeps its relative accuracy down to the smallest denormal.
//
//   |x| ≤ 1:  erf x = x + x Q(x²), Φ(x) = 1/2 + x P(x²)
//   |x| ≥ 1:  erf |x| = 1 - e^G(|x|)
//             |x| Φ(-|x|) = W(v) e^(-x²/2), v = 1 / (|x| + 4); W falls from 1/√(2π) at v = 0 to 0.26
//
// Largest error found with FMA, in ulp (tests/bench/math_ulp.cpp: a stride of f32, as many f64), f32 and f64:
//   erf 0.96, 1.10   normal_cdf 2.4, 2.4   normal_pdf 1.00, 1.16   gelu 1.5, 1.5   gelu_tanh 1.4, 1.5
//   gelu_derivative 2.7, 2.7 (near its zero at -0.75: in ulp of 1/4)
#pragma once
#include "tensor/kernels/math_exp.h"

namespace fovea {
namespace {

template <class T> struct NormalTable;
template <> struct NormalTable<float> {
  static constexpr float erf_is_one = 4;     // beyond
  static constexpr float tail_is_zero = 15;  // x Φ(-x) = 0 beyond
  static constexpr float per_sqrt_two_pi = 0x1.988454p-2f;
  // Q(x²) = erf(x) / x - 1, relative error of erf 2^-29.4
  static constexpr float q[] = {0x1.06eba8p-3f, -0x1.81273ep-2f,  0x1.ce2ce6p-4f, -0x1.b7f71ap-6f,
                                0x1.53f224p-8f, -0x1.a3515ap-11f, 0x1.4771d8p-14f};
  // P(z) = (Φ(x) - 1/2) / x = p0 + z (p[0] + p[1] z + …) for z = x² ≤ 1, error relative to Φ(-|x|) 2^-28.4
  static constexpr float p0 = 0x1.988454p-2f;
  static constexpr float p[] = {-0x1.105862p-4f, 0x1.46d558p-7f, -0x1.376e9ep-10f, 0x1.e26a5ep-14f, -0x1.12158ap-17f};
  // G(x) = log(1 - erf x) = g0 + x (g[0] + g[1] x + …) for 1 ≤ x ≤ 4, relative error of erf 2^-29.8
  static constexpr float g0 = -0x1.662836p-12f;
  static constexpr float g[] = {-0x1.2088e8p+0f, -0x1.46baf4p-1f, -0x1.a65312p-4f,
                                0x1.65cb36p-6f,  -0x1.825acap-9f, 0x1.86ddf0p-13f};
  // W(v) = w0 + v (w[0] + w[1] v + …) for |x| from 1 to 15, relative error 2^-27.0
  static constexpr float w0 = 0x1.988f9ap-2f;
  static constexpr float w[] = {-0x1.067c9p-8f,  -0x1.e5c2f4p-3f, -0x1.ba126ep+2f,  0x1.1b945cp+5f,
                                -0x1.211c9ep+9f, 0x1.44c540p+11f, -0x1.5ecee0p+13f, 0x1.9d6334p+13f};
};
template <> struct NormalTable<double> {
  static constexpr double erf_is_one = 6;
  static constexpr double tail_is_zero = 39;
  static constexpr double per_sqrt_two_pi = 0x1.9884533d43651p-2;
  // relative error of erf 2^-56.0
  static constexpr double q[] = {0x1.06eba8214db68p-3,   -0x1.812746b03799dp-2,  0x1.ce2f21a03f8acp-4,
                                 -0x1.b82ce311a909fp-6,  0x1.565bcceec27a9p-8,   -0x1.c02daeb20bbefp-11,
                                 0x1.f9a2961abf10dp-14,  -0x1.f4c823a953293p-17, 0x1.b96ad27c22e02p-20,
                                 -0x1.5b88bf1faa928p-23, 0x1.d3c0d7910ae69p-27,  -0x1.a1de2a898468cp-31};
  // error relative to Φ(-|x|) 2^-58.3
  static constexpr double p0 = 0x1.9884533d43651p-2;
  static constexpr double p[] = {-0x1.1058377e2cf52p-4,  0x1.46d042976d632p-7,   -0x1.37403f6cd37e8p-10,
                                 0x1.e42b0db121ca5p-14,  -0x1.3ce9039a2e2b8p-17, 0x1.658b26758e730p-21,
                                 -0x1.6234c5b2135a1p-25, 0x1.39313389e6a68p-29,  -0x1.f6706be9fcc6dp-34,
                                 0x1.4d930e9b3b85ap-38};
  // 1 ≤ x ≤ 6, relative error of erf 2^-54.6
  static constexpr double g0 = -0x1.1d70afc1b2316p-20;
  static constexpr double g[] = {
      -0x1.20dcc5a64d4b6p+0,  -0x1.45f94aa9dc16bp-1, -0x1.a46766d49a1fcp-4,  0x1.351755e9c556ap-6,
      0x1.323094f745089p-11,  -0x1.131594e7da2e4p-9, 0x1.e24c6ff51036ap-11,  -0x1.e3ac2bfa7f510p-13,
      0x1.d5a5336f3c4b1p-16,  0x1.e4d42b4bb31b4p-19, -0x1.66cd321748c57p-19, 0x1.7143bb5f19a3bp-21,
      -0x1.d0d79a08c1c54p-24, 0x1.76aadd4332f9cp-27, -0x1.665f36fefc427p-31, 0x1.377cec69cefc8p-36};
  // |x| from 1 to 39, relative error 2^-56.6
  static constexpr double w0 = 0x1.9884533d59d52p-2;
  static constexpr double w[] = {
      -0x1.bbe2ce3d64db9p-30, -0x1.98844365ef5c4p-2, -0x1.98850509c345ep+1,  -0x1.1f37aafcf73dep+4,
      -0x1.4c2878b42fb34p+6,  -0x1.4314cfc79c2c9p+8, -0x1.178e611c102a6p+10, -0x1.7695bd00fe604p+10,
      -0x1.78341b2d5b146p+14, 0x1.190c1d52c93cfp+18, -0x1.75a442d4d6887p+21, 0x1.b0de731d9bcd3p+24,
      -0x1.819d836a4ff61p+27, 0x1.112097adab350p+30, -0x1.2c38c23acdce5p+32, 0x1.e7b57fde1fafdp+33,
      -0x1.17aa6828b061fp+35, 0x1.abed14ce4bb73p+35, -0x1.890c80a32e0b9p+35, 0x1.490827e41ff08p+34};
};

template <class T> FOVEA_INLINE Vec<T> erf(Vec<T> x) {
  using Table = NormalTable<T>;
  const Vec<T> a = abs(x);
  const Vec<T> near = fma(a, polynomial(a * a, Table::q), a);
  const Vec<T> limited = select(a > Vec<T>(Table::erf_is_one), Vec<T>(Table::erf_is_one), a);
  const Pair<T> g = exact_product(limited, polynomial(limited, Table::g));  // G but for g0, which is small
  const ExpParts<T> complement = exp_parts(g.high, g.low + Vec<T>(Table::g0));
  const Vec<T> far = Vec<T>(1) - power_of_two(complement.n) * (complement.head + complement.low);
  return copysign(select(a < Vec<T>(1), near, far), x);
}

// e^(-a²/2), the square to twice the digits of T; a at most tail_is_zero.
template <class T> FOVEA_INLINE ExpParts<T> gaussian_parts(Vec<T> a) {
  const Pair<T> square = exact_product(a, a);
  return exp_parts(Vec<T>(-0.5) * square.high, Vec<T>(-0.5) * square.low);
}

// W(v) for a ≥ 1. W is steep in v near 1, so what rounding took from v is put back to first order.
template <class T> FOVEA_INLINE Pair<T> tail_factor(Vec<T> a) {
  const Vec<T> d = a + Vec<T>(4), d_low = a - (d - Vec<T>(4)), v = Vec<T>(1) / d;
  const Vec<T> v_low = v * (remainder(Vec<T>(1), v, d) - v * d_low);
  const Vec<T> slope = v * fma(v, Vec<T>(-123), Vec<T>(10));  // dW/dv, to a fifth where it matters
  const Pair<T> sum = exact_sum(Vec<T>(NormalTable<T>::w0), v * polynomial(v, NormalTable<T>::w));
  return {sum.high, fma(v_low, slope, sum.low)};
}

// W e^(-a²/2), as scale() wants it.
template <class T> FOVEA_INLINE Vec<T> tail_mantissa(Pair<T> w, const ExpParts<T>& p) {
  return fma(w.high, p.head, fma(w.high, p.low, w.low * p.head));
}

template <class T> FOVEA_INLINE Vec<T> limit_to_tail(Vec<T> a) {
  return select(a > Vec<T>(NormalTable<T>::tail_is_zero), Vec<T>(NormalTable<T>::tail_is_zero), a);
}

// φ(x) = e^(-x²/2) / √(2π)
template <class T> FOVEA_INLINE Vec<T> normal_pdf(Vec<T> x) {
  const ExpParts<T> p = gaussian_parts(limit_to_tail(abs(x)));
  const Vec<T> factor(NormalTable<T>::per_sqrt_two_pi);
  return scale(times_mantissa(factor, p), p.n);
}

// Φ(x) for |x| ≤ 1. The second part holds what rounding took from P, which counts where x P cancels the 1/2.
template <class T> FOVEA_INLINE Pair<T> cdf_near_zero(Vec<T> x) {
  const Vec<T> z = x * x;
  const Pair<T> p = exact_sum(Vec<T>(NormalTable<T>::p0), z * polynomial(z, NormalTable<T>::p));
  return {fma(x, p.high, Vec<T>(0.5)), x * p.low};
}

// Φ(x) = (1 + erf(x / √2)) / 2
template <class T> FOVEA_INLINE Vec<T> normal_cdf(Vec<T> x) {
  const Vec<T> a = limit_to_tail(abs(x));
  const Pair<T> w = tail_factor(a);
  const ExpParts<T> p = gaussian_parts(a);
  const Vec<T> tail = scale(tail_mantissa(w, p) / a, p.n);
  const Pair<T> near = cdf_near_zero(x);
  return select(a < Vec<T>(1), near.high + near.low, select(x > Vec<T>(0), Vec<T>(1) - tail, tail));
}

// x Φ(x); for x ≥ 1 it is x - x Φ(-x).
template <class T> FOVEA_INLINE Vec<T> gelu(Vec<T> x) {
  const Vec<T> a = limit_to_tail(abs(x));
  const Pair<T> w = tail_factor(a);
  const ExpParts<T> p = gaussian_parts(a);
  const Vec<T> tail = scale(tail_mantissa(w, p), p.n);
  const Pair<T> near = cdf_near_zero(x);
  return select(a < Vec<T>(1), fma(x, near.high, x * near.low), select(x > Vec<T>(0), x - tail, -tail));
}

// Φ(x) + x φ(x)
template <class T> FOVEA_INLINE Vec<T> gelu_derivative(Vec<T> x) {
  const Vec<T> a = limit_to_tail(abs(x));
  const ExpParts<T> p = gaussian_parts(a);
  const Vec<T> factor(NormalTable<T>::per_sqrt_two_pi);
  const Vec<T> mantissa = tail_factor(a).high / a - a * factor;
  const Vec<T> tail = scale(times_mantissa(mantissa, p), p.n);
  const Vec<T> density = power_of_two(p.n) * times_mantissa(factor, p);
  const Pair<T> near = cdf_near_zero(x);
  return select(a < Vec<T>(1), fma(x, density, near.high + near.low), select(x > Vec<T>(0), Vec<T>(1) - tail, tail));
}

// x/2 (1 + tanh(z/2)) = x σ(z), z = 2 √(2/π) (x + 0.044715 x³), the tanh approximation of gelu. An error of z is
// multiplied by z in the left tail, so z is computed to more digits than T has.
template <class T> FOVEA_INLINE Vec<T> gelu_tanh(Vec<T> x) {
  constexpr double linear = 0x1.9884533d43651p+0, cubic = 0x1.2444f2a4d8b4bp-4;  // 2 √(2/π), and times 0.044715
  constexpr double linear_low = -0x1.cbc0d30ebfd15p-54, cubic_low = -0x1.6c843a29d1c70p-61;
  constexpr T l = T(linear), l_low = T((linear - double(l)) + linear_low);
  constexpr T c = T(cubic), c_low = T((cubic - double(c)) + cubic_low);
  const Vec<T> magnitude = abs(x), a = limit_to_tail(magnitude);  // beyond, the result is x or 0 anyway
  const Pair<T> square = exact_product(a, a), bent = exact_product(Vec<T>(c), square.high);
  const Vec<T> bent_low = bent.low + fma(Vec<T>(c), square.low, Vec<T>(c_low) * square.high);
  const Vec<T> sum = Vec<T>(l) + bent.high, part = sum - Vec<T>(l);  // a sum exact in either order (Knuth)
  const Vec<T> sum_low = (Vec<T>(l) - (sum - part)) + (bent.high - part) + (bent_low + Vec<T>(l_low));
  const Pair<T> z = exact_product(a, sum);
  return times_sigmoid(x, z.high, fma(a, sum_low, z.low));
}

}  // namespace
}  // namespace fovea
