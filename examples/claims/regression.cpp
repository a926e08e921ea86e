// Claims about kernel regression: attention where queries and keys are numbers, so that one can look at it.
#include <cmath>
#include <numbers>

#include "autograd/tape.h"
#include "examples/claims/claim.h"
#include "examples/claims/training.h"
#include "examples/lib/curve.h"
#include "nn/attention_pool.h"
#include "nn/losses.h"
#include "optim/sgd.h"
#include "tensor/indexing.h"
#include "tensor/matmul.h"
#include "tensor/reduce.h"
#include "tensor/rows.h"
#include "tensor/views.h"

namespace fovea::claims {
namespace {

constexpr int64_t kPoints = 50;

Tensor column(const Tensor& x) { return unsqueeze(x, 1); }  // [n] -> [n, 1]

// The curve between its points, where it is compared with the truth: f64 [200].
Tensor places() { return linspace(0, 5, 200, DType::f64); }

// What pooling over the noisy points says at the places. [200]
template <class Score> Tensor fit(const Score& score, const NoisyCurve& data) {
  const nn::Attention pooled = nn::attention_pool(score, column(places()), column(data.x), column(data.y));
  return squeeze(pooled.output.value(), 1);
}

double error_of(const Tensor& predicted) { return mean(square(predicted - true_curve(places()))).item(); }

// The mean of the k points that are nearest.
Tensor nearest_neighbours(const NoisyCurve& data, int64_t k) {
  const Tensor distance = abs(column(places()) - unsqueeze(data.x, 0));           // [200, n]
  const Tensor chosen = topk(distance, k, -1, false).indices;                     // [200, k]
  return mean(reshape(take_rows(data.y, flatten(chosen, 0, 1)), {200, k}), {1});  // [200]
}

Series curve(std::string name, const Tensor& y, Mark mark = Mark::line, int colour = -1) {
  return {.name = std::move(name), .x = numbers(places()), .y = numbers(y), .mark = mark, .colour = colour};
}
Series truth() { return curve("truth", true_curve(places()), Mark::dashed, 7); }
Series points(const NoisyCurve& data) {
  return {.name = "data", .x = numbers(data.x), .y = numbers(data.y), .mark = Mark::points, .colour = 7};
}
PlotOptions curve_plot(std::string title, double width = 560, double height = 340) {
  return {.title = std::move(title), .x = {.label = "x"}, .y = {.label = "y"}, .width = width, .height = height};
}

// Each of several fits on many draws of the data: its error of the truth, [fit][draw].
using Fit = std::function<Tensor(const NoisyCurve&)>;
std::vector<std::vector<double>> errors_of(const Run& run, const std::vector<Fit>& fits, int draws) {
  std::vector<std::vector<double>> errors(fits.size());
  for (const uint64_t seed : run.seeds(draws, draws / 4)) {
    Rng rng = run.rng("curve", seed);
    const NoisyCurve data = noisy_curve(kPoints, rng);
    for (size_t i = 0; i < fits.size(); ++i) errors[i].push_back(error_of(fits[i](data)));
  }
  return errors;
}

std::vector<double> medians(const std::vector<std::vector<double>>& all) {
  std::vector<double> result;
  for (const auto& values : all) result.push_back(spread(values).median);
  return result;
}

}  // namespace

Exhibit kernel_regression_fits(const Run& run) {
  Rng rng = run.rng("curve");
  const NoisyCurve data = noisy_curve(kPoints, rng);
  const nn::GaussianKernel gauss(4);
  const auto errors = errors_of(run,
                                {[](const NoisyCurve& d) { return fit(nn::ConstantScore(), d); },
                                 [&](const NoisyCurve& d) { return fit(gauss, d); }},
                                40);
  bool always = true;
  for (size_t i = 0; i < errors[0].size(); ++i) always = always && errors[1][i] < errors[0][i];
  // The constant score is the mean of all y, at every place.
  const double off_the_mean =
      max_abs_difference(fit(nn::ConstantScore(), data), full({200}, mean(data.y).item(), DType::f64));
  const Tensor weights =
      nn::attention_pool(gauss, column(places()), column(data.x), column(data.y)).weights.value();  // [200, 50]
  return {.verdict = always && off_the_mean < 1e-12 ? Verdict::holds : Verdict::fails,
          .number = "error² of the kernel " + spread(errors[1]).text(2) + ", of the mean " + spread(errors[0]).text(2),
          .remark =
              "Average pooling is attention whose scores are all the same: it gives the mean of the values to every "
              "query (to " +
              format_significant(off_the_mean, 1) +
              "). A kernel that looks at the query follows the "
              "curve, without a single parameter to learn.",
          .pictures = {{line_plot(curve_plot("Two ways to pool 50 noisy points"),
                                  {curve("Gaussian kernel", fit(gauss, data)),
                                   curve("average pooling", fit(nn::ConstantScore(), data)), truth(), points(data)}),
                        "y = 2 sin x + x^0.8 + noise of deviation 0.5."},
                       {heat_map({.title = "Attention weights",
                                  .rows = "query (x from 0 to 5)",
                                  .columns = "data point, by x",
                                  .bar = "weight"},
                                 slice(weights, 0, 0, 200, 5)),
                        "Each row is a query: the weights lie on the points near it."}}};
}

Exhibit normaliser_cancels(const Run& run) {
  Rng rng = run.rng("curve");
  const NoisyCurve data = noisy_curve(kPoints, rng);
  const Tensor difference = column(places()) - unsqueeze(data.x, 0);  // [200, 50]
  const Tensor density = exp(-0.5 * square(difference)) / std::sqrt(2 * std::numbers::pi);
  const Tensor quotient = matmul(density, data.y) / sum(density, {1});          // as Nadaraya and Watson write it
  const Tensor attention = matmul(softmax(-0.5 * square(difference)), data.y);  // as attention is written
  const double apart = max_abs_difference(quotient, attention);
  return {.verdict = apart < 1e-12 ? Verdict::holds : Verdict::fails,
          .number = "largest difference " + format_significant(apart, 2),
          .remark =
              "A factor that all weights share leaves the quotient as it is, so Nadaraya and Watson's estimate is a "
              "softmax of −(x − x_i)²/2 over the data.",
          .pictures = {{line_plot(curve_plot("One estimate, written twice"),
                                  {curve("Σ K(x − x_i) y_i / Σ K(x − x_i)", quotient),
                                   curve("softmax(−(x − x_i)²/2) y", attention, Mark::dashed), points(data)}),
                        "The two lines lie on one another."}}};
}

Exhibit kernel_is_a_choice(const Run& run) {
  struct Kernel {
    std::string name;
    nn::ScoreConfig config;
  };
  const std::vector<Kernel> kernels = {{"Gaussian, w = 4", {.kind = nn::ScoreKind::gaussian, .w = 4}},
                                       {"boxcar, w = 2", {.kind = nn::ScoreKind::boxcar, .w = 2}},
                                       {"Epanechnikov, w = 2", {.kind = nn::ScoreKind::epanechnikov, .w = 2}},
                                       {"dot product", {.kind = nn::ScoreKind::dot}},
                                       {"cosine", {.kind = nn::ScoreKind::cosine}},
                                       {"constant", {.kind = nn::ScoreKind::constant}}};
  Rng rng = run.rng("curve");
  const NoisyCurve data = noisy_curve(kPoints, rng);
  std::vector<Fit> fits;
  std::vector<Plot> plots;
  std::vector<std::string> names;
  for (const Kernel& kernel : kernels) {
    Rng unused(0);
    const nn::Score score(kernel.config, unused);
    fits.push_back([score](const NoisyCurve& d) { return fit(score, d); });
    plots.push_back(
        line_plot(curve_plot(kernel.name, 300, 220), {curve("fit", fit(score, data)), truth(), points(data)}));
    names.push_back(kernel.name);
  }
  const auto errors = errors_of(run, fits, 20);
  const std::vector<double> error = medians(errors);
  const double best = *std::min_element(error.begin(), error.end()),
               worst = *std::max_element(error.begin(), error.end());
  std::vector<double> lows, highs;
  for (const auto& values : errors) lows.push_back(spread(values).low), highs.push_back(spread(values).high);
  return {.verdict = worst > 3 * best ? Verdict::holds : Verdict::fails,
          .number = "error² from " + format_significant(best, 2) + " to " + format_significant(worst, 2),
          .remark =
              "Kernels that fall off with the distance are close to each other. Products of plain numbers are no "
              "measure of nearness: the dot product prefers large x, and a cosine of two positive numbers is always "
              "1, so it is the mean again.",
          .pictures = {{small_multiples("The same points under six kernels", 3, plots), "Dashed: the truth."},
                       {bar_plot({.title = "Error of each kernel", .y = {.label = "mean squared error", .low = 0}},
                                 names, {{.values = error, .low = lows, .high = highs}}),
                        "Median and range over draws of the data."}}};
}

// w is learned by predicting each point from the others; and once more, from all points including itself.
Exhibit width_is_learned(const Run& run) {
  const int64_t steps = run.either(600, 200);
  Rng rng = run.rng("curve");
  const NoisyCurve data = noisy_curve(kPoints, rng);
  const Tensor x = column(data.x), y = column(data.y);
  const nn::Mask others = nn::Mask::hide(eye(kPoints) > 0.5);
  const auto loss = [&](const nn::GaussianKernel& kernel, const nn::Mask& mask) {
    return nn::mse(nn::attention_pool(kernel, x, x, y, mask).output, y);
  };

  std::vector<double> widths, leave_one_out, with_itself, of_truth;  // the losses of fixed w
  for (double w = 0.5; w < 200; w *= 1.15) {
    const nn::GaussianKernel kernel(w);
    widths.push_back(w), leave_one_out.push_back(loss(kernel, others).item()),
        with_itself.push_back(loss(kernel, {}).item());
    of_truth.push_back(error_of(fit(kernel, data)));
  }
  const auto descend = [&](const nn::Mask& mask) {  // w after each step
    nn::GaussianKernel kernel(1, true);
    kernel.to(DType::f64);
    optim::SGD optimizer(kernel.parameters());
    std::vector<double> path = {kernel.w.value()};
    for (int64_t step = 0; step < steps; ++step) {
      Tape tape;
      tape.backward(loss(kernel, mask));
      optimizer.step(20);
      kernel.zero_grad();
      path.push_back(kernel.w.value());
    }
    return path;
  };
  const std::vector<double> path = descend(others), runaway = descend({});
  const size_t best = size_t(std::min_element(leave_one_out.begin(), leave_one_out.end()) - leave_one_out.begin());
  const double learned = path.back();
  const bool found = learned > widths[best] / 1.5 && learned < widths[best] * 1.5;
  const bool memorises = runaway.back() > 2 * learned && with_itself.back() < 0.01;
  // As the notes write it, −w (x − x_i)²/2: nothing keeps a step of the gradient from leading below 0.
  const auto outside = [&](const Variable& a, const Variable& b) {
    return square(a - transpose(b, -1, -2)) * 0.5;  // w = −1
  };
  const double upside_down = error_of(fit(outside, data)), of_the_mean = error_of(fit(nn::ConstantScore(), data));
  return {
      .verdict = found && memorises ? Verdict::holds
                 : found            ? Verdict::within_limits
                                    : Verdict::fails,
      .number = "w = " + format_significant(learned, 3) + " learned, " + format_significant(widths[best], 3) +
                " best of a search; with itself " + format_significant(runaway.back(), 3) + " and rising",
      .remark =
          "The width can be learned like any weight, as long as no point helps to predict itself. If it may, w runs "
          "away: an infinitely narrow kernel repeats every value, noise included. Here w stands inside the square, as "
          "a softplus, and stays positive. Outside of it, at w = −1, the farthest points would weigh most: error² " +
          format_significant(upside_down, 2) + ", where the plain mean has " + format_significant(of_the_mean, 2) + ".",
      .pictures = {{line_plot({.title = "The loss over w",
                               .x = {.label = "w", .log = true},
                               .y = {.label = "mean squared error", .low = 0, .high = 1.2},
                               .x_lines = {{learned, "learned"}}},
                              {{"each point from the others", widths, leave_one_out},
                               {"each point from all", widths, with_itself},
                               {"of the truth", widths, of_truth, {}, {}, Mark::dashed, 7}}),
                    "Only the first has its lowest place where the truth is met best."},
                   {line_plot({.title = "The path of w", .x = {.label = "step"}, .y = {.label = "w", .log = true}},
                              {{"each point from the others", steps_of(path.size(), 0), path},
                               {"each point from all", steps_of(runaway.size(), 0), runaway}}),
                    "Gradient descent from w = 1."}}};
}

Exhibit parameters_are_not_inputs(const Run& run) {
  nn::GaussianKernel fixed(2), learned(2, true);
  Rng rng = run.rng("curve");
  const NoisyCurve data = noisy_curve(kPoints, rng);
  const auto gradient_of_x = [&](bool asked) {
    const Parameter x(column(data.x));
    learned.to(DType::f64);
    learned.zero_grad();
    Tape tape;
    tape.backward(nn::mse(
        nn::attention_pool(learned, asked ? Variable(x) : Variable(x.value()), column(data.x), column(data.y)).output,
        column(data.y)));
    return x.has_grad();
  };
  const bool counts = fixed.parameters().empty() && learned.parameters().size() == 1;
  const bool asked = gradient_of_x(true), not_asked = gradient_of_x(false);
  return {.verdict = counts && asked && !not_asked ? Verdict::holds : Verdict::fails,
          .number = std::to_string(fixed.parameters().size()) + " and " + std::to_string(learned.parameters().size()) +
                    " parameters",
          .remark =
              "What is learned is a Parameter and is listed; what is chosen beforehand (the kernel, a fixed w) is a "
              "member; "
              "what is given (x) is a tensor, and has a gradient only where one asks for it.",
          .grids = {{.header = {"", "what", "where"},
                     .rows = {{"parameter", "w, where it is learned", "kernel.parameters()"},
                              {"hyperparameter", "the kind of kernel, a fixed w", "the configuration"},
                              {"input", "x, y", "arguments; no gradient unless asked"}},
                     .caption = "Three things that are easily confused."}}};
}

Exhibit regression_against_neighbours(const Run& run) {
  const std::vector<double> widths = {1, 4, 16, 64, 256};
  const std::vector<int64_t> counts = {1, 5, 10};
  std::vector<Fit> fits = {[](const NoisyCurve& d) { return fit(nn::ConstantScore(), d); }};
  std::vector<std::string> names = {"mean"};
  for (const double w : widths) {
    fits.push_back([w](const NoisyCurve& d) { return fit(nn::GaussianKernel(std::sqrt(w)), d); });
    names.push_back("w² = " + format_significant(w, 3));
  }
  for (const int64_t k : counts) {
    fits.push_back([k](const NoisyCurve& d) { return nearest_neighbours(d, k); });
    names.push_back("KNN " + std::to_string(k));
  }
  const auto errors = errors_of(run, fits, 50);
  const std::vector<double> error = medians(errors);
  std::vector<double> lows, highs;
  for (const auto& values : errors) lows.push_back(spread(values).low), highs.push_back(spread(values).high);
  const double best_kernel = *std::min_element(error.begin() + 1, error.begin() + 6),
               best_knn = *std::min_element(error.begin() + 6, error.end());
  Rng rng = run.rng("curve");
  const NoisyCurve data = noisy_curve(kPoints, rng);
  return {
      .verdict = best_kernel < best_knn && best_knn < 0.5 * error[0] ? Verdict::holds : Verdict::within_limits,
      .number = "error²: best kernel " + format_significant(best_kernel, 2) + ", best KNN " +
                format_significant(best_knn, 2) + ", mean " + format_significant(error[0], 2),
      .remark =
          "Both look at what is near. K nearest neighbours count k points in full and the others not at all, which "
          "gives steps; a kernel weighs them by distance, which is smooth, can be differentiated, and is better here.",
      .pictures = {
          {line_plot(curve_plot("Weighted neighbours, and counted ones"),
                     {curve("kernel, w = 4", fit(nn::GaussianKernel(4), data)),
                      curve("5 nearest", nearest_neighbours(data, 5)), truth(), points(data)}),
           "The same 50 points."},
          {bar_plot({.title = "Error of each", .y = {.label = "mean squared error", .log = true}}, names,
                    {{.values = error, .low = lows, .high = highs}}),
           "Median and range over draws of the data. Too wide a kernel blurs, too narrow a one repeats the noise."}}};
}

extern const std::vector<Claim> regression_claims;
const std::vector<Claim> regression_claims = {
    {.id = "3+4",
     .title = "Kernel regression beats the mean",
     .statement =
         "Average pooling is the trivial case of attention; Nadaraya–Watson regression with a Gaussian kernel follows "
         "the data better, without parameters.",
     .experiment = kernel_regression_fits,
     .expect = Verdict::holds},
    {.id = "5",
     .title = "The kernel's factor cancels",
     .statement = "The 1/√2π of the Gaussian cancels, so kernel regression is a softmax of −(x − x_i)²/2.",
     .experiment = normaliser_cancels,
     .expect = Verdict::holds},
    {.id = "6",
     .title = "The kernel is a choice",
     .statement = "Which kernel compares query and key is a hyperparameter, and it decides the fit.",
     .experiment = kernel_is_a_choice,
     .expect = Verdict::holds},
    {.id = "7+slip-9",
     .title = "The width can be learned",
     .statement = "Attention with parameters: the kernel's width w is learned from the data by gradient descent. (The "
                  "notes write w "
                  "outside the square, where nothing keeps it positive.)",
     .experiment = width_is_learned},
    {.id = "8",
     .title = "Parameters, hyperparameters, inputs",
     .statement = "Parameters are learned, hyperparameters chosen, inputs given: x is an input.",
     .experiment = parameters_are_not_inputs,
     .expect = Verdict::holds},
    {.id = "9",
     .title = "Like nearest neighbours, but weighted",
     .statement = "Kernel regression resembles k nearest neighbours, with weights in place of a count.",
     .experiment = regression_against_neighbours},
};

}  // namespace fovea::claims
