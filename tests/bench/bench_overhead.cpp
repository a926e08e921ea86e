// bench_overhead: what an operation costs beside its arithmetic: on tensors of one element, per operation, in a chain
// of 1,000, in nanoseconds. The last line is what the whole of autograd costs there: record, run, walk back.
//
//   bench_overhead [--seconds S] [--json]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "autograd/autograd.h"

using namespace fovea;

namespace {

constexpr int kChain = 1000;

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// Nanoseconds per link of the chain: the median over many chains.
template <class Fn> double nanoseconds(double seconds, Fn chain) {
  std::vector<double> times;
  for (const double end = now() + seconds; now() < end || times.size() < 9;) {
    const double start = now();
    chain();
    times.push_back((now() - start) / kChain * 1e9);
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

}  // namespace

int main(int count, char** arguments) {
  double seconds = 0.5;
  bool json = false;
  for (int i = 1; i < count; ++i) {
    const std::string flag = arguments[i];
    if (flag == "--json") json = true;
    if (flag == "--seconds" && i + 1 < count) seconds = std::atof(arguments[++i]);
  }
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
