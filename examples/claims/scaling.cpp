// Claims about the size of scores: what it does to the softmax and its gradient, and what dividing by √d_k mends.
#include <algorithm>
#include <cmath>

#include "autograd/rows.h"
#include "autograd/tape.h"
#include "examples/claims/random_scores.h"
#include "tensor/elementwise.h"
#include "tensor/matmul.h"
#include "tensor/reduce.h"
#include "tensor/rows.h"
#include "tensor/views.h"

namespace fovea::claims {
namespace {

bool all_within(const std::vector<double>& values, double low, double high) {
  return std::all_of(values.begin(), values.end(), [&](double v) { return low <= v && v <= high; });
}

}  // namespace

Exhibit variance_of_scores(const Run& run) {
  constexpr int64_t n = 4000;
  std::vector<std::vector<double>> plain, scaled;  // [seed][width]
  std::vector<double> ratios, means;
  for (const uint64_t seed : run.seeds(5, 3)) {
    plain.emplace_back(), scaled.emplace_back();
    for (const double d : score_widths) {
      const Tensor scores = random_scores(n, 1, int64_t(d), run.rng("scores", seed));
      plain.back().push_back(var(scores).item());
      scaled.back().push_back(var(scores / std::sqrt(d)).item());
      ratios.push_back(plain.back().back() / d);
      means.push_back(mean(scores).item() / std::sqrt(d));
    }
  }
  const bool holds = all_within(ratios, 0.85, 1.15) && all_within(means, -0.08, 0.08);
  return {
      .verdict = holds ? Verdict::holds : Verdict::fails,
      .number = "Var(q·k) / d_k = " + spread(ratios).range_text() + " over all widths and seeds",
      .remark =
          "A sum of d_k independent products, each of mean 0 and variance 1, has variance d_k; dividing by "
          "√d_k makes it 1 again. That is a statement about random vectors: nothing keeps the scores of a "
          "trained model so small.",
      .pictures = {
          {line_plot({.title = "Variance of a score", .x = score_width_axis(), .y = {.label = "variance", .log = true}},
                     {over_runs("q·k", score_widths, plain),
                      over_runs("q·k / √d_k", score_widths, scaled),
                      {.name = "d_k", .x = score_widths, .y = score_widths, .mark = Mark::dashed, .colour = 7}}),
           "Median and range over the seeds, " + format_count(n) + " pairs each."}}};
}

Exhibit scores_saturate_softmax(const Run& run) {
  constexpr int64_t n = 600, keys = 16;
  std::vector<std::vector<double>> plain, scaled;
  for (const uint64_t seed : run.seeds(5, 3)) {
    plain.emplace_back(), scaled.emplace_back();
    for (const double d : score_widths) {
      const Tensor scores = random_scores(n, keys, int64_t(d), run.rng("scores", seed));
      plain.back().push_back(mean(max(softmax(scores), {-1})).item());
      scaled.back().push_back(mean(max(softmax(scores / std::sqrt(d)), {-1})).item());
    }
  }
  bool rises = true, stays = true;
  std::vector<double> at_the_end;
  for (size_t i = 0; i < plain.size(); ++i) {
    rises = rises && std::is_sorted(plain[i].begin(), plain[i].end()) && plain[i].back() > 0.9;
    stays = stays && all_within(scaled[i], 0.18, 0.3);
    at_the_end.push_back(plain[i].back());
  }
  return {
      .verdict = rises && stays ? Verdict::holds
                 : rises        ? Verdict::within_limits
                                : Verdict::fails,
      .number = "largest weight at d_k = 1,024: " + spread(at_the_end).text(3),
      .remark =
          "The largest of 16 weights, on average. Unscaled scores grow with √d_k and their softmax turns into a "
          "choice of one key; scaled, it does not depend on d_k.",
      .pictures = {{line_plot({.title = "The largest of 16 weights",
                               .x = score_width_axis(),
                               .y = {.label = "mean largest weight", .low = 0, .high = 1},
                               .y_lines = {{1.0 / keys, "all weights equal"}}},
                              {over_runs("q·k", score_widths, plain), over_runs("q·k / √d_k", score_widths, scaled)}),
                    "Median and range over the seeds, " + format_count(n) + " queries each."}}};
}

// dp_k / dx_i = p_k (δ_ki − p_i): by the formula, by the tape, and by differences.
Exhibit softmax_jacobian(const Run& run) {
  constexpr int64_t n = 6;
  constexpr double h = 1e-5;
  Rng rng = run.rng("logits");
  Parameter x(randn({n}, rng, DType::f64));
  const Tensor p = softmax(x.value());
  const Tensor column = reshape(p, {n, 1}), row = reshape(p, {1, n});
  const Tensor formula = eye(n, DType::f64) * column - column * row;  // [k, i]

  double tape_error = 0, difference_error = 0;
  for (int64_t i = 0; i < n; ++i) {
    const Tensor unit = select(eye(n, DType::f64), 0, i);
    x.zero_grad();
    Tape tape;
    tape.backward(softmax(x), unit);  // row i of the Jacobian
    tape_error = std::max(tape_error, max_abs_difference(x.grad(), select(formula, 0, i)));
    const Tensor slope = (softmax(x.value() + unit * h) - softmax(x.value() - unit * h)) / (2 * h);  // column i
    difference_error = std::max(difference_error, max_abs_difference(slope, select(formula, 1, i)));
  }

  std::vector<double> factors, norms;  // the same logits, larger and larger
  for (double factor = 0.1; factor < 200; factor *= 1.1) {
    const Tensor weights = softmax(x.value() * factor);
    const Tensor jacobian =
        eye(n, DType::f64) * reshape(weights, {n, 1}) - reshape(weights, {n, 1}) * reshape(weights, {1, n});
    factors.push_back(factor), norms.push_back(norm(jacobian).item());
  }
  const bool agree = tape_error < 1e-14 && difference_error < 1e-9;
  return {.verdict = agree && norms.back() < 1e-6 ? Verdict::holds : Verdict::fails,
          .number = "formula − tape: " + format_significant(tape_error, 2) +
                    ", formula − differences: " + format_significant(difference_error, 2),
          .remark =
              "Every row and every column sums to 0: a softmax cannot tell a shift of all logits. As the weights "
              "turn into one-hot, p_k (δ − p_i) goes to 0 in every place, exponentially in the gap between the two "
              "largest logits.",
          .pictures = {{heat_map({.title = "The Jacobian of a softmax",
                                  .rows = "weight k",
                                  .columns = "logit i",
                                  .palette = Palette::diverging,
                                  .decimals = 3},
                                 formula),
                        "p_k (δ − p_i) at six random logits."},
                       {line_plot({.title = "Its size, for larger and larger logits",
                                   .x = {.label = "logits multiplied by", .log = true},
                                   .y = {.label = "Frobenius norm", .log = true, .low = 1e-8, .high = 1}},
                                  {{"", factors, norms}}),
                        "The same six logits times a factor. On the way to one-hot nothing is left."}}};
}

extern const std::vector<Claim> scaling_claims;
const std::vector<Claim> scaling_claims = {
    {.id = "27+33",
     .title = "Var(q·k) = d_k, and √d_k makes it 1",
     .statement =
         "The product of a query and a key whose numbers are independent, of mean 0 and variance 1, has mean 0 "
         "and variance d_k. Dividing it by √d_k restores variance 1.",
     .experiment = variance_of_scores,
     .expect = Verdict::holds},
    {.id = "28",
     .title = "Large scores push the softmax to one-hot",
     .statement = "As the scores grow with d_k, the softmax puts nearly all its weight on one key.",
     .experiment = scores_saturate_softmax,
     .expect = Verdict::holds},
    {.id = "29",
     .title = "The Jacobian of the softmax",
     .statement = "∂p_k/∂x_i = p_k (δ_ki − p_i), and all of it goes to 0 as p goes to one-hot.",
     .experiment = softmax_jacobian,
     .expect = Verdict::holds},
};

}  // namespace fovea::claims
