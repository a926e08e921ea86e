// Claims about what the weights of attention say to a reader: what they follow, how far they reach, whether they
// explain.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "autograd/indexing.h"
#include "autograd/losses.h"
#include "autograd/reduce.h"
#include "autograd/tape.h"
#include "examples/claims/training.h"
#include "examples/claims/weights_map.h"
#include "examples/lib/char_data.h"
#include "examples/lib/own_text.h"
#include "examples/lib/sequences.h"
#include "examples/lib/utf8.h"
#include "nn/convolution.h"
#include "nn/embedding.h"
#include "nn/gpt.h"
#include "tensor/elementwise.h"
#include "tensor/indexing.h"
#include "tensor/reduce.h"
#include "tensor/rows.h"
#include "tensor/views.h"

namespace fovea::claims {
namespace {

// How far back each head looks: Σ_j w_ij (i − j), the mean over sequences and queries. weights [B, H, n, n] -> [H]
Tensor mean_distance(const Tensor& weights) {
  const int64_t n = weights.size(-1);
  const Tensor back = (reshape(arange(n), {n, 1}) - reshape(arange(n), {1, n})).to(weights.dtype());  // [n, n]
  return mean(sum(weights * back, {-1}), {0, 2});
}

// Reads records of a key and a value, in no order, and then a key: which value goes with it? (associative_recall)
struct Reader : nn::Module {
  nn::Embedding symbols;
  nn::Encoder encoder;
  nn::Linear output;

  Reader(int64_t inputs, int64_t outputs, int64_t layers, Rng rng)
      : symbols(inputs, kWidth, rng),
        encoder({.dim = kWidth, .heads = 4, .norm_first = true}, layers, rng),
        output(kWidth, outputs, rng) {}

  // [B, 2 pairs + 1] -> [B, pairs + 1, C]: a place for each record, one for the question.
  Variable embed(const Tensor& inputs) const {
    const int64_t last = inputs.size(1) - 1;
    const Variable keys = symbols(slice(inputs, 1, 0, last, 2)), values = symbols(slice(inputs, 1, 1, last, 2));
    return cat({keys + values, symbols(narrow(inputs, 1, last, 1))}, 1);
  }
  Variable answer(const Variable& embedded) const { return output(select(encoder(embedded), 1, -1)); }  // [B, values]

  void visit(nn::Visitor& v) override {
    v("symbols", symbols);
    v("encoder", encoder);
    v("output", output);
  }
  static constexpr int64_t kWidth = 32;
};

// Two ways to ask a trained reader which records its answer came from, each [B, pairs]. The question is left out: it
// matches itself, and every answer depends on it.
struct Explanations {
  Tensor attention;  // of the last query in the last layer, the mean over heads
  Tensor saliency;   // ‖∂ (logit of the answer given) / ∂ (embedding at the place)‖
};
Explanations explain(const Reader& reader, const Tensor& inputs) {
  nn::AttentionRecord record;
  Parameter embedded(reader.embed(inputs).value());
  Tape tape;
  const Variable logits = reader.answer(embedded);
  tape.backward(sum(max(logits, {-1})));
  const Tensor weights = mean(record.entries().back().weights, {1});  // [B, pairs + 1, pairs + 1]
  const int64_t pairs = embedded.size(1) - 1;
  return {narrow(select(weights, 1, -1), 1, 0, pairs), narrow(norm(embedded.grad(), 2, {-1}), 1, 0, pairs)};
}

// The place of each number among its row's, 0 the smallest.
std::vector<double> ranks(const std::vector<double>& values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t(0));
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> rank(values.size());
  for (size_t i = 0; i < order.size(); ++i) rank[order[i]] = double(i);
  return rank;
}

// Spearman's rank correlation, the mean over rows. [B, n] each
double rank_correlation(const Tensor& a, const Tensor& b) {
  const int64_t rows = a.size(0), n = a.size(1);
  double total = 0;
  for (int64_t row = 0; row < rows; ++row) {
    const std::vector<double> x = ranks(numbers(select(a, 0, row))), y = ranks(numbers(select(b, 0, row)));
    double squares = 0;
    for (size_t i = 0; i < x.size(); ++i) squares += (x[i] - y[i]) * (x[i] - y[i]);
    total += 1 - 6 * squares / double(n * (n * n - 1));
  }
  return total / double(rows);
}

double share_equal(const Tensor& a, const Tensor& b) { return mean(equal(a, b).to(DType::f64)).item(); }

// The mean explanation where record 1, 2, … was asked for, by weights and by gradients. asked i64 [B]
Picture side_by_side(int64_t depth, const Tensor& asked, const Explanations& why) {
  const int64_t records = why.attention.size(1);
  const auto map = [&](std::string title, const Tensor& explanation) {
    std::vector<Tensor> rows;
    for (int64_t record = 0; record < records; ++record) {
      const Tensor here = equal(asked, full({1}, double(record), DType::i64)).to(DType::f32);  // [B]
      rows.push_back(sum(explanation * unsqueeze(here, 1), {0}) / sum(here).item());           // [records]
    }
    Tensor all = stack(rows);
    all = all / sum(all, {1}, true);
    return heat_map({.title = std::move(title),
                     .rows = "record asked for",
                     .columns = "record",
                     .row_names = numbered(records, 1),
                     .column_names = numbered(records, 1),
                     .low = 0,
                     .decimals = 2},
                    all);
  };
  return {
      small_multiples(depth == 1 ? "One layer" : std::to_string(depth) + " layers", 2,
                      {map("attention of the last layer", why.attention), map("norm of the gradient", why.saliency)}),
      "Means over sequences, the first seed; each row scaled to sum to 1."};
}

}  // namespace

