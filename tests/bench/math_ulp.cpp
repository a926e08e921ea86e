// The accuracy and the speed of the elementary functions, for every instruction set of this machine.
//
//   math_ulp [--stride N] [--level NAME] [FUNCTION…]
//
// In f32 every N-th of all 2^32 inputs (--stride 1: all of them, about a minute a function), in f64 as many bit
// patterns spread over all 2^64. Prints the largest error in ulp, where it lies, and elements per second from
// the L1 cache, one core.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/bench/measure.h"
#include "tests/levels/math.h"
#include "tests/levels/math_reference.h"

namespace {

using namespace fovea;

constexpr int64_t kChunk = 1024;

template <class T> struct Worst {
  double ulps = 0;
  T at = 0;
};

template <class T, class Bits, class F> Worst<T> worst_error(F f, const reference::MathReference& exact, Bits step) {
  Worst<T> worst;
  T x[kChunk], y[kChunk];
  const uint64_t count = sizeof(T) == 4 ? (uint64_t(1) << 32) / step : ~uint64_t(0) / step;
  Bits bits = 0;
  for (uint64_t done = 0; done < count; done += kChunk) {
    for (T& v : x) {
      std::memcpy(&v, &bits, sizeof v);
      bits = Bits(bits + step);
    }
    f(x, y, kChunk);
    for (int64_t i = 0; i < kChunk; ++i) {
      const double error = exact.error<T>(x[i], y[i]);
      if (error > worst.ulps) worst = {error, x[i]};
    }
  }
  return worst;
}

// The same over `count` numbers evenly spread in [low, high], where most of what a function does happens.
template <class T, class F>
Worst<T> worst_error_between(F f, const reference::MathReference& exact, T low, T high, int64_t count) {
  Worst<T> worst;
  T x[kChunk], y[kChunk];
  for (int64_t done = 0; done < count; done += kChunk) {
    for (int64_t i = 0; i < kChunk; ++i) x[i] = low + (high - low) * (T(done + i) / T(count));
    f(x, y, kChunk);
    for (int64_t i = 0; i < kChunk; ++i) {
      const double error = exact.error<T>(x[i], y[i]);
      if (error > worst.ulps) worst = {error, x[i]};
    }
  }
  return worst;
}

template <class T, class F> double elements_per_second(F f) {
  T x[kChunk], y[kChunk];
  for (int64_t i = 0; i < kChunk; ++i) x[i] = T(i) / T(kChunk) * 8 - 4;
  double best = 0;
  for (int round = 0; round < 20; ++round) {
    const double start = now();
    for (int i = 0; i < 500; ++i) f(x, y, kChunk);
    best = std::max(best, 500 * double(kChunk) / (now() - start));
  }
  return best;
}

void report(const MathLevel& level, const MathFunction& function, uint64_t stride) {
  const auto& exact = *reference::find(function.name);
  const auto f32 = worst_error<float, uint32_t>(function.f32, exact, uint32_t(stride));
  stride = std::max<uint64_t>(stride, 64);
  const uint64_t golden = 0x9e3779b97f4a7c15u;  // bit patterns in an order without a pattern
  auto f64 = worst_error<double, uint64_t>(function.f64, exact, (stride << 32) + golden % (stride << 31));
  const int64_t count = int64_t((uint64_t(1) << 27) / stride);
  for (const auto& [low, high] : {std::pair{-1.5, 1.5}, {-6.0, 6.0}, {-40.0, 40.0}, {-760.0, 760.0}}) {
    const auto more = worst_error_between<double>(function.f64, exact, low, high, count);
    if (more.ulps > f64.ulps) f64 = more;
  }
  std::printf("%-9s %-16s f32 %6.3f ulp at %-14.8g %5.2f G/s   f64 %6.3f ulp at %-22.17g %5.2f G/s\n", level.name,
              function.name, f32.ulps, double(f32.at), elements_per_second<float>(function.f32) * 1e-9, f64.ulps,
              f64.at, elements_per_second<double>(function.f64) * 1e-9);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  uint64_t stride = 97;
  std::string wanted_level;
  std::vector<std::string> wanted;
  for (int i = 1; i < argc; ++i) {
    if (argv[i] == std::string("--stride") && i + 1 < argc) {
      stride = std::max(1ull, std::strtoull(argv[++i], nullptr, 10));
    } else if (argv[i] == std::string("--level") && i + 1 < argc) {
      wanted_level = argv[++i];
    } else {
      wanted.push_back(argv[i]);
    }
  }
  for (const MathLevel* level : math_levels()) {
    if (!wanted_level.empty() && wanted_level != level->name) continue;
    for (const MathFunction& function : level->function) {
      bool chosen = wanted.empty();
      for (const auto& name : wanted) chosen |= name == function.name;
      if (chosen) report(*level, function, stride);
    }
  }
}
