// Claims about attention as a layer over sets: what it takes, what order means to it, and how many vectors it can have.
#include <algorithm>
#include <cmath>
#include <optional>

#include "autograd/losses.h"
#include "examples/claims/training.h"
#include "examples/claims/weights_map.h"
#include "examples/lib/sequences.h"
#include "nn/embedding.h"
#include "nn/encoder.h"
#include "tensor/indexing.h"
#include "tensor/reduce.h"

namespace fovea::claims {
namespace {

// Associative recall over a set: each pair of a key and its value is one vector, the sum of their embeddings, and the
// key that is asked for another.
struct Pairs {
  Variable pairs;  // [B, n, C]
  Variable asked;  // [B, 1, C]

  Pairs(const nn::Embedding& tokens, const Tensor& inputs) {  // i64 [B, 2 n + 1]
    const int64_t last = inputs.size(1) - 1;
    pairs = tokens(slice(inputs, 1, 0, last, 2)) + tokens(slice(inputs, 1, 1, last, 2));
    asked = tokens(slice(inputs, 1, last, last + 1));
  }
};

enum class Source { tokens, one_map, two_maps };  // where keys and values come from

// Recall by one attention: K = V = X; or K = V, one projection of X to d channels; or a projection each.
struct RecallModel : nn::Module {
  static constexpr int64_t kWidth = 32, kKeys = 16, kValues = 8, kPairs = 8;
  nn::Embedding tokens;
  nn::Linear query, output;
  std::optional<nn::Linear> key, value;

  RecallModel(Source source, int64_t d, Rng rng)
      : tokens(kKeys + kValues, kWidth, rng, 0.5),
        query({.in = kWidth, .out = d, .bias = false}, rng),
        output({.in = d, .out = kValues, .bias = false}, rng) {
    const nn::LinearConfig map{.in = kWidth, .out = d, .bias = false};
    if (source != Source::tokens) key.emplace(map, rng);
    if (source == Source::two_maps) value.emplace(map, rng);
  }

  Variable operator()(const Tensor& inputs) const {
    const Pairs x(tokens, inputs);
    const Variable k = key ? (*key)(x.pairs) : x.pairs, v = value ? (*value)(x.pairs) : k;  // [B, n, d]
    const Variable y = nn::scaled_dot_product_attention(query(x.asked), k, v);              // [B, 1, d]
    return squeeze(output(y), 1);                                                           // [B, values]
  }
  void visit(nn::Visitor& v) override {
    v("tokens", tokens);
    v("query", query);
    v("key", key);
    v("value", value);
    v("output", output);
  }
};

// Recall by a Transformer's encoder over any number of pairs and the key that is asked for, which stands at the end.
struct SetModel : nn::Module {
  static constexpr int64_t kWidth = 48, kKeys = 64, kValues = 8;
  nn::Embedding tokens;
  Parameter question;  // [C], added to the key that is asked for
  nn::Encoder encoder;
  nn::Linear output;

  SetModel(nn::Positions positions, Rng rng)
      : tokens(kKeys + kValues, kWidth, rng, 0.5),
        question(randn({kWidth}, rng) * 0.5),
        encoder({.dim = kWidth, .heads = 4, .hidden = 2 * kWidth, .norm_first = true, .positions = positions}, 1, rng),
        output(kWidth, kValues, rng) {}

