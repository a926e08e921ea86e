// Claims about softmaxes that have become a choice of one: what happens to the gradient, to what is seen, and to noise.
#include <algorithm>
#include <cmath>

#include "autograd/attention.h"
#include "autograd/losses.h"
#include "examples/claims/random_scores.h"
#include "examples/claims/training.h"
#include "examples/lib/sequences.h"
#include "nn/embedding.h"
#include "nn/linear.h"
#include "nn/norm.h"
#include "tensor/reduce.h"
#include "tensor/rows.h"
#include "tensor/sort.h"

namespace fovea::claims {
namespace {

constexpr int64_t kKeys = 16;

// The norm of each row's Jacobian: ‖diag(p) − p pᵀ‖² = Σ p² (1 − 2p) + (Σ p²)². weights [n, keys] -> [n]
Tensor jacobian_norms(const Tensor& weights) {
  const Tensor squares = square(weights);
  return sqrt(clamp(sum(squares * (1.0 - 2.0 * weights), {-1}) + square(sum(squares, {-1})), 0, 1));
}

// −Σ p ln p, in nats. [n, keys] -> [n]
Tensor entropy(const Tensor& weights) { return -sum(weights * log(clamp(weights, 1e-300, 1)), {-1}); }

// For each width: a number of the weights of unscaled scores, and of scaled ones.
struct Measured {
  std::vector<std::vector<double>> plain, scaled;  // [seed][width]
};
Measured measure(const Run& run, double (*number)(const Tensor& weights)) {
  Measured m;
  for (const uint64_t seed : run.seeds(5, 3)) {
    m.plain.emplace_back(), m.scaled.emplace_back();
    for (const double d : score_widths) {
      const Tensor scores = random_scores(800, kKeys, int64_t(d), run.rng("scores", seed));
      m.plain.back().push_back(number(softmax(scores)));
      m.scaled.back().push_back(number(softmax(scores / std::sqrt(d))));
    }
  }
  return m;
}

Plot measured_plot(std::string title, Axis y, const Measured& m, std::vector<Reference> lines = {}) {
  return line_plot({.title = std::move(title), .x = score_width_axis(), .y = std::move(y), .y_lines = std::move(lines)},
                   {over_runs("q·k", score_widths, m.plain), over_runs("q·k / √d_k", score_widths, m.scaled)});
}

std::vector<double> last_of(const std::vector<std::vector<double>>& runs) {
  std::vector<double> last;
  for (const auto& run : runs) last.push_back(run.back());
  return last;
}

// One causal attention of one head that learns to copy over a distance: queries and keys of width d_k from tokens and
// learned positions.
struct CopyModel : nn::Module {
  nn::Embedding tokens;
  Parameter positions;  // [T, C]
  nn::LayerNorm norm;
  nn::Linear query, key, value, output;
  double scale;

  static constexpr int64_t kSymbols = 8, kLength = 32, kDelay = 6, kWidth = 64;

  CopyModel(int64_t d_k, double scale_, Rng rng)
      : tokens(kSymbols, kWidth, rng),
        positions(randn({kLength, kWidth}, rng)),
        norm(kWidth),
        query(kWidth, d_k, rng),
        key(kWidth, d_k, rng),
        value(kWidth, kWidth, rng),
        output(kWidth, kSymbols, rng),
        scale(scale_) {
    for (nn::Linear* map : {&query, &key}) map->weight.value() = randn({kWidth, d_k}, rng) / std::sqrt(double(kWidth));
  }

