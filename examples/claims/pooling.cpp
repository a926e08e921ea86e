// Claims about attention in general: a weighted mean that a query chooses.
#include <algorithm>
#include <cmath>
#include <sstream>

#include "autograd/gradcheck.h"
#include "examples/claims/weights_map.h"
#include "nn/attention_pool.h"
#include "nn/convolution.h"
#include "nn/linear.h"
#include "tensor/indexing.h"
#include "tensor/matmul.h"
#include "tensor/reduce.h"
#include "tensor/rows.h"
#include "tensor/views.h"

namespace fovea::claims {
namespace {

constexpr int64_t kWidth = 6;

// One score of each kind, for queries and keys of width kWidth.
std::vector<nn::Score> every_score(Rng rng) {
  std::vector<nn::Score> scores;
  for (int kind = 0; kind < nn::kScoreKinds; ++kind) {
    nn::Score& score = scores.emplace_back(
        nn::ScoreConfig{.kind = nn::ScoreKind(kind), .query_dim = kWidth, .hidden = 8, .w = 0.2}, rng);
    score.to(DType::f64);
  }
  return scores;
}

}  // namespace

Exhibit weighted_mean(const Run& run) {
  constexpr int64_t queries = 40, keys = 12;
  double least_weight = 1, off_one = 0, outside = 0;
  Grid grid{.header = {"score", "least weight", "|Σ weights − 1|", "output beyond the values"}};
  Rng rng = run.rng("vectors");
  const Tensor q = randn({queries, kWidth}, rng, DType::f64), k = randn({keys, kWidth}, rng, DType::f64),
               v = randn({keys, 5}, rng, DType::f64);
  int kind = 0;
  for (const nn::Score& score : every_score(run.rng("weights"))) {
    const nn::Attention a = nn::attention_pool(score, q, k, v);
    const Tensor &w = a.weights.value(), &y = a.output.value();
    const double least = min(w).item(), off = max(abs(sum(w, {-1}) - 1)).item();
    const double beyond = std::max({0.0, max(y - max(v, {0}, true)).item(), max(min(v, {0}, true) - y).item()});
    grid.rows.push_back({nn::name(nn::ScoreKind(kind++)), format_significant(least, 2), format_significant(off, 2),
                         format_significant(beyond, 2)});
    least_weight = std::min(least_weight, least), off_one = std::max(off_one, off), outside = std::max(outside, beyond);
  }
  const bool holds = least_weight >= 0 && off_one < 1e-13 && outside < 1e-13;
  return {.verdict = holds ? Verdict::holds : Verdict::fails,
          .number = "|Σ weights − 1| ≤ " + format_significant(off_one, 1) + " for all ten scores",
          .remark =
              "Whatever the score, the softmax makes weights of it: none below 0, their sum 1. So every number of "
              "the output lies between the smallest and the largest value. Attention cannot shout: it only averages.",
          .grids = {grid}};
}

Exhibit cue_of_the_query(const Run& run) {
  constexpr int64_t keys = 8;
  Rng rng = run.rng("vectors");
  const Tensor k = randn({keys, kWidth}, rng, DType::f64), v = randn({keys, 3}, rng, DType::f64);
  const Tensor q = 3.0 * index_select(k, 0, from_vector<int64_t>({1, 4, 6}));  // three queries, each near a key
  const nn::Attention a = nn::attention_pool(nn::DotScore(), q, k, v);
  const Tensor& y = a.output.value();  // [3, 3]
  double apart = 1e9;
  for (const auto& [i, j] : {std::pair{0, 1}, {0, 2}, {1, 2}})
    apart = std::min(apart, max_abs_difference(select(y, 0, i), select(y, 0, j)));

  // Layers over the keys and values alone: there is no place where a query could come in.
  const Tensor x = cat({k, v}, 1);  // [keys, kWidth + 3]
  nn::Conv1d convolution({.in = kWidth + 3, .out = 3, .kernel = 3, .padding = 1}, rng);
  nn::Linear connected(keys * (kWidth + 3), 3, rng);
  convolution.to(DType::f64), connected.to(DType::f64);
  const Tensor convolved = select(convolution(unsqueeze(x, 0)).value(), 0, 0);
  const std::pair<const char*, Tensor> without_query[] = {
      {"average pooling", mean(v, {0})},
      {"a convolution, then max pooling", max(convolved, {0})},
      {"a fully connected layer", connected(flatten(x, 0, 1)).value()}};
  Grid grid{.header = {"layer", "query 1", "query 4", "query 6"}, .caption = "The first of three outputs."};
  grid.rows.push_back({"attention"});
  for (int64_t i = 0; i < 3; ++i) grid.rows[0].push_back(format_fixed(y.at({i, 0}), 3));
  for (const auto& [name, output] : without_query)
    grid.rows.push_back({name, format_fixed(output.at({0}), 3), "the same", "the same"});
  return {
      .verdict = apart > 0.1 ? Verdict::holds : Verdict::fails,
      .number = "three queries, the same keys and values: outputs at least " + format_significant(apart, 2) + " apart",
      .remark =
          "Keys are what can be noticed (the non-volitional cue); a query is what one looks for (the volitional "
          "one). The same keys and values answer three queries in three ways. Pooling, a convolution or a fully "
          "connected layer take no query: whatever one looks for, they answer the same.",
      .pictures = {{heat_map({.title = "Three queries over the same keys",
                              .rows = "query",
                              .columns = "key",
                              .row_names = {"1", "4", "6"},
                              .column_names = numbered(keys),
                              .low = 0,
                              .high = 1,
                              .decimals = 2},
                             a.weights.value()),
                    "Each query is three times one of the keys (1, 4, 6)."}},
      .grids = {grid}};
}

Exhibit any_differentiable_score(const Run& run) {
  Rng rng = run.rng("vectors");
  const Tensor q = randn({3, kWidth}, rng, DType::f64), k = randn({4, kWidth}, rng, DType::f64),
               v = randn({4, 2}, rng, DType::f64);
  double worst = 0, off_one = 0;
  bool all_passed = true;
  Grid grid{.header = {"score", "gradient, largest error", "parameters"}};
  int kind = 0;
  for (nn::Score& score : every_score(run.rng("weights"))) {
    const auto pool = [&](std::span<const Variable> x) { return nn::attention_pool(score, x[0], x[1], x[2]).output; };
    const GradcheckReport result = gradcheck(pool, {q, k, v});
    all_passed = all_passed && result.ok;
    worst = std::max(worst, result.worst);
    const Tensor weights = nn::attention_pool(score, q, k, v).weights.value();
    off_one = std::max(off_one, max(abs(sum(weights, {-1}) - 1)).item());
    grid.rows.push_back({nn::name(nn::ScoreKind(kind++)), format_significant(result.worst, 2),
                         std::to_string(score.parameter_count())});
  }
  return {
      .verdict = all_passed && off_one < 1e-13 ? Verdict::holds : Verdict::fails,
      .number = "largest error of a gradient: " + format_significant(worst, 2),
      .remark =
          "α(q, k) may be any function of the two that has a derivative. Each gradient was compared with differences "
          "of the function itself, with respect to queries, keys and values.",
      .grids = {grid}};
}

Exhibit different_sizes(const Run& run) {
  Rng rng = run.rng("vectors");
  const Tensor q = randn({3, 5}, rng), k = randn({4, 7}, rng), v = randn({4, 2}, rng);  // d_q 5, d_k 7, d_v 2
  const auto outcome = [&](nn::ScoreKind kind) -> std::string {
    Rng weights = run.rng("weights");
    const nn::Score score({.kind = kind, .query_dim = 5, .key_dim = 7, .hidden = 4}, weights);
    try {
      std::ostringstream shape;
      shape << nn::attention_pool(score, q, k, v).output.shape();
      return shape.str();
    } catch (const ShapeError& error) { return error.what(); }
  };
  const std::string additive = outcome(nn::ScoreKind::additive), general = outcome(nn::ScoreKind::general),
                    dot = outcome(nn::ScoreKind::dot);
  const bool holds = additive == "[3, 2]" && general == "[3, 2]" && dot.find("GeneralScore") != dot.npos;
  return {
      .verdict = holds ? Verdict::holds : Verdict::fails,
      .number = "d_q 5, d_k 7, d_v 2: " + additive,
      .remark =
          "The values' width is never restricted. A product compares numbers one by one, so it needs d_q = d_k, and "
          "says so; scores with weights of their own do not.",
      .grids = {{.header = {"score", "attention over q [3, 5], k [4, 7], v [4, 2]"},
                 .rows = {{"additive", additive}, {"general", general}, {"dot", dot}}}}};
}

Exhibit soft_dictionary(const Run& run) {
  constexpr int64_t keys = 6;
  Rng rng = run.rng("vectors");
  const Tensor k = randn({keys, 16}, rng, DType::f64), v = reshape(arange(0, keys, 1, DType::f64), {keys, 1});
  const Tensor q = slice(k, 0, 2, 3) + 0.3 * randn({1, 16}, rng, DType::f64);  // nearly key 2
  std::vector<double> temperatures, outputs;
  std::vector<Tensor> rows;
  std::vector<std::string> names;
  for (double t = 100; t > 0.05; t /= 1.25) {
    const nn::Attention a = nn::attention_pool(
        [&](const Variable& x, const Variable& y) { return nn::DotScore()(x, y) * (1 / t); }, q, k, v);
    temperatures.push_back(t), outputs.push_back(a.output.item()), rows.push_back(a.weights.value());
    names.push_back(rows.size() % 5 == 1 ? format_fixed(t, t < 10 ? 1 : 0) : "");
  }
  const double soft = outputs.front(), hard = outputs.back();
  const bool holds = std::abs(hard - 2) < 1e-6 && std::abs(soft - 2.5) < 0.2;
  return {
      .verdict = holds ? Verdict::holds : Verdict::fails,
      .number = "entry 2 looked up: " + format_significant(hard, 6) + " when cold, " + format_significant(soft, 3) +
                " when hot",
      .remark =
          "A dictionary returns the value whose key equals the query. Attention returns a mixture of all, the nearer "
          "the key the more; as the temperature falls it becomes the dictionary, as it rises the mean.",
      .pictures = {{line_plot({.title = "From a mean to a look-up",
                               .x = {.label = "temperature", .log = true},
                               .y = {.label = "output", .low = 1.95, .high = 2.6},
                               .y_lines = {{2, "the entry"}, {2.5, "the mean"}}},
                              {{"", temperatures, outputs}}),
                    "Values 0 to 5; the query is a noisy copy of key 2."},
                   {heat_map({.title = "The weights on the way",
                              .rows = "temperature",
                              .columns = "key",
                              .row_names = names,
                              .column_names = numbered(keys, 0, 5),
                              .low = 0,
                              .high = 1,
                              .cell = 8},
                             cat(rows, 0)),
                    "Hot above, cold below."}}};
}

extern const std::vector<Claim> pooling_claims;
const std::vector<Claim> pooling_claims = {
    {.id = "1",
     .title = "A weighted mean of the values",
     .statement =
         "Attention turns the likeness of query and keys into weights and returns the weighted sum of the values.",
     .experiment = weighted_mean,
     .expect = Verdict::holds},
    {.id = "2",
     .title = "The query is a cue of its own",
     .statement =
         "Attention takes a volitional cue, the query, beside the non-volitional ones, the keys; convolutions and "
         "pooling have only the latter.",
     .experiment = cue_of_the_query,
     .expect = Verdict::holds},
    {.id = "10",
     .title = "Any differentiable score will do",
     .statement = "The weight α(q, k) may be any differentiable function, as long as the weights sum to 1.",
     .experiment = any_differentiable_score,
     .expect = Verdict::holds},
    {.id = "11",
     .title = "Queries, keys and values of different sizes",
     .statement = "q, k and v may differ in width.",
     .experiment = different_sizes,
     .expect = Verdict::holds},
    {.id = "21",
     .title = "A soft dictionary",
     .statement = "Attention is a look-up in a dictionary, made soft.",
     .experiment = soft_dictionary,
     .expect = Verdict::holds},
};

}  // namespace fovea::claims
