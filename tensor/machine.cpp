#include "tensor/machine.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <vector>

#include "tensor/dispatch.h"
#include "tensor/kernels/gemm.h"
#include "tensor/parallel.h"

namespace fovea {
namespace {

// Calls of fn a second: the best of the rounds that fit into the time, since whatever disturbs only makes it slower.
template <class Fn> double best_rate(double seconds, Fn fn) {
  using Clock = std::chrono::steady_clock;
  const auto since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  double best = 0;
  for (const auto start = Clock::now(); since(start) < seconds || best == 0;) {
    const auto round = Clock::now();
    fn();
    best = std::max(best, 1 / std::max(since(round), 1e-9));
  }
  return best;
}

template <class T> double peak_flops(const GemmTable<T>& table, double seconds) {
  constexpr int64_t steps = 20'000;
  const int64_t workers = threads();
  const double rate = best_rate(seconds, [&] {
    parallel_for(workers, 1, [&](int64_t, int64_t) {
      volatile T kept = table.peak(steps, T(0.5), T(1));
      static_cast<void>(kept);
    });
  });
  return rate * double(workers) * double(steps) * double(table.peak_flops);
}

}  // namespace

int64_t now_nanoseconds() {
  return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double measure_peak_flops(DType dtype, double seconds) {
  return dtype == DType::f64 ? peak_flops(kernels().gemm->f64, seconds) : peak_flops(kernels().gemm->f32, seconds);
}

double measure_bandwidth(int64_t bytes, double seconds) {
  // Aligned as tensors are: some processors copy a twentieth as fast to a place that lies a few bytes further on in its
  // page than where it comes from.
  struct alignas(64) CacheLine {
    char bytes[64];
  };
  constexpr int64_t piece = (128 << 10) / int64_t(sizeof(CacheLine));
  const int64_t block = std::max<int64_t>(bytes / 2 / int64_t(sizeof(CacheLine)), 1);
  const std::vector<CacheLine> from(size_t(block), CacheLine{1});
  std::vector<CacheLine> to(size_t(block), CacheLine{2});
  const double rate = best_rate(seconds, [&] {
    parallel_for(block, piece, [&](int64_t first, int64_t last) {
      std::memcpy(&to[size_t(first)], &from[size_t(first)], size_t(last - first) * sizeof(CacheLine));
    });
  });
  return rate * 2 * double(block) * sizeof(CacheLine);
}

int64_t process_peak_bytes() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t(usage.ru_maxrss) * 1024;
}

}  // namespace fovea
