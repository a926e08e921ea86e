// Claims about what attention costs: time and memory as the sequence grows, and steps that must wait for one another.
//
// Times are the best of a few runs, because whatever else the machine does can only add to them.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>

#include "autograd/attention.h"
#include "autograd/tape.h"
#include "examples/claims/claim.h"
#include "nn/attention.h"
#include "nn/convolution.h"
#include "nn/encoder.h"
#include "nn/recurrent.h"
#include "tensor/parallel.h"
#include "tensor/storage.h"

namespace fovea::claims {
namespace {

double wall_clock() {  // in seconds, as the times below
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
double processor_time() {
  return double(std::clock()) / CLOCKS_PER_SEC;
}  // of one thread: what else runs, hardly shows

// The best of several runs: three, and more where they are short.
template <class Fn> double best_seconds(double (*now)(), Fn&& fn) {
  double best = 1e9, total = 0;
  for (int runs = 0; runs < 3 || (total < 0.03 && runs < 50); ++runs) {
    const double start = now();
    fn();
    const double seconds = now() - start;
    best = std::min(best, seconds), total += seconds;
  }
  return best;
}

// The exponent p of y ~ x^p between two points.
double exponent(double x0, double y0, double x1, double y1) { return std::log(y1 / y0) / std::log(x1 / x0); }

Axis length_axis(const std::vector<double>& lengths) { return {.label = "places n", .log = true, .ticks = lengths}; }

// A layer of sequences and what it takes, forward and backward, at each length.
struct Cost {
  std::string name;
  std::function<Variable(const Variable& x)> layer;  // [1, n, C] to the same shape
  std::string steps_between_ends;                    // how many steps lead from the first place to the last
  std::vector<double> milliseconds = {}, mebibytes = {};

  void measure(const Tensor& x) {
    const Tensor dy = ones(x.shape());
    int64_t before = 0, peak = 0;
    milliseconds.push_back(1e3 * best_seconds(processor_time, [&] {
                             Parameter input(x);
                             before = memory_stats().live_bytes;
                             reset_peak_memory();
                             Tape tape;
                             tape.backward(layer(input), dy);
                             peak = memory_stats().peak_bytes;
                           }));
    mebibytes.push_back(double(peak - before) / (1 << 20));
  }
};

// Each measured at the last lengths, where what is small has stopped counting.
double growth(const std::vector<double>& lengths, const std::vector<double>& y) {
  const size_t last = lengths.size() - 1;
  return exponent(lengths[last - 2], y[last - 2], lengths[last], y[last]);
}

// Sets the number of threads, and puts it back.
class WithThreads {
 public:
  explicit WithThreads(int count) : before_(threads()) { set_threads(count); }
  ~WithThreads() { set_threads(before_); }
  WithThreads(const WithThreads&) = delete;
  WithThreads& operator=(const WithThreads&) = delete;

 private:
  int before_;
};

}  // namespace

Exhibit attention_costs_squares(const Run& run) {
  constexpr int64_t channels = 64;
  std::vector<double> lengths = {64, 128, 256, 512, 1024};
  if (!run.quick()) lengths.push_back(2048);
  const WithThreads single(1);  // so that what else runs on the machine shows less
  Rng rng = run.rng("weights");
  const nn::Recurrent gru({.kind = nn::Recurrence::gru, .in = channels, .hidden = channels}, rng);
  const nn::Conv1d convolution({.in = channels, .out = channels, .kernel = 3, .padding = 1}, rng);
  std::vector<Cost> costs = {
      {"attention, weights stored", [](const Variable& x) { return nn::attention_with_weights(x, x, x).output; }, "1"},
      {"attention in tiles", [](const Variable& x) { return attention(x, x, x, 1 / std::sqrt(double(channels))); },
       "1"},
      {"GRU", [&](const Variable& x) { return gru(x).output; }, "n − 1"},
      {"convolution of 3", [&](const Variable& x) { return convolution(x); }, "(n − 1) / 2 layers"}};
  for (size_t i = 0; i < lengths.size(); ++i) {
    const Tensor x = randn({1, int64_t(lengths[i]), channels}, rng);
    for (Cost& cost : costs) cost.measure(x);
    run.progress(int64_t(i), int64_t(lengths.size()));
  }
  release_cached_memory();

  std::vector<Series> time, memory;
  Grid grid{.header = {"layer", "time", "memory", "steps between the ends"},
            .caption = "Time and memory grow with n to this power, measured over the last two doublings."};
  std::vector<double> time_growth, memory_growth;
  for (const Cost& cost : costs) {
    time.push_back({.name = cost.name, .x = lengths, .y = cost.milliseconds, .mark = Mark::line_and_points});
    memory.push_back({.name = cost.name, .x = lengths, .y = cost.mebibytes, .mark = Mark::line_and_points});
    time_growth.push_back(growth(lengths, cost.milliseconds)), memory_growth.push_back(growth(lengths, cost.mebibytes));
    grid.rows.push_back({cost.name, format_fixed(time_growth.back(), 2), format_fixed(memory_growth.back(), 2),
                         cost.steps_between_ends});
  }
  const auto square = [](double power) { return 1.5 < power && power < 3; };  // caches add their part
  const auto linear = [](double power) { return 0.5 < power && power < 1.5; };
  const bool time_is_square = square(time_growth[0]) && square(time_growth[1]);
  const bool others_are_linear = linear(time_growth[2]) && linear(time_growth[3]);
  const bool tiles_save = square(memory_growth[0]) && linear(memory_growth[1]);
  const std::string longest = format_count(int64_t(lengths.back()));
  return {.verdict = !time_is_square || !others_are_linear ? Verdict::fails
                     : tiles_save                          ? Verdict::within_limits
                                                           : Verdict::holds,
          .number = "time ~ n^" + format_fixed(time_growth[0], 2) + " (in tiles n^" + format_fixed(time_growth[1], 2) +
                    "), memory ~ n^" + format_fixed(memory_growth[0], 2) + " (in tiles n^" +
                    format_fixed(memory_growth[1], 2) + ")",
          .remark =
              "Every query meets every key: one step joins any two places, and there are n² of them. The square is in "
              "the work, not in the memory: in tiles the weights are never stored, and at n = " +
              longest + " forward and backward take " + format_significant(costs[1].mebibytes.back(), 2) +
              " MiB in place of " + format_significant(costs[0].mebibytes.back(), 3) +
              ". And a square is not slow at once: at n = 64 the GRU takes " +
              format_significant(costs[2].milliseconds.front() / costs[1].milliseconds.front(), 2) +
              " times as long as attention in tiles, at n = " + longest + " " +
              format_significant(costs[2].milliseconds.back() / costs[1].milliseconds.back(), 2) + " times.",
          .pictures = {{line_plot({.title = "Time, forward and backward",
                                   .x = length_axis(lengths),
                                   .y = {.label = "milliseconds", .log = true}},
                                  time),
                        "One sequence of 64 channels, one head, one thread, the best of several runs."},
                       {line_plot({.title = "Memory, forward and backward",
                                   .x = length_axis(lengths),
                                   .y = {.label = "MiB at the peak", .log = true}},
                                  memory),
                        "What is in use at the peak, beyond the input itself."}},
          .grids = {grid}};
}

Exhibit nothing_waits(const Run& run) {
  constexpr int64_t channels = 128;
  std::vector<double> lengths = {16, 32, 64, 128, 256, 512};
  if (!run.quick()) lengths.push_back(1024);
  const int all = threads();
  Rng rng = run.rng("weights");
  const nn::Recurrent gru({.kind = nn::Recurrence::gru, .in = channels, .hidden = channels}, rng);
  const nn::EncoderLayer layer({.dim = channels, .heads = 4}, rng);
  struct Measured {
    std::string name;
    std::function<Variable(const Variable& x)> forward;
    std::vector<double> one = {}, all = {};  // milliseconds, by the number of threads
    std::vector<double> operations = {};
  };
  std::vector<Measured> measured = {{"GRU", [&](const Variable& x) { return gru(x).output; }},
                                    {"Transformer layer", [&](const Variable& x) { return layer(x); }}};
  for (const double n : lengths) {
    const Tensor x = randn({1, int64_t(n), channels}, rng);
    for (Measured& m : measured) {
      const auto forward = [&] { m.forward(x); };
      {
        const WithThreads single(1);
        m.one.push_back(1e3 * best_seconds(wall_clock, forward));
      }
      m.all.push_back(1e3 * best_seconds(wall_clock, forward));
      Tape tape;
      m.forward(x);
      m.operations.push_back(double(tape.size()));
    }
    run.progress(int64_t(n), int64_t(lengths.back()));
  }

  std::vector<Series> time, operations;
  for (int i = 0; i < 2; ++i) {
    const Measured& m = measured[size_t(i)];
    time.push_back({.name = m.name + ", 1 thread", .x = lengths, .y = m.one, .mark = Mark::dashed, .colour = i});
    if (all > 1) {
      time.push_back({.name = m.name + ", " + std::to_string(all) + " threads",
                      .x = lengths,
                      .y = m.all,
                      .mark = Mark::line_and_points,
                      .colour = i});
    }
    operations.push_back({.name = m.name, .x = lengths, .y = m.operations, .mark = Mark::line_and_points, .colour = i});
  }
  const Measured &recurrent = measured[0], &transformer = measured[1];
  const auto speed_up = [](const Measured& m) { return m.one.back() / m.all.back(); };
  const bool recurrent_waits =
      exponent(lengths[0], recurrent.operations[0], lengths.back(), recurrent.operations.back()) > 0.9;
  const bool at_once = transformer.operations.front() == transformer.operations.back();
  const double n = lengths.back(), c = channels;
  const double work[] = {12 * n * c * c, 24 * n * c * c + 4 * n * n * c};  // of the products, in operations
  const std::string longest = format_count(int64_t(n));
  return {.verdict = recurrent_waits && at_once ? Verdict::holds : Verdict::fails,
          .number = "operations one after another for " + longest + " places: GRU " +
                    format_count(int64_t(recurrent.operations.back())) + ", Transformer layer " +
                    format_count(int64_t(transformer.operations.back())),
          .remark =
              "The GRU's step t needs the state of step t − 1; the Transformer's operations are the same few for "
              "any length, each over all places. At n = " +
              longest + " with " + std::to_string(all) + (all == 1 ? " thread" : " threads") + " the layer does " +
              format_significant(work[1] / work[0], 2) + " times the GRU's arithmetic in " +
              format_significant(transformer.all.back() / recurrent.all.back(), 2) + " times its time" +
              (all == 1 ? std::string()
                        : "; the threads make it " + format_significant(speed_up(transformer), 2) +
                              " times as fast, the GRU " + format_significant(speed_up(recurrent), 2) + " times") +
              ". This is about sequences that are known: one that writes word after word waits as well.",
          .pictures = {{line_plot({.title = "Time of a forward pass",
                                   .x = length_axis(lengths),
                                   .y = {.label = "milliseconds", .log = true}},
                                  time),
                        "One sequence, 128 channels; the best of several runs."},
                       {line_plot({.title = "Operations that wait for one another",
                                   .x = length_axis(lengths),
                                   .y = {.label = "operations on the tape", .log = true}},
                                  operations),
                        "As the tape records them. A chain in a GRU, which no number of threads shortens."}}};
}

extern const std::vector<Claim> cost_claims;
const std::vector<Claim> cost_claims = {
    {.id = "55",
     .title = "A square of work, one step between any two",
     .statement = "Self-attention costs time and memory that grow with the square of the length; in exchange any two "
                  "places are one step apart.",
     .experiment = attention_costs_squares},
    {.id = "66",
     .title = "No recurrence: all places at once",
     .statement = "A Transformer has no steps that wait for one another along the sequence; it computes all places at "
                  "the same time, which a recurrent network cannot.",
     .experiment = nothing_waits,
     .expect = Verdict::holds},
};

}  // namespace fovea::claims
