// The experiment on distance: copying over 8 to 256 places, by convolutions, a recurrent network and attention of about
// the same number of parameters.
#include <algorithm>
#include <cmath>

#include "autograd/indexing.h"
#include "autograd/losses.h"
#include "examples/claims/convolution_stack.h"
#include "examples/claims/training.h"
#include "examples/lib/sequences.h"
#include "nn/attention.h"
#include "nn/embedding.h"
#include "nn/recurrent.h"
#include "nn/sequential.h"
#include "tensor/elementwise.h"

namespace fovea::claims {
namespace {

constexpr int64_t kSymbols = 8, kAsked = 32, kLongest = 256;

// One causal attention, with a learned score for each distance: (q_i · k_j) / √C + r_{i−j} · u.
struct AttentionOverDistances : nn::Module {
  nn::LayerNorm norm;
  nn::Linear query, key, value;
  Parameter distances;  // r [longest sequence, C]
  Parameter asked;      // u [C, 1]

  AttentionOverDistances(int64_t channels, Rng& rng)
      : norm(channels),
        query(channels, channels, rng),
        key(channels, channels, rng),
        value(channels, channels, rng),
        distances(0.1 * randn({kLongest + kAsked, channels}, rng)),
        asked(randn({channels, 1}, rng)) {
    value.weight.value() = eye(channels);  // what is found is handed on as it is, until something better is learnt
  }

  Variable operator()(const Variable& x) const {  // [B, n, C]
    const int64_t n = x.size(1);
    const Tensor difference = reshape(arange(n), {n, 1}) - reshape(arange(n), {1, n});
    const Tensor back = where(difference >= 0, difference, 0 * difference);        // those ahead are masked
    const Variable bias = squeeze(take_rows(matmul(distances, asked), back), -1);  // [n, n]
    const Variable y = norm(x);
    return x + nn::scaled_dot_product_attention(query(y), key(y), value(y), nn::Mask::causal(), bias);
  }
  void visit(nn::Visitor& v) override {
    v("norm", norm);
    v("query", query);
    v("key", key);
    v("value", value);
    v("distances", distances);
    v("asked", asked);
  }
};

struct Gru : nn::Module {
  nn::Recurrent layer;

  Gru(int64_t channels, Rng& rng) : layer({.kind = nn::Recurrence::gru, .in = channels, .hidden = channels}, rng) {}
  Variable operator()(const Variable& x) const { return layer(x).output; }
  void visit(nn::Visitor& v) override { layer.visit(v); }
};

// Symbols in, symbols out, over one table of embeddings.
struct Copier : nn::Module {
  nn::Embedding symbols;
  nn::Sequential body;

  Copier(int64_t channels, nn::Sequential body_, Rng& rng) : symbols(kSymbols, channels, rng), body(std::move(body_)) {}

  Variable operator()(const Tensor& inputs) const {                                     // [B, n]
    const Variable x = body(symbols(inputs));                                           // [B, n, C]
    return matmul(x, transpose(symbols.weight)) * (1 / std::sqrt(double(x.size(-1))));  // [B, n, symbols]
  }
  void visit(nn::Visitor& v) override {
    v("symbols", symbols);
    v("body", body);
  }
};

struct Contender {
  std::string name;
  int64_t channels;
  int64_t field;  // places it can see; 0: all of them
  std::function<void(nn::Sequential& body, int64_t channels, Rng& rng)> add_body;

