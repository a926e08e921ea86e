// Claims about many heads: what they compute, what each of them sees, and what goes where one is taken away.
#include <algorithm>
#include <cmath>

#include "autograd/losses.h"
#include "examples/claims/training.h"
#include "examples/claims/weights_map.h"
#include "nn/embedding.h"
#include "nn/encoder.h"
#include "tensor/indexing.h"
#include "tensor/reduce.h"

namespace fovea::claims {
namespace {

// Columns h d … (h+1) d of a projection: the one of head h. x [B, T, C] -> [B, T, d]
Variable project_for_head(const nn::Linear& map, int64_t head, int64_t d, const Variable& x) {
  return matmul(x, narrow(map.weight, 1, head * d, d)) + narrow(map.bias, 0, head * d, d);
}

// Multi-head attention as it is written down: one attention after another, each with its own projections, then all
// next to one another times W^O.
Variable heads_in_a_loop(const nn::MultiHeadAttention& layer, const Variable& x, const nn::Mask& mask) {
  const int64_t d = x.size(-1) / layer.heads;
  std::vector<Variable> outputs;
  for (int64_t h = 0; h < layer.heads; ++h) {
    const Variable q = project_for_head(layer.query, h, d, x), k = project_for_head(layer.key, h, d, x);
    outputs.push_back(nn::attention_with_weights(q, k, project_for_head(layer.value, h, d, x), mask).output);
  }
  return layer.output(cat(outputs, -1));  // [B, T, C]
}

// Four questions at every place of a sequence: what stood 1, 2, 4 and 7 places before?
struct FourCopies {
  static constexpr int64_t kSymbols = 8, kLength = 20, kQuestions = 4;
  static constexpr int64_t kDelays[kQuestions] = {1, 2, 4, 7};
  Tensor inputs;   // i64 [B, T]
  Tensor targets;  // i64 [B, T, questions]; -1: nothing stood there

  FourCopies(int64_t batch, Rng& rng) : inputs(randint(0, kSymbols, {batch, kLength}, rng)) {
    std::vector<Tensor> answers;
    for (const int64_t delay : kDelays) {
      answers.push_back(pad(slice(inputs, 1, 0, kLength - delay), 1, delay, 0, -1));
    }
    targets = stack(answers, -1);
  }
};

// One attention with a linear output for each question: what it mixes, nothing takes apart again.
struct FourCopiesModel : nn::Module {
  static constexpr int64_t kWidth = 64;
  nn::Embedding tokens;
  nn::LearnedPositions positions;
  nn::LayerNorm norm;
  nn::MultiHeadAttention attention;
  nn::Linear output;

  FourCopiesModel(int64_t heads, Rng rng)
      : tokens(FourCopies::kSymbols, kWidth, rng, 0.5),
        positions(FourCopies::kLength, kWidth, rng, 0.5),
        norm(kWidth),
        attention({.dim = kWidth, .heads = heads}, rng),
        output(kWidth, FourCopies::kQuestions * FourCopies::kSymbols, rng) {}

