// bench_attention: causal attention, forward and backward, in tiles and composed from primitives, by turns.
//
//   bench_attention [--length L] [--heads N] [--dim d] [--threads N] [--form both|tiled|composed] [--rounds R] [--json]
//
// What counts is useful work only: 2 products forward and 5 backward over the scores that are not hidden. peak_share is
// what that makes of the machine's peak, a loop of multiplications in registers alone. tensor_mib is the most memory
// that tensors held at once, inputs included; rss_mib that of the whole process so far (so of both forms, where the
// composed one ran).
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "autograd/tape.h"
#include "examples/lib/args.h"
#include "nn/attention.h"
#include "tensor/machine.h"
#include "tensor/parallel.h"
#include "tests/bench/measure.h"

using namespace fovea;

namespace {

double peak_rss_mib() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return double(usage.ru_maxrss) / 1024;
}

// One form of attention and what was measured of it.
struct Form {
  const char* name;
  bool tiled;
  std::vector<double> forward = {}, backward = {}, both = {};
  int64_t peak_bytes = 0;
  double rss_mib = 0;

  void run(Parameter& q, Parameter& k, Parameter& v, const Tensor& dy) {
    for (Parameter* p : {&q, &k, &v}) p->zero_grad();
    reset_peak_memory();
    const double start = now();
    double after_forward;
    {
      Tape tape;
      const nn::Mask mask = nn::Mask::causal();
      const Variable y =
          tiled ? nn::scaled_dot_product_attention(q, k, v, mask) : nn::attention_with_weights(q, k, v, mask).output;
      after_forward = now();
      tape.backward(y, dy);
    }
    const double done = now();
    forward.push_back(after_forward - start);
    backward.push_back(done - after_forward);
    both.push_back(done - start);
    peak_bytes = memory_stats().peak_bytes;
    rss_mib = peak_rss_mib();
  }
};

int run(int64_t length, int64_t heads, int64_t dim, const std::string& wanted, int64_t rounds, bool json) {
  Rng rng(1);
  const Shape shape = {1, heads, length, dim};
  Parameter q(randn(shape, rng)), k(randn(shape, rng)), v(randn(shape, rng));
  const Tensor dy = randn(shape, rng);
  std::vector<Form> forms;
  if (wanted != "composed") forms.push_back({"tiled", true});
  if (wanted != "tiled") forms.push_back({"composed", false});

  double peak = measure_peak_flops(DType::f32, 0.1);
  for (int64_t round = 0; round < rounds + 1; ++round) {
    for (Form& form : forms) form.run(q, k, v, dy);
    if (round > 0) continue;  // the first one only warms up
    for (Form& form : forms) form.forward.clear(), form.backward.clear(), form.both.clear();
  }
  peak = std::max(peak, measure_peak_flops(DType::f32, 0.1)) * 1e-9;

  const double seen = double(length) * double(length + 1) / 2 * double(heads);
  for (const Form& form : forms) {
    const double ms = 1e3 * median(form.both), gflops = 7 * 2 * seen * double(dim) / ms * 1e-6;
    std::printf(
        json
            ? "{\"form\": \"%s\", \"length\": %lld, \"heads\": %lld, \"dim\": %lld, \"threads\": %d, \"ms_fwd\": %.4f, "
              "\"ms_bwd\": %.4f, \"ms\": %.4f, \"gflops\": %.2f, \"peak_share\": %.4f, \"tensor_mib\": %.2f, "
              "\"rss_mib\": %.1f}\n"
            : "%-8s  length %lld  heads %lld  dim %lld  threads %d  ms_fwd %.4f  ms_bwd %.4f  ms %.4f  gflops %.2f  "
              "peak_share %.4f  tensor_mib %.2f  rss_mib %.1f\n",
        form.name, static_cast<long long>(length), static_cast<long long>(heads), static_cast<long long>(dim),
        threads(), 1e3 * median(form.forward), 1e3 * median(form.backward), ms, gflops, gflops / peak,
        double(form.peak_bytes) / (1 << 20), form.rss_mib);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  int64_t length = 1024, heads = 4, dim = 64, thread_count = 0, rounds = 7;
  std::string form = "both";
  bool json = false;
  lib::Args args("bench_attention", "Measures causal attention, forward and backward.");
  args.group("Options", {{"--length L", &length, "queries and keys", {.at_least = 1}},
                         {"--heads N", &heads, "heads, sequences of a batch included", {.at_least = 1}},
                         {"--dim D", &dim, "channels of a head", {.at_least = 1}},
                         {"--threads N", &thread_count, "0: all cores", {.at_least = 0, .at_most = 1024}},
                         {"--form NAME", &form, "what to measure", {.one_of = {"both", "tiled", "composed"}}},
                         {"--rounds R", &rounds, "how often; the median counts", {.at_least = 1}},
                         {"--json", &json, "print a JSON object per form"}});
  return lib::run_program("bench_attention", [&] {
    if (args.parse(argc, argv) == lib::Args::Outcome::handled) return 0;
    if (thread_count > 0) set_threads(int(thread_count));
    return run(length, heads, dim, form, rounds, json);
  });
}
