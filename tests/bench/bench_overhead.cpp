// bench_overhead: what an operation costs beside its arithmetic: on tensors of one element, per operation, in a chain
// of 1,000, in nanoseconds. The last line is what the whole of autograd costs there: record, run, walk back.
//
//   bench_overhead [--seconds S] [--json]
#include <cstdio>
#include <vector>

#include "autograd/autograd.h"
#include "examples/lib/args.h"
#include "tests/bench/measure.h"

using namespace fovea;

namespace {

constexpr int kChain = 1000;

// Nanoseconds per link of the chain: the median over many chains.
template <class Fn> double nanoseconds(double seconds, Fn chain) {
  std::vector<double> times;
  for (const double end = now() + seconds; now() < end || times.size() < 9;) {
    const double start = now();
    chain();
    times.push_back((now() - start) / kChain * 1e9);
  }
  return median(times);
}

void run(double seconds, bool json) {
  const Tensor one = full({1}, 1e-3);
  Parameter parameter(one);
  const auto report = [&](const char* name, double ns) {
    std::printf(json ? "{\"op\": \"%s\", \"ns\": %.1f}\n" : "%-40s %8.1f ns\n", name, ns);
  };
  report("new tensor", nanoseconds(seconds, [] {
           for (int i = 0; i < kChain; ++i) empty({1});
         }));
  report("add of tensors", nanoseconds(seconds, [&] {
           Tensor x = one;
           for (int i = 0; i < kChain; ++i) x = x + one;
         }));
  report("add of variables that nothing records", nanoseconds(seconds, [&] {
           Variable x = parameter;
           for (int i = 0; i < kChain; ++i) x = x + parameter;
         }));
  report("add recorded", nanoseconds(seconds, [&] {
           Tape tape;
           Variable x = parameter;
           for (int i = 0; i < kChain; ++i) x = x + parameter;
         }));
  report("add recorded and walked back", nanoseconds(seconds, [&] {
           parameter.zero_grad();
           Tape tape;
           Variable x = parameter;
           for (int i = 0; i < kChain; ++i) x = x + parameter;
           tape.backward(x);
         }));
}

}  // namespace

int main(int argc, char** argv) {
  double seconds = 0.5;
  bool json = false;
  lib::Args args("bench_overhead", "Measures what an operation costs beside its arithmetic.");
  args.group("Options", {{"--seconds S", &seconds, "how long to measure each", {.at_least = 0}},
                         {"--json", &json, "print a JSON object per operation"}});
  return lib::run_program("bench_overhead", [&] {
    if (args.parse(argc, argv) == lib::Args::Outcome::handled) return 0;
    run(seconds, json);
    return 0;
  });
}
