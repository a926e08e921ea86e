// Sine and cosine.
//
//   x = n π/2 + r, |r| ≤ π/4 and a little, then the sine or cosine of r, by n modulo 4
//   sin r = r + r³ S(r²), cos r = 1 - r²/2 + r⁴ C(r²)
//
// Up to |x| = reach, n π/2 is taken away in parts that leave no rounding behind (Cody & Waite 1980); beyond it
// a lane at a time with as many digits of 2/π as it takes (Payne & Hanek 1983), so the result is right for
// every number there is.
//
// Largest error found with FMA, in ulp (tests/bench/math_ulp.cpp: a stride of f32, as many f64), f32 and f64:
//   sin 1.56, 1.53   cos 1.52, 1.57
#pragma once
#include "tensor/kernels/math_tools.h"

namespace fovea {
namespace {

template <class T> struct TrigTable;
template <> struct TrigTable<float> {
  // Without a fused multiply-add the first parts of π/2 are short: n times each must be exact.
  static constexpr float reach = kFused ? 131072 : 6000;
  static constexpr float half_pi[] = {kFused ? 0x1.921fb6p+0f : 0x1.922p+0f, kFused ? -0x1.777a5cp-25f : -0x1.2aep-18f,
                                      kFused ? -0x1.ee59dap-50f : -0x1.deap-31f, kFused ? 0 : 0x1.184698p-44f};
  static constexpr float per_half_pi = 0x1.45f306p-1f;
  static constexpr float s[] = {-0x1.555544p-3f, 0x1.1106bcp-7f, -0x1.99163cp-13f};  // relative error 2^-27.9
  static constexpr float c[] = {0x1.55554ap-5f, -0x1.6c0c1ap-10f, 0x1.99e0e4p-16f};  // 2^-33.1
};
template <> struct TrigTable<double> {
  static constexpr double reach = kFused ? 0x1p30 : 0x1p20;
  static constexpr double half_pi[] = {
      kFused ? 0x1.921fb54442d18p+0 : 0x1.921fb544p+0, kFused ? 0x1.1a62633145c07p-54 : 0x1.0b4611a6p-34,
      kFused ? -0x1.f1976b7ed8fbcp-110 : 0x1.3198a2ep-69, kFused ? 0 : 0x1.b839a252049c1p-104};
  static constexpr double per_half_pi = 0x1.45f306dc9c883p-1;
  static constexpr double s[] = {-0x1.5555555555547p-3, 0x1.111111110f579p-7,   -0x1.a01a019badf0cp-13,
                                 0x1.71de351eabff7p-19, -0x1.ae5e1eb5c2d95p-26, 0x1.5d7dce71daa84p-33};  // 2^-57.8
  static constexpr double c[] = {0x1.555555555554ap-5,   -0x1.6c16c16c14dc4p-10, 0x1.a01a019c515cep-16,
                                 -0x1.27e4f7c239191p-22, 0x1.1ee9b9e5fd401p-29,  -0x1.8f942184e9903p-37};  // 2^-63.9
};

// The binary digits of 2/π: 64 zeros before the point, then 1216 after it.
constexpr uint64_t kTwoOverPi[] = {0,
                                   0xa2f9836e4e441529u,
                                   0xfc2757d1f534ddc0u,
                                   0xdb6295993c439041u,
                                   0xfe5163abdebbc561u,
                                   0xb7246e3a424dd2e0u,
                                   0x06492eea09d1921cu,
                                   0xfe1deb1cb129a73eu,
                                   0xe88235f52ebb4484u,
                                   0xe99c7026b45f7e41u,
                                   0x3991d639835339f4u,
                                   0x9c845f8bbdf9283bu,
                                   0x1ff897ffde05980fu,
                                   0xef2f118b5a0a6d1fu,
                                   0x6d367ecf27cb09b7u,
                                   0x4f463f669e5fea2du,
                                   0x7527bac7ebe5f17bu,
                                   0x3d0739f78a5292eau,
                                   0x6bfb5fb11f8d5d08u,
                                   0x56033046fc7b6babu};

// x = n π/2 + r, n modulo 4.
template <class T> struct Quarters { T n, r; };

// For finite |x| ≥ 4096. With |x| = m 2^e, m an integer of 53 bits, 192 digits of 2/π matter: those before them make
// multiples of 4, those behind them less than 2^-137, and no f64 is nearer than 2^-62 to a multiple of π/2.
inline Quarters<double> reduce_huge(double x) {
  __extension__ typedef unsigned __int128 Wide;
  const uint64_t bits = std::bit_cast<uint64_t>(x), hidden = uint64_t(1) << 52;
  const uint64_t m = (bits & (hidden - 1)) | hidden;
  const int e = int((bits >> 52) & 0x7ff) - 1075;
  const int skipped = 64 + e - 2, word = skipped / 64, shift = skipped % 64;
  uint64_t window[3];
  for (int i = 0; i < 3; ++i) {
    window[i] = kTwoOverPi[word + i] << shift;
    if (shift > 0) window[i] |= kTwoOverPi[word + i + 1] >> (64 - shift);
  }
  // |x| 2/π modulo 4, in units of 2^-126: two bits for the quarter, 126 behind the point.
  const Wide middle = Wide(m) * window[1] + uint64_t((Wide(m) * window[2]) >> 64);
  const Wide product = (Wide(m * window[0] + uint64_t(middle >> 64)) << 64) | uint64_t(middle);
  const int n = int((product + (Wide(1) << 125)) >> 126);
  const Wide fraction = product << 2;  // from -1/2 to 1/2, in units of 2^-128, as a two's complement number
  const bool below = (fraction >> 127) != 0;
  const Wide size = below ? -fraction : fraction;
  // In two doubles of 27 and 53 bits, times π/2 in two of 26 and 53: the first product is exact.
  const double first = double(uint64_t(size >> 101)) * 0x1p-27, second = double(uint64_t(size >> 37)) * 0x1p-91;
  const double r = first * 0x1.921fb5p+0 + (first * 0x1.110b4611a6263p-26 + second * 0x1.921fb54442d18p+0);
  const bool left = x < 0;
  return {double(left ? -n : n), below != left ? -r : r};
}

template <class T> struct Reduced {
  Vec<T> r;
  typename Ieee<T>::Unsigned n;  // its two lowest bits
};

template <class T> FOVEA_INLINE Reduced<T> reduce(Vec<T> x) {
  using Table = TrigTable<T>;
  const auto far = abs(x) > Vec<T>(Table::reach);
  const Vec<T> near = select(far, Vec<T>(0), x);
  Whole<T> n = round_product(near, Table::per_half_pi);
  Vec<T> r = near;
  FOVEA_EACH_LANE
  for (int i = 0; i < (kFused ? 3 : 4); ++i) r = fma(n.value, Vec<T>(-Table::half_pi[i]), r);
  bool any = false;
  for (int i = 0; i < Vec<T>::size; ++i) any |= far[i] != 0;
  if (__builtin_expect(any, false)) {
    T in[Vec<T>::size], lane_n[Vec<T>::size], lane_r[Vec<T>::size];
    x.store(in), n.value.store(lane_n), r.store(lane_r);
    for (int i = 0; i < Vec<T>::size; ++i) {
      if (far[i] == 0) continue;
      const Quarters<double> q = reduce_huge(double(in[i]));
      lane_n[i] = T(q.n), lane_r[i] = T(q.r);
    }
    n.shifted = Vec<T>::load(lane_n) + Vec<T>(Ieee<T>::round_shift);
    r = Vec<T>::load(lane_r);
  }
  r = select(abs(x) == Vec<T>(kInfinity<T>), Vec<T>(kNan<T>), r);
  return {r, unsigned_bits(n.shifted)};
}

// sin(r + n π/2): the sine of r for even n, its cosine for odd n, negative for n = 2, 3 modulo 4.
template <class T> FOVEA_INLINE Vec<T> sine_of(Reduced<T> x) {
  using Unsigned = typename Ieee<T>::Unsigned;
  const Vec<T> square = x.r * x.r;
  const Vec<T> sine = fma(x.r * square, polynomial(square, TrigTable<T>::s), x.r);
  const Vec<T> cosine = fma(square * square, polynomial(square, TrigTable<T>::c), fma(square, Vec<T>(-0.5), Vec<T>(1)));
  const auto odd = (x.n & 1) != 0;
  const Unsigned sign = (x.n >> 1) << (8 * sizeof(T) - 1);
  return from_unsigned<T>(unsigned_bits(select(odd, cosine, sine)) ^ sign);
}

template <class T> FOVEA_INLINE Vec<T> sin(Vec<T> x) {
  const Vec<T> y = sine_of(reduce(x));
  return select(x == Vec<T>(0), x, y);
}

// cos x = sin(x + π/2)
template <class T> FOVEA_INLINE Vec<T> cos(Vec<T> x) {
  Reduced<T> reduced = reduce(x);
  reduced.n += 1;
  return sine_of(reduced);
}

}  // namespace
}  // namespace fovea