Exhibit weights_follow_the_input(const Run& run) {
  constexpr int64_t n = 16, channels = 16;
  Rng rng = run.rng("weights and inputs");
  const nn::Conv1d convolution({.in = channels, .out = channels, .kernel = 5, .padding = 2}, rng);
  const nn::Linear query(channels, channels, rng), key(channels, channels, rng);
  // What each output takes from each input: of a convolution the size of the block ∂y_i/∂x_j, seen by one random
  // vector.
  const Tensor u = randn({channels}, rng);
  const auto convolution_mixing = [&](const Tensor& x) {  // [n, C] -> [n, n]
    Parameter copies(expand(x, {n, n, channels}).contiguous());
    Tape tape;
    const Variable y = convolution(copies);  // copy i is asked for its output i
    tape.backward(y, reshape(eye(n), {n, n, 1}) * u);
    return norm(copies.grad(), 2, {-1});
  };
  const auto attention_mixing = [&](const Tensor& x) {  // the weights themselves
    return softmax(matmul(query(x).value(), transpose(key(x).value())) / std::sqrt(double(channels)));
  };
  const Tensor a = randn({n, channels}, rng), b = randn({n, channels}, rng);
  const Tensor fixed_a = convolution_mixing(a), fixed_b = convolution_mixing(b);
  const Tensor weights_a = attention_mixing(a), weights_b = attention_mixing(b);
  const double fixed_change = max_abs_difference(fixed_a, fixed_b);
  const double moved = mean(sum(abs(weights_a - weights_b), {-1})).item() / 2;  // the share of weight that moved
  const auto map = [](std::string title, const Tensor& matrix, double high) {
    return heat_map({.title = std::move(title),
                     .rows = "output",
                     .columns = "input",
                     .row_names = numbered(n, 0, 5),
                     .column_names = numbered(n, 0, 5),
                     .low = 0,
                     .high = high,
                     .cell = 16},
                    matrix);
  };
  const double top_fixed = max(fixed_a).item(), top_weights = std::max(max(weights_a).item(), max(weights_b).item());
  return {
      .verdict = fixed_change == 0 && moved > 0.1 ? Verdict::holds : Verdict::fails,
      .number = "from one input to another the convolution's matrix changes by " + format_significant(fixed_change, 2) +
                "; of attention's weight " + format_fixed(100 * moved, 0) + " % moves",
      .remark =
          "A convolution is the same linear map whatever it reads. Attention makes its matrix anew from every "
          "input, from what stands at the places: that is also why it is not linear in its input.",
      .pictures = {
          {small_multiples("A convolution of kernel 5", 2,
                           {map("first input", fixed_a, top_fixed), map("second input", fixed_b, top_fixed)}),
           "How much each output takes from each input: the same band, number for number."},
          {small_multiples("Attention", 2,
                           {map("first input", weights_a, top_weights), map("second input", weights_b, top_weights)}),
           "The weights of one head at random parameters, for the same two inputs."}}};
}

