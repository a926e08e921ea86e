// bench_gemm: the speed of gemm over a list of shapes, beside what the machine could do: its peak, measured by a loop
// of multiplications that never leaves the registers.
//
//   bench_gemm [--threads N] [--rounds R] [--shapes FILE] [--shape "NAME f N T 64 64 32 [batch=48] [acc=1]"]... [M N K]
//
// A shape is: name, type (f or d), A and B transposed (T) or not (N), m, n, k. Lines of FILE the same. M N K alone is a
// product of f32, nothing transposed.
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "tensor/cpu.h"
#include "tensor/dispatch.h"
#include "tensor/gemm.h"
#include "tensor/kernels/gemm.h"
#include "tensor/parallel.h"
#include "tests/bench/measure.h"

using namespace fovea;

namespace {

// Seconds per call of fn: the median over the rounds, each of about 10 ms.
template <class Fn> double time_of(int rounds, Fn fn) {
  fn();
  double start = now();
  fn();
  const int calls = std::max(1, int(0.010 / (now() - start + 1e-9)));
  std::vector<double> times;
  for (int round = 0; round < rounds; ++round) {
    start = now();
    for (int call = 0; call < calls; ++call) fn();
    times.push_back((now() - start) / calls);
  }
  return median(times);
}

struct Shape {
  std::string name;
  bool f64 = false;
  Trans ta = Trans::no, tb = Trans::no;
  int64_t m = 0, n = 0, k = 0, batch = 1;
  bool accumulate = false;

  double flops() const { return 2.0 * double(m) * double(n) * double(k) * double(batch); }
};

bool parse(const std::string& line, Shape& shape) {
  std::istringstream words(line);
  std::string type, a, b, option;
  if (!(words >> shape.name >> type >> a >> b >> shape.m >> shape.n >> shape.k)) return false;
  shape.f64 = type == "d";
  shape.ta = a == "T" ? Trans::yes : Trans::no;
  shape.tb = b == "T" ? Trans::yes : Trans::no;
  while (words >> option) {
    if (option.rfind("batch=", 0) == 0) shape.batch = std::atoll(option.c_str() + 6);
    if (option == "acc=1") shape.accumulate = true;
  }
  return shape.name[0] != '#';
}

template <class T> const GemmTable<T>& table() { return table_of<T>(*kernels().gemm); }

// GFLOP/s of all threads together, in registers alone.
template <class T> double peak_gflops(int rounds) {
  constexpr int64_t steps = 100000;
  const int workers = threads();
  const double time = time_of(rounds, [&] {
    parallel_for(workers, 1, [&](int64_t, int64_t) {
      volatile T kept = table<T>().peak(steps, T(0.5), T(1));
      static_cast<void>(kept);
    });
  });
  return double(workers) * double(steps) * double(table<T>().peak_flops) / time * 1e-9;
}

template <class T> double gflops(const Shape& s, int rounds) {
  std::vector<T> a(size_t(s.m * s.k * s.batch), T(1)), b(size_t(s.k * s.n * s.batch), T(0.5)),
      c(size_t(s.m * s.n * s.batch), T(0));
  const int64_t lda = s.ta == Trans::no ? s.k : s.m, ldb = s.tb == Trans::no ? s.n : s.k;
  const double time = time_of(rounds, [&] {
    gemm_batched<T>(s.batch, s.ta, s.tb, s.m, s.n, s.k, T(1), a.data(), lda, s.m * s.k, b.data(), ldb, s.k * s.n,
                    T(s.accumulate), c.data(), s.n, s.m * s.n);
  });
  return s.flops() / time * 1e-9;
}

}  // namespace

int main(int count, char** arguments) {
  std::vector<Shape> shapes;
  const auto add = [&](const std::string& line) {
    if (Shape shape; parse(line, shape)) shapes.push_back(shape);
  };
  int rounds = 7;
  for (int i = 1; i < count; i += 2) {
    const std::string flag = arguments[i], value = i + 1 < count ? arguments[i + 1] : "";
    if (std::isdigit(static_cast<unsigned char>(flag[0])) && i + 2 < count) {
      const std::string k = arguments[++i + 1];
      add(flag + "x" + value + "x" + k + " f N N " + flag + " " + value + " " + k);
    } else if (flag == "--threads") {
      set_threads(std::atoi(value.c_str()));
    } else if (flag == "--rounds") {
      rounds = std::max(1, std::atoi(value.c_str()));
    } else if (flag == "--shape") {
      add(value);
    } else if (flag == "--shapes") {
      std::ifstream file(value);
      for (std::string line; std::getline(file, line);) add(line);
    } else {
      std::fprintf(stderr, "bench_gemm: unknown flag %s; see the head of tests/bench/bench_gemm.cpp\n", flag.c_str());
      return 2;
    }
  }
  if (shapes.empty()) {
    for (const char* line : {"square f N N 256 256 256", "square f N N 1024 1024 1024", "forward f N N 768 512 128",
                             "gradient f N T 768 128 512", "weights f T N 128 512 768 acc=1",
                             "scores f N T 64 64 32 batch=48", "row f N N 1 3072 768", "double d N N 512 512 512"}) {
      add(line);
    }
  }
  const double peak_f32 = peak_gflops<float>(rounds), peak_f64 = peak_gflops<double>(rounds);
  std::printf("%s, %s, %d threads, peak %.1f GFLOP/s in f32, %.1f in f64\n", cpu_name().c_str(),
              isa_name(active_isa()).c_str(), threads(), peak_f32, peak_f64);
  for (const Shape& s : shapes) {
    const double speed = s.f64 ? gflops<double>(s, rounds) : gflops<float>(s, rounds);
    std::printf("%-20s %s %s%s %5lld x %5lld x %5lld x %3lld  %8.1f GFLOP/s  %5.1f %% of peak\n", s.name.c_str(),
                s.f64 ? "f64" : "f32", s.ta == Trans::no ? "N" : "T", s.tb == Trans::no ? "N" : "T",
                static_cast<long long>(s.m), static_cast<long long>(s.n), static_cast<long long>(s.k),
                static_cast<long long>(s.batch), speed, 100 * speed / (s.f64 ? peak_f64 : peak_f32));
  }
}
