// parallel_for: the one door to the threads. A range [0, n) is cut into pieces of `grain`, and the pool's
// threads work through them.
//
// The borders of the pieces depend on n and grain only, never on the number of threads: whoever stores one
// result per piece and adds them up in order gets the same bits on any machine. Choose the grain so that a
// piece is worth some ten microseconds; a range of one piece runs on the calling thread and costs nothing.
//
// Calls from inside a piece run inline. Several threads of a program may call at once: one gets the pool, the
// others work their own pieces off alone. The first exception stops the remaining pieces and arrives at the
// caller. A forked child starts with a pool of its own (but must not return from a piece that its parent was
// in).
#pragma once
#include <cstdint>
#include <type_traits>

namespace fovea {

int threads();                // how many threads work on a parallel_for, the caller included
void set_threads(int count);  // 1 to 1024; costs nothing when nothing changes; not from inside a piece

// A reference to a callable fn(begin, end), two pointers wide: it must outlive the call it is passed to.
class PieceFn {
 public:
  template <class Fn>
  PieceFn(Fn& fn)
      : object_(const_cast<void*>(static_cast<const void*>(&fn))),
        call_([](void* object, int64_t begin, int64_t end) { (*static_cast<Fn*>(object))(begin, end); }) {}
  void operator()(int64_t begin, int64_t end) const { call_(object_, begin, end); }

 private:
  void* object_;
  void (*call_)(void*, int64_t, int64_t);
};

// The part behind the template: runs every piece of [0, n), n > grain >= 1, and returns when all are done.
void run_pieces(int64_t n, int64_t grain, PieceFn fn);

// Calls fn(begin, end) for [0, grain), [grain, 2 grain), ... up to n, in any order, on any thread.
template <class Fn> void parallel_for(int64_t n, int64_t grain, Fn&& fn) {
  if (n <= 0) return;
  if (grain < 1) grain = 1;
  if (n <= grain) {
    fn(int64_t(0), n);
  } else {
    run_pieces(n, grain, PieceFn(fn));
  }
}

}  // namespace fovea