  Variable operator()(const Tensor& inputs) const {
    const Pairs x(tokens, inputs);
    const Variable y = encoder(cat({x.pairs, x.asked + question}, 1));  // [B, n + 1, C]
    return output(select(y, 1, -1));                                    // [B, values]
  }
  void visit(nn::Visitor& v) override {
    v("tokens", tokens);
    v("question", question);
    v("encoder", encoder);
    v("output", output);
  }
};

// The accuracy that a model of one attention reaches at recall.
double recall_accuracy(const Run& run, RecallModel& model, uint64_t seed) {
  Rng data = run.rng("data", seed);
  const auto batch = [&](int64_t count) {
    return associative_recall(count, RecallModel::kPairs, RecallModel::kKeys, RecallModel::kValues, data);
  };
  train(run, model, {.steps = run.either(400, 150), .lr = 1e-2}, [&](int64_t) {
    const Labelled b = batch(64);
    return cross_entropy(model(b.inputs), b.targets);
  });
  const Labelled test = batch(2000);
  return accuracy(model(test.inputs).value(), test.targets);
}

Tensor rows_in_order(const Tensor& x, const Tensor& order) { return index_select(x, 1, order); }  // x [B, n, C]

}  // namespace

// Keys and values through two maps of width d, through one of width 1.5 d (so that the models are of one size), and
// without any.
Exhibit separate_keys_and_values(const Run& run) {
  const std::vector<double> widths = {2, 4, 8};
  std::vector<std::vector<double>> two, one;  // [seed][width]
  std::vector<double> none;
  std::vector<std::string> sizes[2];
  for (const uint64_t seed : run.seeds(3, 1)) {
    two.emplace_back(), one.emplace_back(), sizes[0].clear(), sizes[1].clear();
    for (const double width : widths) {
      RecallModel with_two(Source::two_maps, int64_t(width), run.rng("weights", seed));
      RecallModel with_one(Source::one_map, int64_t(width) * 3 / 2, run.rng("weights", seed));
      two.back().push_back(recall_accuracy(run, with_two, seed));
      one.back().push_back(recall_accuracy(run, with_one, seed));
      sizes[0].push_back(format_count(with_two.parameter_count()));
      sizes[1].push_back(format_count(with_one.parameter_count()));
    }
    RecallModel with_none(Source::tokens, RecallModel::kWidth, run.rng("weights", seed));
    none.push_back(recall_accuracy(run, with_none, seed));
  }
  Grid grid{.header = {"width d", "two maps, d wide", "parameters", "one map, 1.5 d wide", "parameters"}};
  bool everywhere = true;
  for (size_t i = 0; i < widths.size(); ++i) {
    everywhere = everywhere && spread_at(two, i).median > spread_at(one, i).median + 0.02;
    grid.rows.push_back(
        {format_number(widths[i]), spread_at(two, i).percent(), sizes[0][i], spread_at(one, i).percent(), sizes[1][i]});
  }
  const bool when_narrow = spread_at(two, 0).low > spread_at(one, 0).high + 0.1;
  return {
      .verdict = !when_narrow ? Verdict::fails
                 : everywhere ? Verdict::holds
                              : Verdict::within_limits,
      .number = "accuracy at d = 2: two maps " + spread_at(two, 0).percent(0) + ", one " +
                spread_at(one, 0).percent(0) + "; at d = 8: " + spread_at(two, 2).percent(0) + " and " +
                spread_at(one, 2).percent(0),
      .remark =
          "True where room is scarce, as in the narrow heads of a Transformer: one vector of few channels has "
          "to be found by its key and to say its value. With room for both, the query's map and the output's "
          "can pick the part they need, and nothing is lost: even K = V = X itself, 32 wide, gets " +
          spread(none).percent(0) + ".",
      .pictures = {{line_plot({.title = "Recall with separate maps, and with one",
                               .x = {.label = "width d of two maps (the one is 1.5 d wide)",
                                     .log = true,
                                     .ticks = widths,
                                     .tick_labels = {"2", "4", "8"}},
                               .y = {.label = "accuracy", .low = 0, .high = 1},
                               .y_lines = {{1.0 / RecallModel::kValues, "guessing"}}},
                              {over_runs("K and V apart", widths, two), over_runs("K = V", widths, one)}),
                    "Eight pairs of key and value, one key asked for; models of the same size. Median and range over "
                    "the seeds."}},
      .grids = {grid}};
}

// The layer between two sets of any sizes; their order is none of its business.
Exhibit layer_over_two_sets(const Run& run) {
  constexpr int64_t width = 16;
  Rng rng = run.rng("layer");
  nn::MultiHeadAttention layer({.dim = width, .heads = 2}, rng);
  layer.to(DType::f64);
  bool shapes = true;
  double order_of_x = 0, order_of_q = 0;
  Grid grid{.header = {"queries", "vectors of X", "layer(Q, X)", "layer(X), self-attention"}};
  for (const auto& [queries, keys] :
       std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {1, 6}, {3, 6}, {8, 2}, {5, 64}}) {
    const Tensor q = randn({1, queries, width}, rng, DType::f64), x = randn({1, keys, width}, rng, DType::f64);
    const Tensor shuffled_x = rows_in_order(x, randperm(keys, rng)), order = randperm(queries, rng);
    const Tensor y = layer(q, x, x).value(), itself = layer(x).value();
    shapes = shapes && y.shape() == q.shape() && itself.shape() == x.shape();
    order_of_x = std::max(order_of_x, max_abs_difference(layer(q, shuffled_x, shuffled_x).value(), y));
    order_of_q =
        std::max(order_of_q, max_abs_difference(layer(rows_in_order(q, order), x, x).value(), rows_in_order(y, order)));
    const auto rows = [](const Tensor& t) { return std::to_string(t.size(1)) + " × " + std::to_string(t.size(2)); };
    grid.rows.push_back({std::to_string(queries), std::to_string(keys), rows(y), rows(itself)});
  }

