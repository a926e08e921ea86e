// The walk over the elements of several tensors at once, which every elementwise and reduction loop shares.
//
// Axes of size 1 are dropped and axes that lie without a gap in all operands are merged, so that most walks
// become one long run. What is left is a list of runs along the last axis; a kernel is called once per run.
#pragma once
#include <array>
#include <initializer_list>

#include "tensor/parallel.h"
#include "tensor/shape.h"

namespace fovea {

// Elements in a piece of parallel work: large enough to outweigh waking a thread, small enough for the cache.
// It depends on nothing else, so results do not depend on the number of threads.
constexpr int64_t kGrain = 16384;

// A reference to a callable fn(offsets, n): offsets[k] is where the n elements of operand k begin.
class RunFn {
 public:
  template <class Fn>
  RunFn(const Fn& fn)
      : object_(&fn), call_([](const void* object, const int64_t* offsets, int64_t n) {
          (*static_cast<const Fn*>(object))(offsets, n);
        }) {}
  void operator()(const int64_t* offsets, int64_t n) const { call_(object_, offsets, n); }

 private:
  const void* object_;
  void (*call_)(const void*, const int64_t*, int64_t);
};

struct Loop {
  static constexpr int max_operands = 4;
  int operands;
  Shape shape;                                      // after merging; at least one axis
  std::array<Strides, max_operands> strides;        // per operand, in elements; 0 where it is broadcast
  std::array<int64_t, max_operands> run_strides{};  // along the last axis
  int64_t count = 1;                                // all elements

  // operand_strides: aligned with `walked` (same rank, 0 where broadcast).
  Loop(const Shape& walked, std::initializer_list<Strides> operand_strides);

  int64_t run_length() const { return shape.back(); }

  // Calls fn(offsets, n) for the runs that make up elements [first, last); the n elements of operand k are
  // run_strides[k] apart.
  void walk(int64_t first, int64_t last, RunFn fn) const;

  // The same over all elements, in pieces that threads share.
  void run(RunFn fn, int64_t grain = kGrain) const;
};

// The strides of an operand seen under the shape it is broadcast to: 0 along the axes that are stretched.
Strides broadcast_strides(const Shape& shape, const Strides& strides, const Shape& to);

}  // namespace fovea