  Copier model(Rng rng) const {
    nn::Sequential body;
    add_body(body, channels, rng);
    return Copier(channels, std::move(body), rng);
  }
};

Contender convolutions(std::string name, int64_t channels, const std::vector<int64_t>& dilations) {
  Rng rng(0);
  return {std::move(name), channels, ConvolutionStack(1, dilations, rng).receptive_field(),
          [dilations](nn::Sequential& body, int64_t c, Rng& r) { body.add(ConvolutionStack(c, dilations, r)); }};
}

// Trains a new model to copy over one delay; the share of symbols it gets right afterwards.
double learns_to_copy(const Run& run, const Contender& contender, int64_t delay, uint64_t seed) {
  Copier model = contender.model(run.rng("weights", seed));
  Rng data = run.rng("data", seed);
  const auto batch = [&](int64_t rows) { return delayed_copy(rows, delay + kAsked, delay, kSymbols, data); };
  train(run, model, {.steps = 120, .lr = 5e-3, .label = contender.name}, [&](int64_t) {
    const Labelled b = batch(8);
    return cross_entropy(model(b.inputs), b.targets, {.ignore_index = -1});
  });
  const Labelled test = batch(32);
  return accuracy(model(test.inputs).value(), test.targets);
}

}  // namespace

Exhibit copying_over_distance(const Run& run) {
  std::vector<Contender> contenders = {
      {"attention", 64, 0, [](nn::Sequential& body, int64_t c, Rng& r) { body.add(AttentionOverDistances(c, r)); }},
      convolutions("8 convolutions", 35, std::vector<int64_t>(8, 1))};
  if (!run.quick()) {
    contenders.push_back(convolutions("5 dilated convolutions", 44, doubling(5)));
    contenders.push_back(convolutions("8 dilated convolutions", 35, doubling(8)));
    contenders.push_back({"GRU", 71, 0, [](nn::Sequential& body, int64_t c, Rng& r) { body.add(Gru(c, r)); }});
  }
  const std::vector<double> delays =
      run.quick() ? std::vector<double>{8, 64} : std::vector<double>{8, 32, double(kLongest)};
  std::vector<Series> series;
  Grid grid{.header = {"model", "parameters", "places seen"}, .caption = "Symbols copied right, by the delay."};
  for (const double delay : delays) grid.header.push_back("T = " + format_count(int64_t(delay)));
  Spread attention_at_the_end, convolutions_at_the_end;
  bool fail_beyond_their_field = true;
  for (const Contender& contender : contenders) {
    std::vector<std::vector<double>> runs;                     // [seed][delay]
    std::vector<std::vector<double>> by_delay(delays.size());  // [delay][seed]
    for (const uint64_t seed : run.seeds(3, 1)) {
      runs.emplace_back();
      for (size_t i = 0; i < delays.size(); ++i) {
        runs.back().push_back(learns_to_copy(run, contender, int64_t(delays[i]), seed));
        by_delay[i].push_back(runs.back().back());
        const bool beyond = contender.field > 0 && delays[i] >= double(contender.field);
        if (beyond && runs.back().back() > 0.25) fail_beyond_their_field = false;
      }
    }
    series.push_back(over_runs(contender.name, delays, runs));
    series.back().mark = Mark::line_and_points;
    grid.rows.push_back({contender.name, format_count(contender.model(Rng(0)).parameter_count()),
                         contender.field > 0 ? format_count(contender.field) : "all"});
    for (const auto& seeds : by_delay) grid.rows.back().push_back(spread(seeds).percent(0));
    if (contender.name == "attention") attention_at_the_end = spread(by_delay.back());
    if (contender.name == "8 convolutions") convolutions_at_the_end = spread(by_delay.back());
  }
  const bool attention_copies = attention_at_the_end.low >= 0.99;
  return {.verdict = attention_copies && fail_beyond_their_field ? Verdict::holds : Verdict::fails,
          .number = "at T = " + format_count(int64_t(delays.back())) + ": attention " + attention_at_the_end.percent() +
                    ", 8 convolutions " + convolutions_at_the_end.percent(),
          .remark =
              "Beyond its receptive field a stack of convolutions can only guess (1 in 8), however long it trains. "
              "Attention copies over any distance with the same one layer. Dilations are the convolutions' answer: "
              "eight layers of them see 511 places. The GRU has to carry all T symbols in its state; what it misses "
              "here is also a matter of training, which is short for all: 120 steps.",
          .pictures = {{line_plot({.title = "Copying over a distance",
                                   .x = {.label = "delay T (places)", .log = true, .ticks = delays},
                                   .y = {.label = "share copied right", .low = 0, .high = 1},
                                   .y_lines = {{1.0 / kSymbols, "guessing"}}},
                                  series),
                        "Eight symbols, a model trained for each delay; median and range over the seeds."}},
          .grids = {grid}};
}

extern const std::vector<Claim> far_copy_claims;
const std::vector<Claim> far_copy_claims = {
    {.id = "69",
     .title = "Copying from far away",
     .statement = "To copy a symbol over a long distance is easy for attention; a convolution cannot do it beyond its "
                  "receptive field.",
     .experiment = copying_over_distance},
};

}  // namespace fovea::claims
