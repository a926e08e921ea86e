// The table of kernels for random numbers that each instruction set fills (random.cpp): the cipher over a range of
// counters, and what its words are made into.
#pragma once
#include <cstdint>

namespace fovea {

// Whoever asks for random words has room for a multiple of so many.
constexpr int kRandomWords = 64;

template <class T> struct RandomTable {
  // Numbers in [0, 1), from one word each (f32, 24 bits) or two (f64, 53 bits): as many as the mantissa holds.
  void (*unit)(int64_t n, const uint32_t* words, T* out);
  // n pairs of them, u in (0, 1] for a logarithm: in f32 with all 32 bits of its word, which reach further into the
  // tail.
  void (*unit_pairs)(int64_t n, const uint32_t* words, T* u, T* v);
  // kept where a word is at least `dropped`, else 0.
  void (*dropout_mask)(int64_t n, const uint32_t* words, uint32_t dropped, T kept, T* out);
};

struct RandomKernels {
  // philox4x32 of the counters (first + i, stream) for i < blocks, four words each, side by side.
  void (*words)(uint64_t seed, uint64_t stream, uint64_t first, int64_t blocks, uint32_t* out);
  RandomTable<float> f32;
  RandomTable<double> f64;
};

}  // namespace fovea
