// bench_step: whole training steps of a GPT (pre-norm, no biases in its linear layers, GELU, a head of its own, AdamW)
// in three sizes. One line, a JSON object with --json.
//
//   bench_step [--config T|S|M] [--threads N] [--seconds S] [--json] [--profile]
//
// A step is counted as tokens x (6 x weights of products + 12 x layers x dim x context) operations: each weight is
// multiplied and added once forward and twice backward, and attention is counted in full, though half of it is masked.
// peak_share is what that makes of the machine's peak, a loop of multiplications in registers alone, measured in the
// same run.
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <map>
#include <optional>
#include <vector>

#include "autograd/losses.h"
#include "autograd/profile.h"
#include "autograd/tape.h"
#include "examples/lib/args.h"
#include "nn/gpt.h"
#include "optim/adam.h"
#include "tensor/machine.h"
#include "tensor/parallel.h"
#include "tests/bench/measure.h"

using namespace fovea;

namespace {

struct Config {
  int64_t layers, heads, dim, context, batch;
};

const std::map<std::string, Config> kConfigs = {
    {"T", {2, 2, 32, 16, 4}}, {"S", {4, 4, 128, 64, 12}}, {"M", {6, 6, 384, 256, 4}}};
constexpr int64_t kVocab = 65;
constexpr int kWarmUp = 5;  // steps that are not counted

// The value below which that share of the times lies, in milliseconds.
double quantile_ms(std::vector<double> times, double share) {
  std::sort(times.begin(), times.end());
  return times[std::min(size_t(share * double(times.size())), times.size() - 1)] * 1e3;
}

struct Times {
  std::vector<double> forward, backward, optimiser, step;
};

int run(const std::string& name, double seconds, bool json, bool profiled) {
  const Config c = kConfigs.at(name);
  Rng rng(1337);
  nn::GPT model({.vocab = kVocab, .layers = c.layers, .heads = c.heads, .dim = c.dim, .context = c.context}, rng);
  const std::vector<NamedParameter> parameters = model.parameters();
  optim::AdamW optimiser(optim::decay_groups(parameters, 0.1), {.beta2 = 0.99});
  std::vector<std::pair<Tensor, Tensor>> batches;
  for (int i = 0; i < 8; ++i)
    batches.emplace_back(randint(0, kVocab, {c.batch, c.context}, rng), randint(0, kVocab, {c.batch, c.context}, rng));

  const double peak_before = measure_peak_flops(DType::f32, 0.1);
  std::optional<Profile> profile;
  if (profiled) profile.emplace();
  Times times;
  double loss_value = 0;
  const double end = now() + seconds;
  for (int step = 0; now() < end || step < 2 * kWarmUp; ++step) {
    const auto& [inputs, targets] = batches[size_t(step) % batches.size()];
    const double start = now();
    double after_forward, after_backward;
    model.zero_grad();
    {
      Tape tape({.profile = profile ? &*profile : nullptr});
      const Variable loss = cross_entropy(model(inputs), targets);
      after_forward = now();
      tape.backward(loss);
      after_backward = now();
      loss_value = loss.item();
    }
    {
      const Profile::Section section(profile ? &*profile : nullptr, "optimiser");
      optimiser.step(1e-3);
    }
    const double done = now();
    if (step < kWarmUp) continue;
    times.forward.push_back(after_forward - start);
    times.backward.push_back(after_backward - after_forward);
    times.optimiser.push_back(done - after_backward);
    times.step.push_back(done - start);
  }
  if (profile) profile->print(std::cout);
  const double peak = std::max(peak_before, measure_peak_flops(DType::f32, 0.1)) * 1e-9;

  const int64_t weights =
      model.parameter_count() - model.token_embedding.weight.count() - model.position_embedding.parameter_count();
  const double tokens = double(c.batch * c.context);
  const double flops = tokens * double(6 * weights + 12 * c.layers * c.dim * c.context);
  const double ms = quantile_ms(times.step, 0.5), gflops = flops / ms * 1e-6;
  const MemoryStats memory = memory_stats();
  const char* format =
      json ? "{\"config\": \"%s\", \"threads\": %d, \"params\": %lld, \"steps\": %zu, \"ms_step\": %.4f, "
             "\"ms_best\": %.4f, \"ms_p90\": %.4f, \"ms_fwd\": %.4f, \"ms_bwd\": %.4f, \"ms_opt\": %.4f, "
             "\"tok_s\": %.0f, \"gflops\": %.2f, \"rss_mib\": %.1f, \"loss\": %.4f, \"peak_share\": %.4f, "
             "\"peak_gflops\": %.1f, \"tensor_mib\": %.1f}\n"
           : "config %s  threads %d  params %lld  steps %zu  ms_step %.4f  ms_best %.4f  ms_p90 %.4f  ms_fwd %.4f  "
             "ms_bwd %.4f  ms_opt %.4f  tok_s %.0f  gflops %.2f  rss_mib %.1f  loss %.4f  peak_share %.4f  "
             "peak_gflops %.1f  tensor_mib %.1f\n";
  std::printf(format, name.c_str(), threads(), static_cast<long long>(model.parameter_count()), times.step.size(), ms,
              quantile_ms(times.step, 0), quantile_ms(times.step, 0.9), quantile_ms(times.forward, 0.5),
              quantile_ms(times.backward, 0.5), quantile_ms(times.optimiser, 0.5), tokens / ms * 1e3, gflops,
              double(process_peak_bytes()) / (1 << 20), loss_value, gflops / peak, peak,
              double(memory.peak_bytes) / (1 << 20));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::string config = "S";
  int64_t thread_count = 0;
  double seconds = 5;
  bool json = false, profile = false;
  lib::Args args("bench_step", "Measures training steps of a GPT.");
  args.group("Options", {{"--config NAME", &config, "the size: T, S or M", {.one_of = {"T", "S", "M"}}},
                         {"--threads N", &thread_count, "0: all cores", {.at_least = 0, .at_most = 1024}},
                         {"--seconds S", &seconds, "how long to measure", {.at_least = 0}},
                         {"--json", &json, "print a JSON object"},
                         {"--profile", &profile, "print where the time goes, too"}});
  return lib::run_program("bench_step", [&] {
    if (args.parse(argc, argv) == lib::Args::Outcome::handled) return 0;
    if (thread_count > 0) set_threads(int(thread_count));
    return run(config, seconds, json, profile);
  });
}
