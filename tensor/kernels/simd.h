// The one place that knows what a vector register looks like. Vec<T> is as many lanes of T as the instruction
// set of the file being compiled holds; everything else in tensor/kernels/ is written over it, once.
//
// It stands on the compilers' vector extensions, not on intrinsics: the same source serves SSE2, AVX2, AVX-512
// and NEON. Everything sits in an unnamed namespace, so that no symbol compiled for a newer machine can be
// picked by the linker for an older one.
#pragma once
#include <bit>
#include <cstdint>
#include <cstring>

#define FOVEA_INLINE inline __attribute__((always_inline))
#define FOVEA_INLINE_LAMBDA __attribute__((always_inline))

// A loop over the lanes of a register, unrolled so that the compiler turns it into one instruction.
#if defined(__clang__)
#define FOVEA_EACH_LANE _Pragma("clang loop unroll(full)")
#else
#define FOVEA_EACH_LANE _Pragma("GCC unroll 64")
#endif

namespace fovea {
namespace {

#if defined(FOVEA_VECTOR_BYTES)  // the tests build the 64-byte code for machines without 64-byte registers
constexpr int kVectorBytes = FOVEA_VECTOR_BYTES;
#elif defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif

#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
constexpr bool kFused = true;
#else
constexpr bool kFused = false;  // a * b + c is rounded twice: the one level whose bits differ
#endif

template <class T> struct Register;  // the raw vector type, and the integers of the same width
template <> struct Register<float> {
  typedef float Raw __attribute__((vector_size(kVectorBytes)));
  typedef int32_t Bits __attribute__((vector_size(kVectorBytes)));
  using Int = int32_t;
};
template <> struct Register<double> {
  typedef double Raw __attribute__((vector_size(kVectorBytes)));
  typedef int64_t Bits __attribute__((vector_size(kVectorBytes)));
  using Int = int64_t;
};

// The compilers turn the lane loop of fma() below into one instruction by themselves. Where they know a name for the
// instruction, using it halves the time that they take.
#if defined(__AVX512F__) && !defined(FOVEA_VECTOR_BYTES)
constexpr bool kNativeFma = true;
FOVEA_INLINE auto native_fma(Register<float>::Raw a, Register<float>::Raw b, Register<float>::Raw c) {
  return __builtin_ia32_vfmaddps512_mask(a, b, c, uint16_t(-1), 4);  // 4: round as the processor is set to
}
FOVEA_INLINE auto native_fma(Register<double>::Raw a, Register<double>::Raw b, Register<double>::Raw c) {
  return __builtin_ia32_vfmaddpd512_mask(a, b, c, uint8_t(-1), 4);
}
#elif defined(__AVX2__) && defined(__FMA__) && !defined(FOVEA_VECTOR_BYTES)
constexpr bool kNativeFma = true;
FOVEA_INLINE auto native_fma(Register<float>::Raw a, Register<float>::Raw b, Register<float>::Raw c) {
  return __builtin_ia32_vfmaddps256(a, b, c);
}
FOVEA_INLINE auto native_fma(Register<double>::Raw a, Register<double>::Raw b, Register<double>::Raw c) {
  return __builtin_ia32_vfmaddpd256(a, b, c);
}
#else
constexpr bool kNativeFma = false;
template <class Raw> Raw native_fma(Raw a, Raw, Raw) { return a; }  // never called
#endif

// a > b ? a : b and a < b ? a : b in one instruction, which g++ makes two of.
#if defined(__AVX512F__) && !defined(__clang__) && !defined(FOVEA_VECTOR_BYTES)
FOVEA_INLINE auto larger_of(Register<float>::Raw a, Register<float>::Raw b) {
  return __builtin_ia32_maxps512_mask(a, b, a, uint16_t(-1), 4);
}
FOVEA_INLINE auto larger_of(Register<double>::Raw a, Register<double>::Raw b) {
  return __builtin_ia32_maxpd512_mask(a, b, a, uint8_t(-1), 4);
}
FOVEA_INLINE auto smaller_of(Register<float>::Raw a, Register<float>::Raw b) {
  return __builtin_ia32_minps512_mask(a, b, a, uint16_t(-1), 4);
}
FOVEA_INLINE auto smaller_of(Register<double>::Raw a, Register<double>::Raw b) {
  return __builtin_ia32_minpd512_mask(a, b, a, uint8_t(-1), 4);
}
#elif defined(__AVX2__) && !defined(__AVX512F__) && !defined(FOVEA_VECTOR_BYTES)
FOVEA_INLINE auto larger_of(Register<float>::Raw a, Register<float>::Raw b) { return __builtin_ia32_maxps256(a, b); }
FOVEA_INLINE auto larger_of(Register<double>::Raw a, Register<double>::Raw b) { return __builtin_ia32_maxpd256(a, b); }
FOVEA_INLINE auto smaller_of(Register<float>::Raw a, Register<float>::Raw b) { return __builtin_ia32_minps256(a, b); }
FOVEA_INLINE auto smaller_of(Register<double>::Raw a, Register<double>::Raw b) { return __builtin_ia32_minpd256(a, b); }
#else
template <class Raw> FOVEA_INLINE Raw larger_of(Raw a, Raw b) { return a > b ? a : b; }
template <class Raw> FOVEA_INLINE Raw smaller_of(Raw a, Raw b) { return a < b ? a : b; }
#endif

// 64-bit lanes of whole numbers, and the products of their lower halves: 32 x 32 bits give 64, in one instruction where
// its name is known to g++; clang finds it by itself.
typedef uint64_t Words64 __attribute__((vector_size(kVectorBytes)));
FOVEA_INLINE Words64 multiply_lower(Words64 a, Words64 b) {
#if defined(__x86_64__) && !defined(__clang__) && !defined(FOVEA_VECTOR_BYTES)
  typedef int32_t Halves __attribute__((vector_size(kVectorBytes)));
#if defined(__AVX512F__)
  typedef long long Products __attribute__((vector_size(kVectorBytes)));
  return (Words64)__builtin_ia32_pmuludq512_mask((Halves)a, (Halves)b, Products{}, uint8_t(-1));
#elif defined(__AVX2__)
  return (Words64)__builtin_ia32_pmuludq256((Halves)a, (Halves)b);
#else
  return (Words64)__builtin_ia32_pmuludq128((Halves)a, (Halves)b);
#endif
#else
  return (a & 0xFFFFFFFFu) * (b & 0xFFFFFFFFu);
#endif
}

// A register full of T.
template <class T> struct Vec {
  static constexpr int size = kVectorBytes / int(sizeof(T));
  using Int = typename Register<T>::Int;
  using Raw = typename Register<T>::Raw;
  using Bits = typename Register<T>::Bits;  // also the type of a mask: 0 or -1 in each lane

  Raw raw;

  Vec() = default;
  FOVEA_INLINE Vec(Raw r) : raw(r) {}
  FOVEA_INLINE Vec(T value) : raw(value - Raw{}) {}  // x - 0 keeps the sign of a zero: -0 - (+0) = -0

  static FOVEA_INLINE Vec load(const T* from) {
    Vec v;
    std::memcpy(&v.raw, from, kVectorBytes);
    return v;
  }
  FOVEA_INLINE void store(T* to) const { std::memcpy(to, &raw, kVectorBytes); }

  // The first `count` lanes; the others read as `fill` and are not written. (g++ makes masked moves of these loops.)
  static FOVEA_INLINE Vec load_first(const T* from, int count, T fill = T(0)) {
    T lanes[size];
    for (int i = 0; i < size; ++i) lanes[i] = Int(i) < Int(count) ? from[i] : fill;
    return load(lanes);
  }
  FOVEA_INLINE void store_first(T* to, int count) const {
    T lanes[size];
    store(lanes);
    for (int i = 0; i < size; ++i) {
      if (Int(i) < Int(count)) to[i] = lanes[i];
    }
  }

  FOVEA_INLINE Bits bits() const { return (Bits)raw; }
  static FOVEA_INLINE Vec from_bits(Bits b) { return Vec((Raw)b); }
  FOVEA_INLINE T operator[](int lane) const { return raw[lane]; }

  friend FOVEA_INLINE Vec operator+(Vec a, Vec b) { return Vec(a.raw + b.raw); }
  friend FOVEA_INLINE Vec operator-(Vec a, Vec b) { return Vec(a.raw - b.raw); }
  friend FOVEA_INLINE Vec operator*(Vec a, Vec b) { return Vec(a.raw * b.raw); }
  friend FOVEA_INLINE Vec operator/(Vec a, Vec b) { return Vec(a.raw / b.raw); }
  friend FOVEA_INLINE Vec operator-(Vec a) { return Vec(-a.raw); }
  friend FOVEA_INLINE Bits operator<(Vec a, Vec b) { return a.raw < b.raw; }
  friend FOVEA_INLINE Bits operator<=(Vec a, Vec b) { return a.raw <= b.raw; }
  friend FOVEA_INLINE Bits operator>(Vec a, Vec b) { return a.raw > b.raw; }
  friend FOVEA_INLINE Bits operator>=(Vec a, Vec b) { return a.raw >= b.raw; }
  friend FOVEA_INLINE Bits operator==(Vec a, Vec b) { return a.raw == b.raw; }
  friend FOVEA_INLINE Bits operator!=(Vec a, Vec b) { return a.raw != b.raw; }

  // mask ? yes : no, lane by lane.
  friend FOVEA_INLINE Vec select(Bits mask, Vec yes, Vec no) {
    return from_bits((mask & yes.bits()) | (~mask & no.bits()));
  }
  // a * b + c with one rounding (two where the instruction set has no fused multiply-add).
  friend FOVEA_INLINE Vec fma(Vec a, Vec b, Vec c) {
    if constexpr (!kFused) return a * b + c;
    if constexpr (kNativeFma) return native_fma(a.raw, b.raw, c.raw);
    Raw r;
    FOVEA_EACH_LANE
    for (int i = 0; i < size; ++i) {
      if constexpr (sizeof(T) == 4) {
        r[i] = __builtin_fmaf(a.raw[i], b.raw[i], c.raw[i]);
      } else {
        r[i] = __builtin_fma(a.raw[i], b.raw[i], c.raw[i]);
      }
    }
    return Vec(r);
  }
  friend FOVEA_INLINE Vec sqrt(Vec a) {
    Raw r;
    FOVEA_EACH_LANE
    for (int i = 0; i < size; ++i) {
      if constexpr (sizeof(T) == 4) {
        r[i] = __builtin_sqrtf(a.raw[i]);
      } else {
        r[i] = __builtin_sqrt(a.raw[i]);
      }
    }
    return Vec(r);
  }
  // The smaller or larger of a limit and x; x where either is NaN.
  friend FOVEA_INLINE Vec smaller(Vec limit, Vec x) { return Vec(smaller_of(limit.raw, x.raw)); }
  friend FOVEA_INLINE Vec larger(Vec limit, Vec x) { return Vec(larger_of(limit.raw, x.raw)); }
  friend FOVEA_INLINE Vec abs(Vec a) { return from_bits(a.bits() & ~sign_bit()); }
  friend FOVEA_INLINE Vec copysign(Vec magnitude, Vec sign) {
    return from_bits((magnitude.bits() & ~sign_bit()) | (sign.bits() & sign_bit()));
  }
  friend FOVEA_INLINE Vec sign(Vec a) { return select(a > Vec(T(0)), Vec(T(1)), select(a < Vec(T(0)), Vec(T(-1)), a)); }
  friend FOVEA_INLINE Bits is_nan(Vec a) { return a.raw != a.raw; }
  // The smaller / larger; NaN if either is NaN, as IEEE 754-2019 minimum and maximum.
  friend FOVEA_INLINE Vec minimum(Vec a, Vec b) { return select(is_nan(a), a, select(b.raw >= a.raw, a, b)); }
  friend FOVEA_INLINE Vec maximum(Vec a, Vec b) { return select(is_nan(a), a, select(b.raw <= a.raw, a, b)); }

 private:
  static FOVEA_INLINE Bits sign_bit() { return Bits{} + (Int(1) << (8 * sizeof(T) - 1)); }
};

// Whether all lanes of a mask are set.
template <class Bits> FOVEA_INLINE bool all_set(Bits mask) {
#if defined(__AVX512F__) && !defined(FOVEA_VECTOR_BYTES)
  typedef int32_t Words __attribute__((vector_size(kVectorBytes)));
  return __builtin_ia32_cvtd2mask512((Words)mask) == uint16_t(-1);
#elif defined(__AVX2__)
  typedef float Part __attribute__((vector_size(32)));
  Part parts[sizeof mask / sizeof(Part)];
  std::memcpy(parts, &mask, sizeof mask);
  int lanes = 0xFF;
  for (const Part& part : parts) lanes &= __builtin_ia32_movmskps256(part);
  return lanes == 0xFF;
#else
  uint64_t words[sizeof mask / 8], lanes = ~uint64_t(0);
  std::memcpy(words, &mask, sizeof mask);
  for (const uint64_t word : words) lanes &= word;
  return lanes == ~uint64_t(0);
#endif
}

// As many elements as fit into a register as f64.
template <class T> FOVEA_INLINE Vec<double> widen(const T* from) {
  typedef T Part __attribute__((vector_size(Vec<double>::size * sizeof(T))));
  Part part;
  std::memcpy(&part, from, sizeof part);
  return Vec<double>(__builtin_convertvector(part, Vec<double>::Raw));
}

// The lanes of a vector as one number, by a tree: lane i with lane i + half, then the lower half in the same way.
// combine takes vectors of any length and single numbers.
template <class T, int lanes, class Raw, class Combine> FOVEA_INLINE T combine_lanes(Raw v, Combine combine) {
  if constexpr (lanes == 2) {
    return combine(v[0], v[1]);
  } else {
    typedef T Half __attribute__((vector_size(lanes / 2 * sizeof(T))));
    Half halves[2];
    std::memcpy(halves, &v, sizeof v);
    return combine_lanes<T, lanes / 2>(combine(halves[0], halves[1]), combine);
  }
}

// Sixteen accumulators whatever the register width: the sum over a row then has the same bits on every machine.
// Term i goes to lane i mod 16; the lanes are added as a fixed tree (i with i + 8, then + 4, + 2, + 1).
template <class T> struct Lanes16 {
  static constexpr int parts = 16 / Vec<T>::size;
  Vec<T> part[parts];

  Lanes16() = default;
  explicit FOVEA_INLINE Lanes16(T value) {
    for (auto& p : part) p = Vec<T>(value);
  }
  template <class Combine> FOVEA_INLINE T reduce(Combine combine) const {
    typename Vec<T>::Raw sums[parts];
    for (int i = 0; i < parts; ++i) sums[i] = part[i].raw;
    FOVEA_EACH_LANE
    for (int half = parts / 2; half >= 1; half /= 2) {
      FOVEA_EACH_LANE
      for (int i = 0; i < half; ++i) sums[i] = combine(sums[i], sums[i + half]);
    }
    return combine_lanes<T, Vec<T>::size>(sums[0], combine);
  }
};

}  // namespace
}  // namespace fovea