  // In the plane one can see it: each output is a mean of the values, and lies between them.
  const Tensor x = randn({6, 2}, rng, DType::f64), q = 2 * randn({4, 2}, rng, DType::f64);
  const nn::Attention pooled = nn::attention_with_weights(q, x, x);
  const auto points = [](std::string name, const Tensor& p) {
    return Series{.name = std::move(name), .x = numbers(select(p, 1, 0)), .y = numbers(select(p, 1, 1))};
  };
  const bool sets = order_of_x < 1e-13 && order_of_q < 1e-13;
  return {
      .verdict = shapes && sets ? Verdict::holds : Verdict::fails,
      .number =
          "n queries give n outputs for every size; another order of X changes " + format_significant(order_of_x, 2),
      .remark =
          "One set of weights serves all sizes. Nothing in the layer speaks of a sequence: X is a set, and so is Q, "
          "whose outputs come in its own order. Self-attention asks with X itself, n → n, so that layers can "
          "be stacked.",
      .pictures = {{scatter_plot({.title = "Two sets in the plane, Q = queries, K = V = X",
                                  .x = {.label = "channel 0"},
                                  .y = {.label = "channel 1"}},
                                 {points("X", x), points("queries", q), points("outputs", pooled.output.value())}),
                    "Each query gets a mean of the X, weighted towards those that lie in its direction."},
                   {query_key_map("Its weights", pooled.weights.value()), "Four queries, six keys."}},
      .grids = {grid}};
}

// A stack of self-attention without positions, its input in another order.
Exhibit self_attention_is_equivariant(const Run& run) {
  constexpr int64_t n = 12, width = 16;
  Rng rng = run.rng("model");
  nn::Encoder model({.dim = width, .heads = 4}, 2, rng);
  model.to(DType::f64);
  std::vector<double> equivariant, invariant, pooled;
  for (const uint64_t seed : run.seeds(200, 50)) {
    Rng draw = run.rng("permutation", seed);
    const Tensor x = randn({1, n, width}, draw, DType::f64), order = randperm(n, draw);
    const Tensor y = model(x).value(), y_of_permuted = model(rows_in_order(x, order)).value();
    const double size = norm(y).item();
    equivariant.push_back(norm(y_of_permuted - rows_in_order(y, order)).item() / size);
    invariant.push_back(norm(y_of_permuted - y).item() / size);
    pooled.push_back(norm(sum(y_of_permuted, {1}) - sum(y, {1})).item() / norm(sum(y, {1})).item());
  }
  const auto clamped = [](std::vector<double> values) {
    for (double& v : values) v = std::max(v, 1e-17);
    return values;
  };
  const Spread same = spread(equivariant), moved = spread(invariant), set = spread(pooled);
  return {.verdict = same.high < 1e-13 && set.high < 1e-12 && moved.median > 0.1 ? Verdict::holds : Verdict::fails,
          .number = "f(PX) − P f(X): " + format_significant(same.high, 2) +
                    " of f(X) at most; f(PX) − f(X): " + moved.range_text(2),
          .remark =
              "Equivariant: the outputs move along with their tokens. One of the notes calls it invariant, which would "
              "mean "
              "that the outputs stay where they are; f(PX) and f(X) differ by as much as the outputs of different "
              "tokens do. What is invariant is a sum or a mean over the tokens (" +
              format_significant(set.high, 2) + " at most).",
          .pictures = {{histogram({.title = "The input in another order",
                                   .x = {.label = "difference, as a part of the output", .log = true},
                                   .y = {.label = "permutations"}},
                                  {{"f(PX) − P f(X)", clamped(equivariant)},
                                   {"f(PX) − f(X)", clamped(invariant)},
                                   {"Σ f(PX) − Σ f(X)", clamped(pooled)}}),
                        "A stack of two layers, 12 tokens, f64."}}};
}

