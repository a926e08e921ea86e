// How long something takes.
#pragma once
#include <chrono>

namespace fovea::claims {

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

template <class F> double seconds_of(const F& work) {
  const Stopwatch watch;
  work();
  return watch.seconds();
}

}  // namespace fovea::claims
