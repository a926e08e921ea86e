// Random numbers that are a pure function of (seed, stream, position): Philox4x32-10, a block cipher run over a
// counter (Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3").
//
// A generator is three numbers. Drawing n values reserves a range of positions, and each value is computed from its
// own position, so a tensor is filled by any number of threads with the same bits, and a generator is saved and
// restored by writing the three numbers down. There is no global generator: whoever draws is handed one.
#pragma once
#include <array>
#include <string_view>
#include <vector>

#include "tensor/tensor.h"

namespace fovea {

// The cipher: ten rounds over a 128-bit counter under a 64-bit key; the four words are in order, lowest first.
std::array<uint32_t, 4> philox4x32(const std::array<uint32_t, 4>& counter, const std::array<uint32_t, 2>& key);

class Rng {
 public:
  explicit Rng(uint64_t seed, uint64_t stream = 0, uint64_t position = 0)
      : seed_(seed), stream_(stream), position_(position) {}

  // An independent generator named after its use, rng.stream("dropout"). It does not depend on what this one has drawn
  // so far, only on its seed and stream; streams nest.
  Rng stream(std::string_view name) const;

  // Takes the next `blocks` positions (128 random bits each) and returns the first. Every draw below goes through it.
  uint64_t reserve(int64_t blocks);

  uint64_t seed() const { return seed_; }
  uint64_t stream() const { return stream_; }
  uint64_t position() const { return position_; }

  std::array<int64_t, 3> state() const { return {int64_t(seed_), int64_t(stream_), int64_t(position_)}; }
  static Rng from_state(const std::array<int64_t, 3>& state) {
    return Rng(uint64_t(state[0]), uint64_t(state[1]), uint64_t(state[2]));
  }
  friend bool operator==(const Rng&, const Rng&) = default;

 private:
  uint64_t seed_;      // the key
  uint64_t stream_;    // upper half of the counter
  uint64_t position_;  // lower half
};

// --- tensors of random numbers -----------------------------------------------------------------------------
Tensor rand(const Shape& shape, Rng& rng, DType dtype = DType::f32);                              // [0, 1)
Tensor uniform(const Shape& shape, double low, double high, Rng& rng, DType dtype = DType::f32);  // [low, high)
Tensor randn(const Shape& shape, Rng& rng, DType dtype = DType::f32);                             // mean 0, deviation 1
// A normal distribution whose values outside [low, high] are drawn again. The interval must hold 1 % of it at least.
Tensor truncated_normal(const Shape& shape, double mean, double deviation, double low, double high, Rng& rng,
                        DType dtype = DType::f32);
Tensor randint(int64_t low, int64_t high, const Shape& shape, Rng& rng);  // i64 in [low, high), each as likely
Tensor randperm(int64_t n, Rng& rng);                                     // i64 [n]: 0 … n-1 in a random order
Tensor bernoulli(double p, const Shape& shape, Rng& rng);                 // bool: true with probability p
// 1/(1-p) with probability 1-p, else 0: what dropout multiplies with. p in [0, 1]; all 0 where p is 1.
Tensor dropout_mask(const Shape& shape, double p, Rng& rng, DType dtype = DType::f32);

// Indices drawn with probability proportional to the weights (>= 0, not necessarily of sum 1) of each row.
// weights [..., V] -> i64 [...], or [..., samples].
Tensor multinomial(const Tensor& weights, Rng& rng);
Tensor multinomial(const Tensor& weights, int64_t samples, Rng& rng, bool replacement = true);

// --- drawing the same numbers twice ------------------------------------------------------------------------
// Activation checkpointing runs a forward a second time and must meet the same dropout masks, without moving any
// generator:  RngLog log;  { RecordRng record(log); forward(); }  …  { ReplayRng replay(log); forward(); }
// Both scopes hold for the calling thread and nest.
struct RngLog {
  struct Entry {
    uint64_t seed, stream, position;
    int64_t blocks;
  };
  std::vector<Entry> entries;
};

class RngScope {
 public:
  RngScope(const RngScope&) = delete;
  RngScope& operator=(const RngScope&) = delete;

 protected:
  RngScope(RngLog* record, const RngLog* replay);
  ~RngScope();

 private:
  friend class Rng;
  RngLog* record_;        // where to append reservations, or
  const RngLog* replay_;  // where to read them from
  size_t next_ = 0;       // the entry that is replayed next
  RngScope* outer_;
};

// While alive, every reservation of this thread is also written into the log.
class RecordRng : public RngScope {
 public:
  explicit RecordRng(RngLog& log) : RngScope(&log, nullptr) {}
};

// While alive, reservations are answered from the log, in order, and generators stay where they are. Drawing other
// amounts, or from other generators, than were recorded is an error.
class ReplayRng : public RngScope {
 public:
  explicit ReplayRng(const RngLog& log) : RngScope(nullptr, &log) {}
};

}  // namespace fovea