  Variable operator()(const Tensor& inputs) const {       // [B, T]
    const Variable x = norm(tokens(inputs) + positions);  // [B, T, C], numbers of variance 1
    const Variable y = attention(query(x), key(x), value(x), scale, {}, true);
    return output(y);  // [B, T, symbols]
  }
  void visit(nn::Visitor& v) override {
    v("tokens", tokens);
    v("positions", positions);
    v("norm", norm);
    v("query", query);
    v("key", key);
    v("value", value);
    v("output", output);
  }
};

// The losses of a model that learns to copy; and its accuracy at the end.
struct Learned {
  std::vector<double> losses;
  double accuracy = 0;
};
Learned learn_to_copy(const Run& run, CopyModel& model, uint64_t seed, int64_t steps, std::string_view label) {
  Rng data = run.rng("data", seed);
  const auto batch = [&] { return delayed_copy(32, CopyModel::kLength, CopyModel::kDelay, CopyModel::kSymbols, data); };
  Learned learned;
  learned.losses = train(run, model, {.steps = steps, .label = label}, [&](int64_t) {
    const Labelled b = batch();
    return cross_entropy(model(b.inputs), b.targets, {.ignore_index = -1});
  });
  const Labelled test = batch();
  learned.accuracy = accuracy(model(test.inputs).value(), test.targets);
  return learned;
}

// The first step after which the loss is below that; the number of steps where none is.
double steps_until(const std::vector<double>& losses, double level) {
  return double(std::find_if(losses.begin(), losses.end(), [&](double loss) { return loss < level; }) - losses.begin());
}

Series loss_curve(std::string name, const std::vector<std::vector<double>>& runs) {
  std::vector<std::vector<double>> smoothed;
  for (const auto& losses : runs) smoothed.push_back(smooth(losses));
  return over_runs(std::move(name), steps_of(smoothed[0].size()), smoothed);
}

}  // namespace

Exhibit saturation_kills_gradient(const Run& run) {
  const Measured norms = measure(run, [](const Tensor& p) { return mean(jacobian_norms(p)).item(); });
  const Measured dead =
      measure(run, [](const Tensor& p) { return mean((jacobian_norms(p) < 1e-3).to(DType::f64)).item(); });
  const Spread at_the_end = spread(last_of(dead.plain)), scaled = spread(last_of(dead.scaled));
  const bool falls = spread(last_of(norms.plain)).high < 0.2 * norms.plain[0][0];
  return {
      .verdict = falls && at_the_end.low > 0.5 && scaled.high < 0.01 ? Verdict::holds : Verdict::fails,
      .number = "rows without a gradient at d_k = 1,024: " + at_the_end.percent(0) + "; scaled " + scaled.percent(0),
      .remark =
          "The gradient of the weights with respect to the scores is the Jacobian of the softmax. “Without a gradient” "
          "is a row whose Jacobian has a norm below 0.001: whatever error comes back to it, next to nothing goes on "
          "to the query and the keys.",
      .pictures = {
          {measured_plot("How much gradient passes", {.label = "mean norm of the Jacobian", .low = 0}, norms),
           "16 keys, 800 queries; median and range over the seeds."},
          {measured_plot("Rows that pass none", {.label = "share with a norm below 0.001", .low = 0, .high = 1}, dead),
           "These rows learn nothing, whatever the loss says."}}};
}

Exhibit saturation_hides_tokens(const Run& run) {
  const Measured m = measure(run, [](const Tensor& p) { return mean(entropy(p)).item(); });
  const Spread plain = spread(last_of(m.plain)), scaled = spread(last_of(m.scaled));
  return {.verdict = plain.high < 0.2 && scaled.low > 2 ? Verdict::holds : Verdict::fails,
          .number = "entropy at d_k = 1,024: " + plain.text(2) + " nats; scaled " + scaled.text(3),
          .remark = "exp(entropy) is how many keys a query really looks at: of 16, " +
                    format_significant(std::exp(plain.median), 2) + " unscaled and " +
                    format_significant(std::exp(scaled.median), 3) + " scaled.",
          .pictures = {{measured_plot("How many keys are seen", {.label = "mean entropy (nats)", .low = 0}, m,
                                      {{std::log(double(kKeys)), "all weights equal"}}),
                        "Median and range over the seeds."}}};
}

// 1 % of noise on the queries; by how much do the weights change in sum?
Exhibit saturation_is_fragile(const Run& run) {
  constexpr int64_t n = 4000, d = 1024;
  std::vector<double> plain_median, plain_tail, scaled_median, scaled_tail;
  std::vector<Sample> samples;
  for (const uint64_t seed : run.seeds(3, 2)) {
    Rng rng = run.rng("vectors", seed);
    const Tensor q = randn({n, 1, d}, rng), k = randn({n, kKeys, d}, rng), noise = 0.01 * randn({n, 1, d}, rng);
    const auto change = [&](double scale) {
      const auto weights = [&](const Tensor& query) {
        return softmax(squeeze(matmul(query, transpose(k)), 1).to(DType::f64) * scale);
      };
      return sort(sum(abs(weights(q + noise) - weights(q)), {-1})).values;  // [n], ascending
    };
    const Tensor plain = change(1), scaled = change(1 / std::sqrt(double(d)));
    plain_median.push_back(plain.at({n / 2})), plain_tail.push_back(plain.at({n * 99 / 100}));
    scaled_median.push_back(scaled.at({n / 2})), scaled_tail.push_back(scaled.at({n * 99 / 100}));
    if (samples.empty())
      samples = {{"q·k", numbers(clamp(plain, 1e-8, 2))}, {"q·k / √d_k", numbers(clamp(scaled, 1e-8, 2))}};
  }
  const bool in_the_tail = spread(plain_tail).low > 5 * spread(scaled_tail).high;
  const bool in_the_middle = spread(plain_median).low > spread(scaled_median).high;
  return {
      .verdict = in_the_tail && in_the_middle ? Verdict::holds
                 : in_the_tail                ? Verdict::within_limits
                                              : Verdict::fails,
      .number = "change of the weights, 99th percentile: " + spread(plain_tail).text(2) + "; scaled " +
                spread(scaled_tail).text(2),
      .remark = "Only in the tail. The median change is " + format_significant(spread(plain_median).median, 2) +
                " against " + format_significant(spread(scaled_median).median, 2) +
                " with scaling: saturated weights are frozen almost everywhere, and fall off a cliff where two scores "
                "nearly tie. The notes say it of all inputs.",
      .pictures = {{histogram({.title = "1 % of noise on the query",
                               .x = {.label = "Σ |change of a weight|", .log = true, .low = 1e-8, .high = 2},
                               .y = {.label = "queries"}},
                              samples),
                    "d_k = 1,024, 16 keys, 4,000 queries. Changes below 10⁻⁸ are counted there."}}};
}

Exhibit scaling_helps_training(const Run& run) {
  const int64_t steps = run.either(250, 120);
  const std::vector<int64_t> widths = {4, 64, 256};
  std::vector<Plot> plots;
  std::vector<double> times_as_many;  // steps without scaling, in both of the wide heads, for each seed
  std::string number = "steps until the loss is below 0.5";
  Grid grid{.header = {"d_k", "steps, scaled", "steps, not scaled", "accuracy, scaled", "accuracy, not scaled"},
            .caption = "Steps until the loss is below 0.5, " + std::to_string(steps) +
                       " where it never was; accuracy after the last."};
  for (const int64_t d : widths) {
    std::vector<std::vector<double>> curves[2];
    std::vector<double> scores[2], needed[2];
    for (const uint64_t seed : run.seeds(3, 1)) {
      for (const int scaled : {0, 1}) {
        CopyModel model(d, scaled ? 1 / std::sqrt(double(d)) : 1, run.rng("weights", seed));
        const Learned learned = learn_to_copy(run, model, seed, steps, "d_k " + std::to_string(d));
        curves[scaled].push_back(learned.losses), scores[scaled].push_back(learned.accuracy);
        needed[scaled].push_back(steps_until(smooth(learned.losses), 0.5));
      }
      if (d > widths.front()) times_as_many.push_back(needed[0].back() / needed[1].back());
    }
    plots.push_back(line_plot({.title = "d_k = " + std::to_string(d),
                               .x = {.label = "step"},
                               .y = {.label = "loss", .low = 0, .high = 3},
                               .width = 330,
                               .height = 260},
                              {loss_curve("scaled", curves[1]), loss_curve("not scaled", curves[0])}));
    const Spread with = spread(needed[1]), without = spread(needed[0]);
    grid.rows.push_back(
        {std::to_string(d), with.text(), without.text(), spread(scores[1]).percent(), spread(scores[0]).percent()});
    const std::string never = without.median == double(steps) ? "more than " : "";
    number += "; d_k = " + std::to_string(d) + ": " + format_significant(with.median, 3) + ", not scaled " + never +
              format_significant(without.median, 3);
  }
  const Spread times = spread(times_as_many);
  return {
      .verdict = times.low > 1.3      ? Verdict::holds
                 : times.median > 1.3 ? Verdict::within_limits
                                      : Verdict::fails,
      .number = number,
      .remark =
          "One attention learns to copy over six places. Same seeds, same data; only the scale differs. It matters "
          "where heads are wide: at d_k = 4, where √d_k is 2, there is next to nothing in it. It is a better start "
          "and no different model; with enough steps weights can learn to be small by themselves.",
      .pictures = {{small_multiples("Learning to copy", 3, plots), "Loss, smoothed; median and range over the seeds."}},
      .grids = {grid}};
}

// A softmax whose logits are 30 times too large: in the attention, or in the output.
Exhibit which_saturation_stalls(const Run& run) {
  constexpr int64_t d = 64;
  constexpr double factor = 30;
  const int64_t steps = run.either(250, 120);
  const char* const names[] = {"neither", "output saturated", "attention saturated"};
  std::vector<std::vector<double>> curves[3];
  std::vector<double> scores[3];
  for (const uint64_t seed : run.seeds(3, 1)) {
    for (int which = 0; which < 3; ++which) {
      CopyModel model(d, 1 / std::sqrt(double(d)), run.rng("weights", seed));
      if (which == 1) model.output.weight.value() = model.output.weight.value() * factor;
      if (which == 2) model.query.weight.value() = model.query.weight.value() * factor;
      const Learned learned = learn_to_copy(run, model, seed, steps, names[which]);
      curves[which].push_back(learned.losses), scores[which].push_back(learned.accuracy);
    }
  }
  std::vector<Series> series;
  for (int which = 0; which < 3; ++which) series.push_back(loss_curve(names[which], curves[which]));
  const Spread output = spread(scores[1]), attention_only = spread(scores[2]);
  const bool only_attention_stalls = attention_only.high < output.low - 0.1;
  return {
      .verdict = only_attention_stalls ? Verdict::within_limits : Verdict::fails,
      .number =
          "accuracy: output saturated " + output.percent(0) + ", attention saturated " + attention_only.percent(0),
      .remark =
          "The notes say that a saturated softmax has no gradient. That is so where the softmax stands alone, as "
          "in attention. Under a cross-entropy the gradient of the logits is p − y, which is largest where the "
          "model is sure and wrong: a saturated output starts badly and recovers, where the attention is far behind "
          "after " +
          std::to_string(steps) + " steps.",
      .pictures = {
          {line_plot(
               {.title = "Weights 30 times too large", .x = {.label = "step"}, .y = {.label = "loss", .log = true}},
               series),
           "Learning to copy over six places; median and range over the seeds."}}};
}

extern const std::vector<Claim> saturation_claims;
const std::vector<Claim> saturation_claims = {
    {.id = "30",
     .title = "Saturation kills the gradient",
     .statement = "Where the softmax has become a choice of one key, next to no gradient reaches the scores.",
     .experiment = saturation_kills_gradient,
     .expect = Verdict::holds},
    {.id = "31",
     .title = "Saturated weights see one token",
     .statement = "Saturated weights are sparse: what the other tokens hold is lost.",
     .experiment = saturation_hides_tokens,
     .expect = Verdict::holds},
    {.id = "32+slip-10",
     .title = "Saturated weights are fragile",
     .statement = "A little noise on the input changes saturated weights much.",
     .experiment = saturation_is_fragile,
     .expect = Verdict::within_limits},
    {.id = "34",
     .title = "Scaling helps training",
     .statement = "Dividing the scores by √d_k makes the training converge better.",
     .experiment = scaling_helps_training},
    {.id = "slip-7",
     .title = "Not every saturated softmax stalls",
     .statement = "The notes: gradients vanish where a softmax saturates. Is that so for every softmax of a model?",
     .experiment = which_saturation_stalls},
};

}  // namespace fovea::claims