  Variable operator()(const Tensor& inputs) const {
    const Variable x = norm(tokens(inputs) + positions(inputs.size(1)));  // [B, T, C]
    const Variable logits = output(attention(x, nn::Mask::causal()));     // [B, T, questions · symbols]
    return reshape(logits, {x.size(0), x.size(1), FourCopies::kQuestions, FourCopies::kSymbols});
  }
  Tensor head_weights(const Tensor& inputs) const {  // [B, H, T, T]
    nn::AttentionRecord record;
    (*this)(inputs);
    return record.entries()[0].weights;
  }
  void visit(nn::Visitor& v) override {
    v("tokens", tokens);
    v("positions", positions);
    v("norm", norm);
    v("attention", attention);
    v("output", output);
  }
};

double accuracy_on_question(const FourCopiesModel& model, const FourCopies& test, int64_t question) {
  return accuracy(select(model(test.inputs).value(), 2, question), select(test.targets, 2, question));
}

// The accuracy that each question loses with each head: [H, questions].
Tensor losses_without_heads(FourCopiesModel& model, const FourCopies& test) {
  const int64_t heads = model.attention.heads, d = FourCopiesModel::kWidth / heads;
  Tensor lost = zeros({heads, FourCopies::kQuestions}, DType::f64);
  for (int64_t h = 0; h < heads; ++h) {
    FourCopiesModel without = model;
    narrow(without.attention.output.weight.value(), 0, h * d, d).fill_(0);  // its rows of W^O
    for (int64_t i = 0; i < FourCopies::kQuestions; ++i) {
      lost.set({h, i}, accuracy_on_question(model, test, i) - accuracy_on_question(without, test, i));
    }
  }
  return lost;
}

// The cosine between the weights of each two heads, over all queries and keys. [B, H, T, T] -> [H, H]
Tensor similarity_of_heads(const Tensor& weights) {
  const Tensor rows = reshape(permute(weights, {1, 0, 2, 3}), {weights.size(1), -1});  // [H, B T T]
  const Tensor unit = rows / norm(rows, 2, {1}, true);
  return matmul(unit, transpose(unit));
}

// The mean over each two different heads; 1 for a head alone.
double mean_similarity(const Tensor& similarity) {
  const double heads = double(similarity.size(0));
  return heads == 1 ? 1 : (sum(similarity).item() - heads) / (heads * (heads - 1));
}

HeatOptions head_table(std::string title, std::string columns, std::vector<std::string> column_names, int64_t heads) {
  std::vector<std::string> names;
  for (int64_t h = 0; h < heads; ++h) names.push_back("head " + std::to_string(h));
  if (column_names.empty()) column_names = names;
  return {.title = std::move(title),
          .columns = std::move(columns),
          .row_names = names,
          .column_names = std::move(column_names),
          .low = 0,
          .high = 1,
          .decimals = 2};
}

}  // namespace

// The layer against one attention after another.
Exhibit heads_side_by_side(const Run& run) {
  constexpr int64_t width = 32;
  Rng rng = run.rng("layer");
  const Tensor x = randn({2, 10, width}, rng, DType::f64);
  double worst = 0, plain = 0;
  Grid grid{.header = {"heads", "channels of a head", "parameters", "layer − loop over heads"}};
  std::vector<std::pair<std::string, Tensor>> maps;
  for (const int64_t heads : {1, 2, 4, 8}) {
    nn::MultiHeadAttention layer({.dim = width, .heads = heads}, rng);
    layer.to(DType::f64);
    const nn::Attention y = layer.attend_with_weights(x, layer.keys_and_values(x, x), nn::Mask::causal());
    const double error =
        max_abs_difference(layer(x, nn::Mask::causal()).value(), heads_in_a_loop(layer, x, nn::Mask::causal()).value());
    if (heads == 1) {
      const Variable alone = nn::attention_with_weights(layer.query(x), layer.key(x), layer.value(x)).output;
      plain = max_abs_difference(layer(x).value(), layer.output(alone).value());
    }
    worst = std::max(worst, error);
    grid.rows.push_back({std::to_string(heads), std::to_string(width / heads), format_count(layer.parameter_count()),
                         format_significant(error, 2)});
    for (int64_t h = 0; heads == 4 && h < heads; ++h) {
      maps.emplace_back("head " + std::to_string(h), select(select(y.weights.value(), 0, 0), 0, h));
    }
  }
  return {.verdict = worst < 1e-13 && plain < 1e-13 ? Verdict::holds : Verdict::fails,
          .number = "one head − plain attention: " + format_significant(plain, 2) +
                    "; all heads at once − one after another: " + format_significant(worst, 2),
          .remark =
              "The projections of all heads stand next to one another in one matrix, so that \"its own W for each "
              "head\" and \"one W, then split\" are the same thing; the number of heads changes neither the "
              "parameters nor the products.",
          .pictures = {{weight_maps("Four heads on the same tokens, before training", 4, maps),
                        "Under a causal mask, with random weights."}},
          .grids = {grid}};
}

// The same number of parameters, cut into 1, 2, 4 and 8 heads.
Exhibit heads_see_different_things(const Run& run) {
  const std::vector<double> counts = {1, 2, 4, 8};
  std::vector<std::vector<double>> scores, alike;  // [seed][number of heads]
  std::vector<Plot> tables;
  std::vector<std::pair<std::string, Tensor>> maps;
  std::vector<double> specialised;  // share of the questions that need one of four heads
  for (const uint64_t seed : run.seeds(3, 1)) {
    scores.emplace_back(), alike.emplace_back();
    for (const double heads : counts) {
      FourCopiesModel model(int64_t(heads), run.rng("weights", seed));
      Rng data = run.rng("data", seed);
      train(run, model, {.steps = run.either(300, 150), .lr = 8e-3, .label = format_number(heads) + " heads"},
            [&](int64_t) {
              const FourCopies batch(16, data);
              return cross_entropy(model(batch.inputs), batch.targets, {.ignore_index = -1});
            });
      const FourCopies test(200, data);
      scores.back().push_back(accuracy(model(test.inputs).value(), test.targets));
      const Tensor weights = model.head_weights(test.inputs), similarity = similarity_of_heads(weights);
      alike.back().push_back(mean_similarity(similarity));
      if (heads != 4) continue;
      const Tensor lost = losses_without_heads(model, test);
      specialised.push_back(sum(max(lost, {0}) > 0.3).item() / FourCopies::kQuestions);
      if (seed != run.seed()) continue;
      tables.push_back(heat_map(
          head_table("Accuracy lost without a head", "question", {"1 back", "2 back", "4 back", "7 back"}, 4), lost));
      tables.push_back(heat_map(head_table("Similarity of the heads' weights", "", {}, 4), similarity));
      for (int64_t h = 0; h < 4; ++h) maps.emplace_back("head " + std::to_string(h), select(mean(weights, {0}), 0, h));
    }
  }
  const Spread one = spread_at(scores, 0), four = spread_at(scores, 2);
  const bool finer = four.low > one.high + 0.1, different = spread_at(alike, 2).high < 0.7;
  return {
      .verdict = finer && different ? Verdict::holds
                 : finer            ? Verdict::within_limits
                                    : Verdict::fails,
      .number = "accuracy with 1, 2, 4, 8 heads: " + spread_at(scores, 0).percent(0) + ", " +
                spread_at(scores, 1).percent(0) + ", " + four.percent(0) + ", " + spread_at(scores, 3).percent(0),
      .remark =
          "One head has one weighted mean to give, and four questions to answer with it; four heads of a quarter of "
          "the channels have one each. Nobody told them who is to look where, and yet " +
          spread(specialised).percent(0) +
          " of the questions lose more than 0.3 of their accuracy without one certain head. (The task is made so that "
          "heads matter: behind the attention stands nothing that could take a mixture apart.)",
      .pictures = {
          {line_plot({.title = "Four questions at once, as many parameters",
                      .x = {.label = "heads", .log = true, .ticks = counts, .tick_labels = {"1", "2", "4", "8"}},
                      .y = {.label = "accuracy, cosine", .low = 0, .high = 1},
                      .y_lines = {{1.0 / FourCopies::kSymbols, "guessing"}}},
                     {over_runs("accuracy", counts, scores), over_runs("similarity of the heads", counts, alike)}),
           "Every place is to say what stood 1, 2, 4 and 7 places before. Median and range over the seeds."},
          {weight_maps("Four trained heads", 4, maps), "Mean weights over the test sequences, first seed."},
          {small_multiples("What they are needed for, and how alike they are", 2, tables),
           "Left: what each head is needed for. Right: cosine between the weights of two heads."}}};
}

extern const std::vector<Claim> head_claims;
const std::vector<Claim> head_claims = {
    {.id = "50",
     .title = "Many heads: split, attend, join",
     .statement =
         "Multi-head attention is several attentions side by side, each with projections of its own, joined by "
         "W^O. With one head it is plain attention.",
     .experiment = heads_side_by_side,
     .expect = Verdict::holds},
    {.id = "51",
     .title = "Heads see different things",
     .statement = "Several heads look at the tokens in different subspaces and see more finely than one head with as "
                  "many parameters.",
     .experiment = heads_see_different_things},
};

}  // namespace fovea::claims
