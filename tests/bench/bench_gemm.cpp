// bench_gemm: the speed of gemm over a list of shapes, beside what the machine could do: its peak, measured by a loop
// of multiplications that never leaves the registers.
//
//   bench_gemm [--shape "NAME f|d N|T N|T M N K [batch=B] [acc=1] [rounds=R]"...] [--shapes FILE...] [--threads N]
//
// A shape is: name, type (f: f32, d: f64), A and B transposed (T) or not (N), m, n, k; with acc=1 the product is added
// to C. Lines of FILE the same; what begins with # is a comment.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "examples/lib/args.h"
#include "tensor/cpu.h"
#include "tensor/dispatch.h"
#include "tensor/gemm.h"
#include "tensor/machine.h"
#include "tensor/parallel.h"
#include "tests/bench/measure.h"

using namespace fovea;

namespace {

// Seconds per call of fn: the median over the rounds, each of about 10 ms.
template <class Fn> double time_of(int64_t rounds, Fn fn) {
  fn();
  double start = now();
  fn();
  const int calls = std::max(1, int(0.010 / (now() - start + 1e-9)));
  std::vector<double> times;
  for (int64_t round = 0; round < rounds; ++round) {
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
  int64_t m = 0, n = 0, k = 0, batch = 1, accumulate = 0, rounds = 0;

  double flops() const { return 2.0 * double(m) * double(n) * double(k) * double(batch); }
};

// "batch=48": the number behind the name, if that is what the word begins with.
bool read_option(const std::string& word, const char* name, int64_t& value) {
  long long number = 0;
  char rest = 0;
  if (std::sscanf(word.c_str(), (std::string(name) + "=%lld%c").c_str(), &number, &rest) != 1 || number < 0)
    return false;
  value = number;
  return true;
}

Shape parse(const std::string& line) {
  constexpr int64_t most = 1 << 20;
  Shape shape;
  std::istringstream words(line);
  std::string type, a, b, option;
  words >> shape.name >> type >> a >> b >> shape.m >> shape.n >> shape.k;
  bool good = words && (type == "f" || type == "d") && (a == "N" || a == "T") && (b == "N" || b == "T");
  while (words >> option)
    good = good && (read_option(option, "batch", shape.batch) || read_option(option, "acc", shape.accumulate) ||
                    read_option(option, "rounds", shape.rounds));
  for (const int64_t size : {shape.m, shape.n, shape.k, shape.batch}) good = good && size >= 1 && size <= most;
  if (!good)
    throw lib::UsageError(
        "bench_gemm: a shape is NAME f|d N|T N|T M N K [batch=B] [acc=1] [rounds=R], sizes from 1 to " +
        std::to_string(most) + ", not '" + line + "'");
  shape.f64 = type == "d";
  shape.ta = a == "T" ? Trans::yes : Trans::no;
  shape.tb = b == "T" ? Trans::yes : Trans::no;
  return shape;
}

// The lines of a file that are no comments.
std::vector<std::string> lines_of(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find_first_not_of(" \t\r");
    if (first != std::string::npos && line[first] != '#') lines.push_back(line);
  }
  if (!file.eof()) throw lib::UsageError("bench_gemm: cannot read the shapes of '" + path + "'");
  return lines;
}

template <class T> double gflops(const Shape& s, int64_t rounds) {
  std::vector<T> a(size_t(s.m * s.k * s.batch), T(1)), b(size_t(s.k * s.n * s.batch), T(0.5)),
      c(size_t(s.m * s.n * s.batch), T(0));
  const int64_t lda = s.ta == Trans::no ? s.k : s.m, ldb = s.tb == Trans::no ? s.n : s.k;
  const double time = time_of(rounds, [&] {
    gemm_batched<T>(s.batch, s.ta, s.tb, s.m, s.n, s.k, T(1), a.data(), lda, s.m * s.k, b.data(), ldb, s.k * s.n,
                    T(s.accumulate), c.data(), s.n, s.m * s.n);
  });
  return s.flops() / time * 1e-9;
}

int run(int argc, char** argv) {
  int64_t rounds = 7, thread_count = 0;
  std::vector<std::string> lines, files;
  lib::Args args("bench_gemm", "Measures products of matrices, beside the machine's peak.");
  args.group("Options", {{"--shape SHAPE...", &lines, "each \"NAME f|d N|T N|T M N K [batch=B] [acc=1] [rounds=R]\""},
                         {"--shapes FILE...", &files, "files with a shape on each line"},
                         {"--rounds R", &rounds, "how often; the median counts", {.at_least = 1, .at_most = 1e6}},
                         {"--threads N", &thread_count, "0: all cores", {.at_least = 0, .at_most = 1024}}});
  if (args.parse(argc, argv) == lib::Args::Outcome::handled) return 0;
  if (thread_count > 0) set_threads(int(thread_count));
  for (const std::string& path : files) {
    const std::vector<std::string> more = lines_of(path);
    lines.insert(lines.end(), more.begin(), more.end());
  }
  if (!args.given("--shape") && !args.given("--shapes"))
    lines = {"square f N N 256 256 256",   "square f N N 1024 1024 1024",     "forward f N N 768 512 128",
             "gradient f N T 768 128 512", "weights f T N 128 512 768 acc=1", "scores f N T 64 64 32 batch=48",
             "row f N N 1 3072 768",       "double d N N 512 512 512"};
  std::vector<Shape> shapes;
  for (const std::string& line : lines) shapes.push_back(parse(line));

  const double peak_f32 = measure_peak_flops(DType::f32, 0.1) * 1e-9,
               peak_f64 = measure_peak_flops(DType::f64, 0.1) * 1e-9;
  std::printf("%s, %s, %d threads, peak %.1f GFLOP/s in f32, %.1f in f64\n", cpu_name().c_str(),
              isa_name(active_isa()).c_str(), threads(), peak_f32, peak_f64);
  for (const Shape& s : shapes) {
    const int64_t times = s.rounds > 0 ? s.rounds : rounds;
    const double speed = s.f64 ? gflops<double>(s, times) : gflops<float>(s, times);
    std::printf("%-20s %s %s%s %5lld x %5lld x %5lld x %3lld  %8.1f GFLOP/s  %5.1f %% of peak\n", s.name.c_str(),
                s.f64 ? "f64" : "f32", s.ta == Trans::no ? "N" : "T", s.tb == Trans::no ? "N" : "T",
                static_cast<long long>(s.m), static_cast<long long>(s.n), static_cast<long long>(s.k),
                static_cast<long long>(s.batch), speed, 100 * speed / (s.f64 ? peak_f64 : peak_f32));
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return lib::run_program("bench_gemm", [&] { return run(argc, argv); });
}
