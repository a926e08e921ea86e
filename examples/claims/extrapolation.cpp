// Claims about relative positions: what the distance between a query and a key does to their score, scheme by scheme,
// and which of them still work in sequences longer than those they were trained on.
#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "autograd/losses.h"
#include "examples/claims/position_names.h"
#include "examples/claims/training.h"
#include "examples/lib/sequences.h"
#include "nn/gpt.h"
#include "tensor/elementwise.h"
#include "tensor/indexing.h"
#include "tensor/reduce.h"
#include "tensor/views.h"

namespace fovea::claims {
namespace {

using nn::Positions;

// --- trained at one length, tested at another ---------------------------------------------------------------------

constexpr int64_t kTrained = 32, kTested = 256;  // lengths

// A memory of a few registers. Each place either writes a value into a register (token register · values + value) or
// asks what a register holds (token registers · values + register): the value that was written there last.
constexpr int64_t kRegisters = 4, kValues = 8, kTokens = kRegisters * kValues + kRegisters;

Labelled last_written(int64_t batch, int64_t length, Rng& rng) {
  const std::vector<int64_t> asks = randint(0, 2, {batch, length}, rng).to_vector<int64_t>();
  const std::vector<int64_t> written = randint(0, kRegisters * kValues, {batch, length}, rng).to_vector<int64_t>();
  std::vector<int64_t> inputs, targets;
  for (int64_t row = 0; row < batch; ++row) {
    std::vector<int64_t> held(kRegisters, -1);  // -1: nothing yet, and no answer
    for (int64_t t = 0; t < length; ++t) {
      const int64_t token = written[size_t(row * length + t)];
      const size_t in_register = size_t(token / kValues);
      const bool ask = asks[size_t(row * length + t)] == 1;
      inputs.push_back(ask ? kRegisters * kValues + int64_t(in_register) : token);
      targets.push_back(ask ? held[in_register] : -1);
      if (!ask) held[in_register] = token % kValues;
    }
  }
  return {from_vector(inputs, {batch, length}), from_vector(targets, {batch, length})};
}

// Accuracy is measured from each of these places to before the next.
const std::vector<int64_t> bounds = {0, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256};

// In each of those ranges, the accuracy of a model trained at length 32; NaN where it has no positions.
std::vector<double> accuracy_by_place(const Run& run, Positions positions, uint64_t seed) {
  Rng weights = run.rng("weights", seed), data = run.rng("data", seed);
  nn::GPT model({.vocab = kTokens,
                 .layers = 1,
                 .heads = 4,
                 .dim = 64,
                 .context = kTrained,
                 .hidden = 128,
                 .positions = positions,
                 .max_distance = kTrained},
                weights);
  train(run, model, {.steps = run.either(220, 90), .lr = 6e-3, .label = name(positions)}, [&](int64_t) {
    const Labelled batch = last_written(32, kTrained, data);
    return cross_entropy(model(batch.inputs), batch.targets, {.ignore_index = -1});
  });
  const int64_t reach = positions == Positions::learned ? kTrained : kTested;
  const Labelled test = last_written(run.either(64, 8), reach, data);
  const Tensor logits = model(test.inputs).value();
  std::vector<double> result;
  for (size_t i = 0; i + 1 < bounds.size(); ++i) {
    const auto here = [&](const Tensor& x) { return narrow(x, 1, bounds[i], bounds[i + 1] - bounds[i]); };
    const bool reached = bounds[i + 1] <= reach;
    result.push_back(reached ? accuracy(here(logits), here(test.targets)) : std::nan(""));
  }
  return result;
}

// The mean of the ranges between two of the bounds.
double mean_between(const std::vector<double>& ranges, int64_t first, int64_t last) {
  double sum = 0;
  int64_t count = 0;
  for (size_t i = 0; i < ranges.size(); ++i) {
    if (first <= bounds[i] && bounds[i + 1] <= last) sum += ranges[i], ++count;
  }
  return sum / double(count);
}

std::string percent(double share) { return std::isnan(share) ? "—" : format_fixed(100 * share, 0) + " %"; }

// --- what a distance does to a score ------------------------------------------------------------------------------

constexpr int64_t kLength = 24, kDelay = 3, kSymbols = 8;

// Scores of one layer and one head that learned to look three places back, by the distance of query and key:
struct ScoresByDistance {
  Tensor curves;           // [query symbol, key symbol, distance 0 … 23], less the mean over the distances
  double accuracy = 0;     // of the task
  double shift_error = 0;  // how much a score changes where query and key both move on by one place
};
ScoresByDistance scores_by_distance(const Run& run, Positions positions) {
  constexpr int64_t dim = 32;
  Rng weights = run.rng("weights"), data = run.rng("data");
  nn::GPT model({.vocab = kSymbols,
                 .layers = 1,
                 .heads = 1,
                 .dim = dim,
                 .hidden = dim,
                 .positions = positions,
                 .max_distance = kLength},
                weights);
  const auto batch = [&] { return delayed_copy(32, kLength, kDelay, kSymbols, data); };
  train(run, model, {.steps = run.either(250, 80), .lr = 1e-2, .label = name(positions)}, [&](int64_t) {
    const Labelled b = batch();
    return cross_entropy(model(b.inputs), b.targets, {.ignore_index = -1});
  });
  const Labelled test = batch();

  // Every symbol as a query and as a key, standing at every place: the rest of a score is the distance's.
  const bool shared = positions == Positions::t5 || positions == Positions::alibi;
  const nn::EncoderLayer& block = model.blocks[0];
  const nn::RelativePositions& scheme = shared ? model.shared_positions : block.attention.positions;
  const Variable symbols = block.attention_norm(model.token_embedding(arange(kSymbols)));  // [symbols, C]
  const Shape pairs = {kSymbols, kSymbols, kLength, dim}, batched = {kSymbols * kSymbols, 1, kLength, dim};
  const Variable q = reshape(block.attention.query(symbols), {kSymbols, 1, 1, dim});
  const Variable k = reshape(block.attention.key(symbols), {1, kSymbols, 1, dim});
  const Variable queries = reshape(expand(q, pairs), batched), keys = reshape(expand(k, pairs), batched);
  Variable scores = matmul(scheme.rotate(queries, 0), transpose(scheme.rotate(keys, 0))) * scheme.scale(dim);
  if (const Variable bias = scheme.bias(queries, keys); bias.defined()) scores = scores + bias;  // [pairs, 1, T, T]

  const auto block_from = [&](int64_t start) {
    return narrow(narrow(scores.value(), 2, start, kLength - 1), 3, start, kLength - 1);
  };
  const Tensor last_query = flip(select(scores.value(), 2, kLength - 1), {2});  // [pairs, 1, distance]
  const Tensor curves = reshape(last_query, {kSymbols, kSymbols, kLength});
  return {.curves = curves - mean(curves, {2}, true),
          .accuracy = accuracy(model(test.inputs).value(), test.targets),
          .shift_error = max_abs_difference(block_from(0), block_from(1))};
}

// How much the curves differ along an axis (0: other queries, 1: other keys), as a share of their whole range.
double change_along(int axis, const Tensor& curves) {
  const double range = max(curves).item() - min(curves).item();
  return max(max(curves, {axis}) - min(curves, {axis})).item() / range;
}

Plot distance_plot(Positions positions, const std::vector<Series>& series, bool level = false) {
  return line_plot({.title = title_of(positions),
                    .x = {.label = "distance i − j"},
                    .y = {.label = "score",
                          .low = level ? std::optional(-1.0) : std::nullopt,
                          .high = level ? std::optional(1.0) : std::nullopt},
                    .width = 330,
                    .height = 250},
                   series);
}

// The mean of all queries and keys; and what three pairs of them add to it.
Plot mean_plot(Positions positions, const Tensor& curves) {
  return distance_plot(positions, {{.x = steps_of(kLength, 0), .y = numbers(mean(curves, {0, 1}))}});
}
Plot pairs_plot(Positions positions, const Tensor& curves) {
  const Tensor own = curves - mean(curves, {0, 1}, true);
  std::vector<Series> series;
  for (const auto& [query, key] : {std::pair{0, 1}, {2, 1}, {0, 3}})
    series.push_back({.name = std::string(1, char('a' + query)) + "·" + char('a' + key),
                      .x = steps_of(kLength, 0),
                      .y = numbers(select(select(own, 0, query), 0, key)),
                      .mark = series.empty() ? Mark::line_and_points : Mark::line});
  return distance_plot(positions, series, max(abs(own)).item() < 1e-3);
}

}  // namespace

Exhibit length_extrapolation(const Run& run) {
  std::vector<double> middles;
  for (size_t i = 0; i + 1 < bounds.size(); ++i) middles.push_back(double(bounds[i] + bounds[i + 1]) / 2);
  std::vector<Series> series;
  std::vector<std::string> reached;  // by the relative ones, at the far end
  Grid grid{.header = {"positions", "places 0–31", "32–63", "64–127", "128–255"},
            .caption = "Accuracy, the median of the seeds. Guessing: 1 in 8."};
  int64_t relative = 0, carried = 0;
  bool absolute_carried = false;
  for (const Positions positions : nn::all_positions) {
    std::vector<std::vector<double>> runs;
    for (const uint64_t seed : run.seeds(3, 1)) runs.push_back(accuracy_by_place(run, positions, seed));
    series.push_back(over_runs(title_of(positions), middles, runs));
    if (positions == Positions::learned) series.back().mark = Mark::line_and_points;  // else hidden by the others
    const std::vector<double>& median = series.back().y;
    const double near = mean_between(median, 0, 32), far = mean_between(median, 128, 256);
    grid.rows.push_back({title_of(positions), percent(near), percent(mean_between(median, 32, 64)),
                         percent(mean_between(median, 64, 128)), percent(far)});
    const bool carries = near > 0.7 && far > 0.9 * near;
    if (is_relative(positions)) {
      ++relative, carried += carries;
      reached.push_back(title_of(positions) + " " + percent(far));
    } else {
      absolute_carried = absolute_carried || carries;
    }
  }
  std::string number = "right at places 128–255: ";
  for (const std::string& one : reached) number += (one == reached.front() ? "" : ", ") + one;
  return {
      .verdict = carried == 0 || absolute_carried ? Verdict::fails
                 : carried == relative            ? Verdict::holds
                                                  : Verdict::within_limits,
      .number = number,
      .remark = "Of " + std::to_string(relative) + " relative schemes " + std::to_string(carried) +
                " keep nine tenths of their accuracy. That a score depends on the distance alone is not enough: it has "
                "to be sane at distances that were never seen. RoPE's slow hands turn to angles there that are new. T5 "
                "has one number for all distances from 31 on, of which training at 32 shows one pair in a sequence. "
                "What grows (ALiBi's penalty) or is clipped (DeBERTa's distances) stays quiet. Sinusoids in the "
                "embeddings fall at once, and learned positions end at 32.",
      .pictures = {{line_plot({.title = "Trained at length 32, tested to 256",
                               .x = {.label = "place in the sequence",
                                     .log = true,
                                     .low = 4,
                                     .high = 256,
                                     .ticks = {4, 8, 16, 32, 64, 128, 256}},
                               .y = {.label = "accuracy", .low = 0, .high = 1.04, .ticks = {0, 0.2, 0.4, 0.6, 0.8, 1}},
                               .x_lines = {{double(kTrained), "trained to here"}},
                               .y_lines = {{1.0 / kValues, "guessing"}},
                               .width = 640,
                               .height = 420},
                              series),
                    "Which value was last written into this register? One causal layer of four heads, the same but "
                    "for its positions; median and range over the seeds."}},
      .grids = {grid}};
}

Exhibit kinds_of_relative_positions(const Run& run) {
  struct Kind {
    Positions positions;
    const char* formula;
  };
  const std::vector<Kind> kinds = {{Positions::t5, "q·k + b[bucket(i − j)], b learned"},
                                   {Positions::alibi, "q·k − m (i − j), m fixed"},
                                   {Positions::transformer_xl, "(q + u)·k + (q + v)·W r(i − j)"},
                                   {Positions::deberta, "q·k + q·W a(i − j) + k·W′ a(j − i)"},
                                   {Positions::rope, "q·Rot(i − j) k"}};
  Grid grid{.header = {"", "score", "changes with the query", "with the key", "copies right"},
            .caption =
                "How much the curve of a score over the distance changes with another query or key: the largest "
                "difference, as a share of the range of all curves."};
  std::vector<Plot> means, pairs;
  std::string number;
  double shift_error = 0;
  bool as_distinguished = true;
  for (const Kind& kind : kinds) {
    const ScoresByDistance scores = scores_by_distance(run, kind.positions);
    const double by_query = change_along(0, scores.curves), by_key = change_along(1, scores.curves);
    const bool scalar = kind.positions == Positions::t5 || kind.positions == Positions::alibi;
    const bool query_alone = kind.positions == Positions::transformer_xl;
    as_distinguished = as_distinguished && (by_query < 1e-4) == scalar && (by_key < 1e-4) == (scalar || query_alone);
    shift_error = std::max(shift_error, scores.shift_error);
    number +=
        (number.empty() ? "" : ", ") + title_of(kind.positions) + " " + percent(by_query) + " / " + percent(by_key);
    grid.rows.push_back(
        {title_of(kind.positions), kind.formula, percent(by_query), percent(by_key), percent(scores.accuracy)});
    means.push_back(mean_plot(kind.positions, scores.curves));
    pairs.push_back(pairs_plot(kind.positions, scores.curves));
  }
  return {.verdict = shift_error > 1e-3 ? Verdict::fails
                     : as_distinguished ? Verdict::within_limits
                                        : Verdict::holds,
          .number = "changes with query / key: " + number,
          .remark = "All of them depend on places by i − j alone (moved by one place, scores change by " +
                    format_significant(shift_error, 1) +
                    " at most). But one R(i − j) for all is T5's and ALiBi's way only. In Transformer-XL what the "
                    "distance does depends on the query, in DeBERTa on query and key, each by a term of its own, and "
                    "RoPE adds nothing: it turns them.",
          .pictures = {{small_multiples("What a distance does to a score", 3, means),
                        "One layer and one head each, trained to say what stood three places back. The mean of all "
                        "symbols as query and key, less the mean over the distances. ALiBi's slope is not learned, so "
                        "it cannot point at a place."},
                       {small_multiples("What it does besides, for this query and this key", 3, pairs),
                        "Three pairs of a query and a key, of the symbols a, b, c and d, less the mean above: nothing "
                        "where the distance has one number for all; in Transformer-XL the pairs with the same query "
                        "are one line."}},
          .grids = {grid}};
}

extern const std::vector<Claim> relative_position_claims;
const std::vector<Claim> relative_position_claims = {
    {.id = "60",
     .title = "Relative positions beyond the length of training",
     .statement = "A relative position, in the score, says how far apart two tokens are and not where they stand, so "
                  "that it carries over to sequences longer than those trained on.",
     .experiment = length_extrapolation},
    {.id = "slip-8",
     .title = "One formula for three mechanisms",
     .statement = "Relative positions, as in Transformer-XL, T5 and DeBERTa, are Q Kᵀ + R(i − j).",
     .experiment = kinds_of_relative_positions,
     .expect = Verdict::within_limits},
};

}  // namespace fovea::claims