Exhibit layers_look_far(const Run& run) {
  constexpr int64_t context = 48, layers = 4, heads = 4;
  const CharData data(decode_utf8(own_text(), "fovea's own sources"), context);
  const int64_t steps = run.either(200, 25);
  std::vector<std::vector<double>> by_layer, at_first;  // [seed][layer]
  std::vector<double> losses, rise;
  Tensor by_head;  // [layers, heads], of the first seed
  for (const uint64_t seed : run.seeds(3, 1)) {
    Rng weights = run.rng("weights", seed), batches = run.rng("batches", seed);
    nn::GPT model({.vocab = data.vocabulary().size(),
                   .layers = layers,
                   .heads = heads,
                   .dim = 64,
                   .context = context,
                   .positions = nn::Positions::rope},
                  weights);
    const Tensor validation = data.validation_batch(0, 32).inputs;
    const auto distances = [&] {  // [layers, heads]
      nn::AttentionRecord record;
      model(validation);
      std::vector<Tensor> rows;
      for (const auto& entry : record.entries()) rows.push_back(mean_distance(entry.weights));
      return stack(rows);
    };
    at_first.push_back(numbers(mean(distances(), {1})));
    const std::vector<double> curve = train(run, model, {.steps = steps, .label = "GPT"}, [&](int64_t) {
      const Batch batch = data.random_batch(16, batches);
      return cross_entropy(model(batch.inputs), batch.targets);
    });
    const Tensor trained = distances();
    if (!by_head.defined()) by_head = trained;
    by_layer.push_back(numbers(mean(trained, {1})));
    losses.push_back(smooth(curve).back());
    rise.push_back(by_layer.back().back() / by_layer.back().front());
  }
  const bool always_rises = std::all_of(by_layer.begin(), by_layer.end(),
                                        [](const auto& means) { return std::is_sorted(means.begin(), means.end()); });
  const Spread last_to_first = spread(rise);
  const std::vector<double> depth = steps_of(layers);
  return {.verdict = always_rises            ? Verdict::holds
                     : last_to_first.low > 1 ? Verdict::within_limits
                                             : Verdict::fails,
          .number = "mean distance, layer " + std::to_string(layers) + " / layer 1: " + last_to_first.text(2),
          .remark = "A small GPT over characters, after a short training (loss " + spread(losses).text(3) + "). " +
                    (always_rises ? "Here the distance grows from layer to layer."
                                  : "The distance does not grow from layer to layer.") +
                    " Nothing in the architecture makes low layers look near, only what the data ask for. Four layers "
                    "and so short a "
                    "training say little about deep stacks over images or long texts.",
          .pictures = {{heat_map({.title = "Mean distance of each head",
                                  .rows = "layer",
                                  .columns = "head",
                                  .row_names = numbered(layers, 1),
                                  .column_names = numbered(heads, 1),
                                  .bar = "characters back",
                                  .low = 0,
                                  .decimals = 1},
                                 by_head),
                        "A GPT trained on this library's own text, the first seed. A head that looks at all characters "
                        "alike has a mean distance of " +
                            format_fixed((context - 1) / 4.0, 1) + "."},
                       {line_plot({.title = "Mean distance of each layer",
                                   .x = {.label = "layer", .ticks = depth},
                                   .y = {.label = "characters back", .low = 0},
                                   .y_lines = {{(context - 1) / 4.0, "all weights equal"}}},
                                  {over_runs("after training", depth, by_layer), over_runs("before", depth, at_first)}),
                        "Mean over heads; median and range over the seeds."}}};
}