// Recall over sets of 2 to 16 pairs; then over more.
Exhibit any_number_of_tokens(const Run& run) {
  const std::vector<double> counts = {2, 4, 8, 16, 24, 32, 48, 64};
  const nn::Positions schemes[] = {nn::Positions::none, nn::Positions::sinusoidal};
  std::vector<std::vector<double>> runs[2];  // [scheme][seed][count]
  for (const uint64_t seed : run.seeds(3, 1)) {
    for (int s = 0; s < 2; ++s) {
      SetModel model(schemes[s], run.rng("weights", seed));
      Rng data = run.rng("data", seed);
      const auto batch = [&](int64_t size, int64_t pairs) {
        return associative_recall(size, pairs, SetModel::kKeys, SetModel::kValues, data);
      };
      train(run, model, {.steps = run.either(450, 220), .lr = 6e-3, .label = nn::name(schemes[s])}, [&](int64_t) {
        const Labelled b = batch(32, int64_t(randint(2, 17, {}, data).item()));
        return cross_entropy(model(b.inputs), b.targets);
      });
      runs[s].emplace_back();
      for (const double count : counts) {
        const Labelled test = batch(500, int64_t(count));
        runs[s].back().push_back(accuracy(model(test.inputs).value(), test.targets));
      }
    }
  }
  const Spread set = spread_at(runs[0], counts.size() - 1), sequence = spread_at(runs[1], counts.size() - 1);
  return {.verdict = set.low > 0.95     ? Verdict::holds
                     : set.median > 0.5 ? Verdict::within_limits
                                        : Verdict::fails,
          .number = "accuracy with 64 pairs: " + set.percent() + "; with positions " + sequence.percent(),
          .remark =
              "The layer takes any number of tokens, in any order. Whether it then answers rightly depends on the "
              "task: here a query has one key to find, and a weight that was sharp enough among 16 still stands "
              "out among 64, if less. Positions, which tell nothing here, lead to places that the training never "
              "saw.",
          .pictures = {{line_plot({.title = "Trained on sets of 2 to 16 pairs",
                                   .x = {.label = "pairs", .log = true, .ticks = {2, 4, 8, 16, 32, 64}},
                                   .y = {.label = "accuracy", .low = 0, .high = 1},
                                   .x_lines = {{16, "longest in training"}},
                                   .y_lines = {{1.0 / SetModel::kValues, "guessing"}}},
                                  {over_runs("a set", counts, runs[0]),
                                   over_runs("with sinusoidal positions", counts, runs[1])}),
                        "Which value belongs to this key? One encoder layer; median and range over the seeds."}}};
}

extern const std::vector<Claim> self_attention_claims;
const std::vector<Claim> self_attention_claims = {
    {.id = "24",
     .title = "Separate keys and values",
     .statement =
         "Keys and values of their own, computed from the same tokens, give attention a freedom that K = V has "
         "not: what a token is found by need not be what it has to say.",
     .experiment = separate_keys_and_values},
    {.id = "44+45",
     .title = "Attention is a layer over two sets",
     .statement =
         "Attention is a general layer: a set of vectors X, a set of queries Q, and one output for each query. "
         "In self-attention the queries come from X too, and n vectors become n.",
     .experiment = layer_over_two_sets,
     .expect = Verdict::holds},
    {.id = "46+slip-2",
     .title = "Self-attention is equivariant, not invariant",
     .statement =
         "Without positions, self-attention of permuted tokens is the permuted self-attention: f(PX) = P f(X). "
         "(Elsewhere the notes say that it does not change at all.)",
     .experiment = self_attention_is_equivariant,
     .expect = Verdict::holds},
    {.id = "48",
     .title = "Any length, any order",
     .statement =
         "Self-attention works on sequences of any length, and on sets: what was trained on at most 16 vectors "
         "runs on 64.",
     .experiment = any_number_of_tokens},
};

}  // namespace fovea::claims
