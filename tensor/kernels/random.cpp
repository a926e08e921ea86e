// Philox4x32-10 (tensor/random.cpp has it in its plain form) over many counters side by side. Each 64-bit lane holds
// one of a counter's four words in its lower half, where the instruction that multiplies 32 by 32 bits reads it; the
// upper half may hold anything.
#include "tensor/kernels/random.h"

#include <utility>

#include "tensor/kernels/simd.h"

namespace fovea {
namespace {

constexpr int kLanes = kVectorBytes / 8;
constexpr int kSets = 2;  // registers of counters at a time: the processor works on one while the other waits
static_assert(4 * kSets * kLanes <= kRandomWords);

FOVEA_INLINE Words64 all(uint64_t value) { return Words64{} + value; }

// first[0] second[0] first[1] second[1] …
template <size_t... i>
FOVEA_INLINE void store_in_turn(Words64 first, Words64 second, uint32_t* out, std::index_sequence<i...>) {
  const Words64 low = __builtin_shufflevector(first, second, (i / 2 + i % 2 * kLanes)...);
  const Words64 high = __builtin_shufflevector(first, second, (i / 2 + i % 2 * kLanes + kLanes / 2)...);
  std::memcpy(out, &low, sizeof low);
  std::memcpy(out + 2 * kLanes, &high, sizeof high);
}

void words(uint64_t seed, uint64_t stream, uint64_t first, int64_t blocks, uint32_t* out) {
  Words64 lane;
  for (int i = 0; i < kLanes; ++i) lane[i] = uint64_t(i);
  for (int64_t block = 0; block < blocks; block += kSets * kLanes) {
    Words64 a[kSets], b[kSets], c[kSets], d[kSets];
    FOVEA_EACH_LANE
    for (int s = 0; s < kSets; ++s) {
      a[s] = all(first + uint64_t(block + s * kLanes)) + lane;
      b[s] = a[s] >> 32;
      c[s] = all(stream);
      d[s] = all(stream >> 32);
    }
    Words64 key_low = all(seed), key_high = all(seed >> 32);
    FOVEA_EACH_LANE
    for (int round = 0; round < 10; ++round) {
      FOVEA_EACH_LANE
      for (int s = 0; s < kSets; ++s) {
        const Words64 p = multiply_lower(a[s], all(0xD2511F53u)), q = multiply_lower(c[s], all(0xCD9E8D57u));
        a[s] = (b[s] ^ key_low) ^ (q >> 32);
        c[s] = (d[s] ^ key_high) ^ (p >> 32);
        b[s] = q;
        d[s] = p;
      }
      key_low += 0x9E3779B9u;
      key_high += 0xBB67AE85u;
    }
    FOVEA_EACH_LANE
    for (int s = 0; s < kSets; ++s, out += 4 * kLanes) {
      const Words64 ab = (a[s] & 0xFFFFFFFFu) | b[s] << 32, cd = (c[s] & 0xFFFFFFFFu) | d[s] << 32;
      store_in_turn(ab, cd, out, std::make_index_sequence<kLanes>{});
    }
  }
}

// fn(i) for i < n, 16 at a time, which the compilers make vectors of.
template <class Fn> FOVEA_INLINE void each(int64_t n, Fn fn) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    for (int k = 0; k < 16; ++k) fn(i + k);
  }
  for (; i < n; ++i) fn(i);
}

template <class T> constexpr int kWords = sizeof(T) == 4 ? 1 : 2;
FOVEA_INLINE float unit_of(const uint32_t* w, float) { return float(int32_t(w[0] >> 8)) * 0x1p-24f; }
FOVEA_INLINE double unit_of(const uint32_t* w, double) {
  return double(int64_t((uint64_t(w[0]) << 32 | w[1]) >> 11)) * 0x1p-53;
}
FOVEA_INLINE float above_0(const uint32_t* w, float) { return float((double(w[0]) + 1) * 0x1p-32); }
FOVEA_INLINE double above_0(const uint32_t* w, double) { return 1 - unit_of(w, 0.0); }

template <class T> void unit(int64_t n, const uint32_t* words, T* out) {
  each(n, [=](int64_t i) FOVEA_INLINE_LAMBDA { out[i] = unit_of(words + i * kWords<T>, T(0)); });
}

template <class T> void unit_pairs(int64_t n, const uint32_t* words, T* u, T* v) {
  each(n, [=](int64_t i) FOVEA_INLINE_LAMBDA {
    const uint32_t* pair = words + 2 * i * kWords<T>;
    u[i] = above_0(pair, T(0));
    v[i] = unit_of(pair + kWords<T>, T(0));
  });
}

template <class T> void dropout_mask(int64_t n, const uint32_t* words, uint32_t dropped, T kept, T* out) {
  each(n, [=](int64_t i) FOVEA_INLINE_LAMBDA { out[i] = words[i] >= dropped ? kept : T(0); });
}

template <class T> constexpr RandomTable<T> table = {unit<T>, unit_pairs<T>, dropout_mask<T>};

}  // namespace

namespace FOVEA_LEVEL {
extern const RandomKernels random_kernels;
const RandomKernels random_kernels = {words, table<float>, table<double>};
}  // namespace FOVEA_LEVEL
}  // namespace fovea