Exhibit attention_as_explanation(const Run& run) {
  constexpr int64_t pairs = 6, keys = 8, values = 8, tests = 512;
  const std::vector<int64_t> depths = {1, 3};
  const int64_t steps = run.either(500, 300);
  Grid grid{.header = {"layers", "right answers", "attention finds it", "gradient finds it", "same place",
                       "rank correlation"},
            .caption = "Finds it: how often the largest number stands on the record that was asked for."};
  std::vector<Picture> pictures;
  std::vector<Spread> found, agreement, correlations;  // by depth
  for (const int64_t depth : depths) {
    std::vector<double> right, attention_finds, gradient_finds, agree, correlation;
    for (const uint64_t seed : run.seeds(3, 1)) {
      Reader reader(keys + values, values, depth, run.rng("weights", seed));
      Rng data = run.rng("data", seed);
      train(run, reader, {.steps = steps, .label = std::to_string(depth) + " layers"}, [&](int64_t) {
        const Labelled batch = associative_recall(64, pairs, keys, values, data);
        return cross_entropy(reader.answer(reader.embed(batch.inputs)), batch.targets);
      });
      const Labelled test = associative_recall(tests, pairs, keys, values, data);
      right.push_back(accuracy(reader.answer(reader.embed(test.inputs)).value(), test.targets));
      const Explanations why = explain(reader, test.inputs);
      const Tensor question = narrow(test.inputs, 1, 2 * pairs, 1);  // [B, 1]
      const Tensor asked = argmax(equal(slice(test.inputs, 1, 0, 2 * pairs, 2), question).to(DType::f32), -1);  // [B]
      attention_finds.push_back(share_equal(argmax(why.attention, -1), asked));
      gradient_finds.push_back(share_equal(argmax(why.saliency, -1), asked));
      agree.push_back(share_equal(argmax(why.attention, -1), argmax(why.saliency, -1)));
      correlation.push_back(rank_correlation(why.attention, why.saliency));
      if (right.size() == 1) pictures.push_back(side_by_side(depth, asked, why));
    }
    found.push_back(spread(attention_finds)), agreement.push_back(spread(agree));
    correlations.push_back(spread(correlation));
    grid.rows.push_back({std::to_string(depth), spread(right).percent(), found.back().percent(),
                         spread(gradient_finds).percent(), agreement.back().percent(), correlations.back().text(2)});
  }
  const bool can_be_read = found[0].low > 0.9;
  const bool is_the_explanation = agreement.back().low > 0.9 && correlations.back().low > 0.8;
  return {
      .verdict = !can_be_read         ? Verdict::fails
                 : is_the_explanation ? Verdict::holds
                                      : Verdict::within_limits,
      .number = "attention's largest weight on the record asked for: 1 layer " + found[0].percent(0) + ", 3 layers " +
                found[1].percent(0),
      .remark =
          "Six records and a question. What is picked out shows: the largest weight and the largest gradient stand on "
          "the same record in " +
          agreement[0].percent(0) + " of the cases with one layer, in " + agreement[1].percent(0) +
          " with three. The caveat: the order of the others does not; their rank correlation is " +
          correlations[0].text(2) + " and " + correlations[1].text(2) +
          ". Weights are a step of the computation, not its explanation; in a stack they belong to places that "
          "have already been mixed.",
      .pictures = std::move(pictures),
      .grids = {grid}};
}

extern const std::vector<Claim> reading_claims;
const std::vector<Claim> reading_claims = {
    {.id = "70",
     .title = "Fixed weights, and weights that follow the input",
     .statement =
         "A convolution mixes its inputs in the same way whatever they are; attention's weights depend on them.",
     .experiment = weights_follow_the_input,
     .expect = Verdict::holds},
    {.id = "71",
     .title = "Low layers look near, high layers far",
     .statement =
         "In a stack of attention layers the lower ones attend to their neighbourhood, the higher ones to all.",
     .experiment = layers_look_far},
    {.id = "75",
     .title = "Attention filters, and can be read",
     .statement = "Attention picks out what matters, and its weights show what an answer was made from.",
     .experiment = attention_as_explanation},
};

}  // namespace fovea::claims
