// The normal distribution: erf, and the exact gelu(x) = x Φ(x), whose left tail keeps its relative accuracy down to the
// smallest denormal.
//
//   erf x = x + x Q(x²) for |x| ≤ 1;  erf |x| = 1 - e^G(|x|) beyond
//   Φ(-a) = e^(-a²/2) / (2 D) for a ≥ 0, D = 1 + a + a H(a), H = N / M a rational function
//
// H lies between -0.21 and 0.26: what is rounded in it counts for a fifth in D, and the rest of D is known exactly.
//
// Largest error found with FMA, in ulp (tests/bench/math_ulp.cpp: every f32, a sample of f64):
//   erf 0.99, 1.21   gelu 1.77, 1.65   gelu_tanh 1.83, 1.88   (f32, f64)
//   the slope of gelu 2.46, 2.24, of gelu_tanh 2.45, 2.70 (left of 0, where they vanish, in ulp of 1/4)
#pragma once
#include "tensor/kernels/math_exp.h"

namespace fovea {
namespace {

template <class T> struct NormalTable;
template <> struct NormalTable<float> {
  static constexpr float erf_is_one = 4;        // beyond
  static constexpr float tail_is_zero = 14.5f;  // x Φ(-x) = 0 beyond
  static constexpr float tail_is_normal = 12;   // up to here
  // Q(x²) = erf(x) / x - 1, relative error of erf 2^-29.4
  static constexpr float q[] = {0x1.06eba8p-3f, -0x1.81273ep-2f,  0x1.ce2ce6p-4f, -0x1.b7f71ap-6f,
                                0x1.53f224p-8f, -0x1.a3515ap-11f, 0x1.4771d8p-14f};
  // G(x) = log(1 - erf x) = g0 + x (g1 + g[0] x + g[1] x² + …) for 1 ≤ x ≤ 4, relative error of erf 2^-29.8
  static constexpr float g0 = -0x1.662836p-12f, g1 = -0x1.2088e8p+0f;
  static constexpr float g[] = {-0x1.46baf4p-1f, -0x1.a65312p-4f, 0x1.65cb36p-6f, -0x1.825acap-9f, 0x1.86ddf0p-13f};
  // H(a) = N(a) / M(a) for 0 ≤ a ≤ 14.5, relative error of D 2^-26.9
  static constexpr float n[] = {-0x1.9dee8cp-3f, -0x1.4a5f0cp-5f, 0x1.647936p-6f, 0x1.941318p-7f, 0x1.0fa1dp-9f};
  static constexpr float m[] = {1, 0x1.c03ca8p-1f, 0x1.765b8ap-2f, 0x1.4b94e6p-4f, 0x1.0c1810p-7f};
};
template <> struct NormalTable<double> {
  static constexpr double erf_is_one = 6;
  static constexpr double tail_is_zero = 39;
  static constexpr double tail_is_normal = 37;
  // relative error of erf 2^-56.0
  static constexpr double q[] = {0x1.06eba8214db68p-3,   -0x1.812746b03799dp-2,  0x1.ce2f21a03f8acp-4,
                                 -0x1.b82ce311a909fp-6,  0x1.565bcceec27a9p-8,   -0x1.c02daeb20bbefp-11,
                                 0x1.f9a2961abf10dp-14,  -0x1.f4c823a953293p-17, 0x1.b96ad27c22e02p-20,
                                 -0x1.5b88bf1faa928p-23, 0x1.d3c0d7910ae69p-27,  -0x1.a1de2a898468cp-31};
  // 1 ≤ x ≤ 6, relative error of erf 2^-54.6
  static constexpr double g0 = -0x1.1d70afc1b2316p-20, g1 = -0x1.20dcc5a64d4b6p+0;
  static constexpr double g[] = {-0x1.45f94aa9dc16bp-1,  -0x1.a46766d49a1fcp-4,  0x1.351755e9c556ap-6,
                                 0x1.323094f745089p-11,  -0x1.131594e7da2e4p-9,  0x1.e24c6ff51036ap-11,
                                 -0x1.e3ac2bfa7f510p-13, 0x1.d5a5336f3c4b1p-16,  0x1.e4d42b4bb31b4p-19,
                                 -0x1.66cd321748c57p-19, 0x1.7143bb5f19a3bp-21,  -0x1.d0d79a08c1c54p-24,
                                 0x1.76aadd4332f9cp-27,  -0x1.665f36fefc427p-31, 0x1.377cec69cefc8p-36};
  // 0 ≤ a ≤ 39, relative error of D 2^-56.6
  static constexpr double n[] = {-0x1.9deeb30af26b9p-3, -0x1.9573a347b00ddp-3, -0x1.288cda3d3a4f7p-4,
                                 0x1.5f2e743ed7296p-10, 0x1.a63ea9dc57b59p-7,  0x1.a2d4b794a51f0p-8,
                                 0x1.d60f7901c70f6p-10, 0x1.5aa234520ff6bp-12, 0x1.53ed5f93392f4p-15,
                                 0x1.9d26cd0547045p-19, 0x1.e64a4bd05ca9bp-24};
  static constexpr double m[] = {1,
                                 0x1.a7cc4bde4c4fbp+0,
                                 0x1.5bcd6de5dd392p+0,
                                 0x1.6dacd9e7187c1p-1,
                                 0x1.0e2fab2ec381ap-2,
                                 0x1.23da7836a23c5p-4,
                                 0x1.d222e55b6627ep-7,
                                 0x1.101431969ca37p-9,
                                 0x1.be0d90d01db47p-13,
                                 0x1.d2f3cff9867c2p-17,
                                 0x1.dfed935bbe65cp-22};
};

template <class T> FOVEA_INLINE Vec<T> erf(Vec<T> x) {
  using Table = NormalTable<T>;
  const Vec<T> a = abs(x);
  const Vec<T> near = fma(a, polynomial(a * a, Table::q), a);
  const Vec<T> limited = smaller(Vec<T>(Table::erf_is_one), a);
  const Pair<T> slope = exact_sum(Vec<T>(Table::g1), limited * polynomial(limited, Table::g));
  const Pair<T> g = exact_product(limited, slope.high);  // G but for what is small
  const ExpParts<T> complement = exp_parts(g.high, g.low + fma(limited, slope.low, Vec<T>(Table::g0)));
  const Vec<T> far = Vec<T>(1) - power_of_two(complement.n) * (complement.head + complement.low);
  return copysign(select(a < Vec<T>(1), near, far), x);
}

// x Φ(x), which for x ≥ 0 is x - x Φ(-x), and its derivative Φ(x) + x φ(x). With m 2^n = e^(-a²/2), r = 1 / D:
//   a Φ(-a) = a/2 r m 2^n      Φ(-a) - a φ(a) = (r/2 - a / √(2π)) m 2^n
template <class T> FOVEA_INLINE WithSlope<T> gelu_with_slope(Vec<T> x) {
  using Table = NormalTable<T>;
  const Vec<T> one(1), a = smaller(Vec<T>(Table::tail_is_zero), abs(x)), half = Vec<T>(0.5) * a;
  const Vec<T> sum = one + a, sum_low = a - (sum - one);
  const Pair<T> d = exact_sum(sum, fma(a, polynomial(a, Table::n) / polynomial(a, Table::m), sum_low));
  const Vec<T> r = one / d.high;
  const Pair<T> square = exact_product(-half, a);
  const ExpSplit<T> m = exp_split(square.high, square.low);

  const Vec<T> q = half * r, q_low = (remainder(half, q, d.high) - q * d.low) * r;
  const bool normal = all_set(a <= Vec<T>(Table::tail_is_normal));
  const Vec<T> tail = scale_down(q + fma(q, m.high, fma(q, m.low, q_low)), m.n, normal);
  const Vec<T> k = fma(a, Vec<T>(T(-0.39894228040143267794)), Vec<T>(0.5) * r);
  const Vec<T> slope = scale_down(fma(k, m.high, fma(k, m.low, k)), m.n, normal);
  // x - tail on the right, -tail on the left, -0 at -0.
  return {larger(Vec<T>(T(-0.0)), x) - tail, select(x < Vec<T>(0), slope, one - slope)};
}
template <class T> FOVEA_INLINE Vec<T> gelu(Vec<T> x) { return gelu_with_slope(x).value; }

// x/2 (1 + tanh(z/2)) = x σ(z), z = 2 √(2/π) (x + 0.044715 x³), the tanh approximation of gelu. An error of z is
// multiplied by z in the left tail, so z is computed to more digits than T has.
template <class T> FOVEA_INLINE WithSlope<T> gelu_tanh_with_slope(Vec<T> x) {
  constexpr double linear = 0x1.9884533d43651p+0, cubic = 0x1.2444f2a4d8b4bp-4;  // 2 √(2/π), and times 0.044715
  constexpr double linear_low = -0x1.cbc0d30ebfd15p-54, cubic_low = -0x1.6c843a29d1c70p-61;
  constexpr T l = T(linear), l_low = T((linear - double(l)) + linear_low);
  constexpr T c = T(cubic), c_low = T((cubic - double(c)) + cubic_low);
  const Vec<T> a = smaller(Vec<T>(NormalTable<T>::tail_is_zero), abs(x));  // beyond, the result is x or 0 anyway
  const Pair<T> square = exact_product(a, a), bent = exact_product(Vec<T>(c), square.high);
  const Vec<T> bent_low = bent.low + fma(Vec<T>(c), square.low, Vec<T>(c_low) * square.high);
  const Vec<T> sum = Vec<T>(l) + bent.high, part = sum - Vec<T>(l);  // a sum exact in either order (Knuth)
  const Vec<T> sum_low = (Vec<T>(l) - (sum - part)) + (bent.high - part) + (bent_low + Vec<T>(l_low));
  const Pair<T> z = exact_product(a, sum);
  const Vec<T> dz = fma(Vec<T>(3), bent.high, Vec<T>(l));
  return times_sigmoid(x, z.high, fma(a, sum_low, z.low), dz);
}
template <class T> FOVEA_INLINE Vec<T> gelu_tanh(Vec<T> x) { return gelu_tanh_with_slope(x).value; }

}  // namespace
}  // namespace fovea
