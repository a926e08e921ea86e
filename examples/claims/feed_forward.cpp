// Claims about the feed-forward network of a Transformer's block, and about what attention cannot do without it.
#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>

#include "autograd/attention.h"
#include "autograd/losses.h"
#include "autograd/tape.h"
#include "examples/claims/training.h"
#include "examples/claims/weights_map.h"
#include "nn/convolution.h"
#include "nn/encoder.h"
#include "tensor/indexing.h"
#include "tensor/reduce.h"

namespace fovea::claims {
namespace {

// ‖∂y_i/∂x_j‖ for each two places, from the tape, one row of the Jacobian at a time. x [1, T, C] -> [T, T]
Tensor place_jacobian(const std::function<Variable(const Variable&)>& f, const Tensor& x) {
  const int64_t places = x.size(1), channels = x.size(2);
  Tensor squares = zeros({places, places}, DType::f64);
  for (int64_t i = 0; i < places; ++i) {
    for (int64_t c = 0; c < channels; ++c) {
      Parameter input(x);
      Tensor unit = zeros(x.shape(), x.dtype());
      unit.set({0, i, c}, 1);
      Tape tape;
      tape.backward(f(input), unit);
      select(squares, 0, i).add_(sum(square(select(input.grad(), 0, 0)), {-1}));  // over the channels of each x_j
    }
  }
  return sqrt(squares);
}

// Sets of n tokens of two bits each, and the exclusive or of each token's bits.
struct Bits {
  Tensor x;        // f32 [B, n, 2], -1 or 1
  Tensor targets;  // i64 [B, n]

  Bits(int64_t batch, int64_t n, Rng& rng) {
    const Tensor bits = randint(0, 2, {batch, n, 2}, rng);
    x = 2.0 * bits.to(DType::f32) - 1.0;
    targets = not_equal(select(bits, 2, 0), select(bits, 2, 1)).to(DType::i64);
  }
};

// Bits to classes, by attention between the tokens, by a feed-forward network, or by both. No norms: those are not
// linear either.
struct BitsModel : nn::Module {
  static constexpr int64_t kWidth = 16;
  nn::Linear embedding, output;
  std::optional<nn::MultiHeadAttention> attention;
  std::optional<nn::FeedForward> feed_forward;

  BitsModel(bool attends, bool feeds_forward, Rng rng) : embedding(2, kWidth, rng), output(kWidth, 2, rng) {
    if (attends) attention.emplace(nn::MultiHeadAttentionConfig{.dim = kWidth, .heads = 2}, rng);
    if (feeds_forward)
      feed_forward.emplace(nn::FeedForwardConfig{.dim = kWidth, .activation = nn::Activation::relu}, rng);
  }
  Variable operator()(const Tensor& bits) const {
    Variable x = embedding(bits);  // [B, n, C]
    if (attention) x = x + (*attention)(x);
    if (feed_forward) x = x + (*feed_forward)(x);
    return output(x);  // [B, n, 2]
  }
  void visit(nn::Visitor& v) override {
    v("embedding", embedding);
    v("attention", attention);
    v("feed_forward", feed_forward);
    v("output", output);
  }
};

double learn_bits(const Run& run, BitsModel& model, int64_t n, uint64_t seed) {
  Rng data = run.rng("data", seed);
  train(run, model, {.steps = run.either(400, 200), .lr = 1e-2}, [&](int64_t) {
    const Bits batch(256 / n, n, data);
    return cross_entropy(model(batch.x), batch.targets);
  });
  const Bits test(2048 / n, n, data);
  return accuracy(model(test.x).value(), test.targets);
}

}  // namespace

// The layer of the paper against its formula, and what it weighs.
Exhibit feed_forward_formula(const Run& run) {
  constexpr int64_t width = 512, hidden = 2048;
  Rng rng = run.rng("layer");
  nn::FeedForward layer({.dim = width, .hidden = hidden, .activation = nn::Activation::relu}, rng);
  layer.to(DType::f64);
  const Tensor x = randn({2, 6, width}, rng, DType::f64);
  const Tensor inside =
      maximum(matmul(x, layer.expand.weight.value()) + layer.expand.bias.value(), scalar(0, DType::f64));
  const Tensor formula = matmul(inside, layer.contract.weight.value()) + layer.contract.bias.value();
  const Tensor y = layer(x).value();
  const double error = max_abs_difference(y, formula);
  const int64_t count = layer.parameter_count(), expected = width * hidden + hidden + hidden * width + width;

  Grid grid{.header = {"", "shape", "parameters"}};
  for (const auto& [name, parameter] : layer.parameters()) {
    std::string shape;
    for (const int64_t size : parameter->shape()) shape += (shape.empty() ? "" : " × ") + format_count(size);
    grid.rows.push_back({name, shape, format_count(parameter->count())});
  }
  grid.rows.push_back({"together", "", format_count(count)});
  nn::EncoderLayer block({.dim = width, .heads = 8, .hidden = hidden}, rng);
  const double attention = double(block.attention.parameter_count()), all = double(block.parameter_count());
  const double norms = double(block.attention_norm.parameter_count() + block.feed_forward_norm.parameter_count());
  const bool holds = error < 1e-12 && count == expected && y.shape() == x.shape();
  return {.verdict = holds ? Verdict::holds : Verdict::fails,
          .number = format_count(count) + " parameters; layer − formula: " + format_significant(error, 2),
          .remark = "Two thirds of a block: " + format_fixed(100 * double(count) / all, 1) +
                    " % of its parameters. Of the 2,048 units " +
                    format_fixed(100 * mean((inside > 0.0).to(DType::f64)).item(), 0) +
                    " % are above 0 for an input, before training: each input uses another part of the layer.",
          .pictures = {{bar_plot({.title = "The parameters of one block, 512 wide",
                                  .y = {.label = "parameters, in millions"}},
                                 {"attention", "feed-forward", "norms"},
                                 {{"", {attention / 1e6, double(count) / 1e6, norms / 1e6}}}),
                        "Four square matrices of the attention, eight squares' worth in the feed-forward network."}},
          .grids = {grid}};
}

// Which place of the input does a place of the output depend on? And the same layer as a convolution.
Exhibit feed_forward_is_position_wise(const Run& run) {
  constexpr int64_t places = 6, width = 8;
  Rng rng = run.rng("layers");
  nn::FeedForward layer({.dim = width, .activation = nn::Activation::relu}, rng);
  nn::MultiHeadAttention attention({.dim = width, .heads = 2}, rng);
  nn::Conv1d expand({.in = width, .out = 4 * width, .kernel = 1}, rng),
      contract({.in = 4 * width, .out = width, .kernel = 1}, rng);
  expand.weight.value().copy_(unsqueeze(layer.expand.weight.value(), 0));  // [1, in, out]
  contract.weight.value().copy_(unsqueeze(layer.contract.weight.value(), 0));
  for (nn::Module* module : std::initializer_list<nn::Module*>{&layer, &attention, &expand, &contract})
    module->to(DType::f64);

  const Tensor x = randn({1, places, width}, rng, DType::f64);
  const Tensor forward = place_jacobian([&](const Variable& input) { return layer(input); }, x);
  const Tensor attended = place_jacobian([&](const Variable& input) { return attention(input); }, x);
  const Tensor own = eye(places, DType::boolean);
  const double across = max(masked_fill(forward, own, 0)).item(), within = min(diagonal(forward)).item();
  const double attention_across = min(masked_fill(attended, own, 1e9)).item();
  const double convolution = max_abs_difference(contract(relu(expand(x))).value(), layer(x).value());
  const auto norms_of = [&](const char* title, const Tensor& norms) {
    return heat_map({.title = title,
                     .rows = "output i",
                     .columns = "input j",
                     .row_names = numbered(places),
                     .column_names = numbered(places),
                     .low = 0,
                     .decimals = 2},
                    norms);
  };
  return {
      .verdict = across == 0 && within > 0 && convolution < 1e-13 ? Verdict::holds : Verdict::fails,
      .number = "largest ∂y_i/∂x_j, i ≠ j: " + format_number(across) +
                "; two 1×1 convolutions − layer: " + format_significant(convolution, 2),
      .remark =
          "Exactly zero, not nearly. All mixing between places is attention's, where the smallest of these norms is " +
          format_significant(attention_across, 2) + ".",
      .pictures = {{small_multiples("Norm of ∂y_i/∂x_j", 2,
                                    {norms_of("feed-forward network", forward), norms_of("attention", attended)}),
                    "Six places, eight channels, all of the Jacobian from the tape."}}};
}

// Attention as a function of its values, as a function of its tokens, and as all that a network has.
Exhibit attention_is_not_linear(const Run& run) {
  constexpr int64_t n = 6, width = 8;
  Rng rng = run.rng("layer");
  nn::MultiHeadAttention layer({.dim = width, .heads = 2, .bias = false}, rng);
  layer.to(DType::f64);
  const Tensor a = randn({1, n, width}, rng, DType::f64), b = randn({1, n, width}, rng, DType::f64);
  const Tensor fixed = randn({1, n, width}, rng, DType::f64);  // gives the weights
  const auto of_values = [&](const Tensor& v) { return layer(fixed, fixed, v).value(); };
  const auto of_tokens = [&](const Tensor& x) { return layer(x).value(); };
  const auto nonlinearity = [&](const auto& f) {  // ‖f(2a − 3b) − 2 f(a) + 3 f(b)‖, as a part of what is summed
    return norm(f(2.0 * a - 3.0 * b) - 2.0 * f(a) + 3.0 * f(b)).item() / norm(2.0 * f(a) - 3.0 * f(b)).item();
  };
  const double in_values = nonlinearity(of_values), in_tokens = nonlinearity(of_tokens);
  std::vector<double> ts, y_values, y_tokens;  // one number of the output, along a straight line of inputs
  for (double t = -3; t <= 3.01; t += 0.1) {
    ts.push_back(t);
    y_values.push_back(of_values(a + t * b).at({0, 0, 0}));
    y_tokens.push_back(of_tokens(a + t * b).at({0, 0, 0}));
  }

  const std::vector<std::string> names = {"attention, token by itself", "attention, 16 tokens", "feed-forward",
                                          "both, 16 tokens"};
  std::vector<double> scores[4];
  for (const uint64_t seed : run.seeds(5, 2)) {
    for (int which = 0; which < 4; ++which) {
      BitsModel model(which != 2, which >= 2, run.rng("weights", seed));
      scores[which].push_back(learn_bits(run, model, which == 0 ? 1 : 16, seed));
      run.progress(int64_t(scores[0].size()), 5, names[size_t(which)]);
    }
  }
  Bars bars{.name = ""};
  for (const auto& s : scores) {
    const Spread of_seeds = spread(s);
    bars.values.push_back(of_seeds.median), bars.low.push_back(of_seeds.low), bars.high.push_back(of_seeds.high);
  }
  const Spread alone = spread(scores[0]), among = spread(scores[1]), forward = spread(scores[2]);
  const bool half = in_values < 1e-13 && in_tokens > 0.1;
  return {.verdict = half && forward.median > 0.99 && alone.high < 0.8 ? Verdict::within_limits : Verdict::fails,
          .number = "deviation from linear: in V " + format_significant(in_values, 2) + ", in X " +
                    format_significant(in_tokens, 2) + "; exclusive or: " + alone.percent(0) +
                    " without a feed-forward network, " + forward.percent(0) + " with it",
          .remark =
              "Half true. For weights held fast attention is linear in its values; but the weights come from the same "
              "tokens through a softmax, so it is not linear in X, with many heads as little as with one. For a token "
              "by itself there is nothing to choose, the weight is 1, and a network of attention alone is linear: it "
              "cannot take the exclusive or of a token's two bits. Among 16 tokens it gets " +
              among.percent(0) +
              ": what a token looks at depends on its bits through the softmax, which bends as a tanh does.",
          .pictures = {{line_plot({.title = "One output, along a straight line of inputs",
                                   .x = {.label = "t"},
                                   .y = {.label = "output of A + t B"}},
                                  {{"in V, weights held fast", ts, y_values}, {"in X", ts, y_tokens}}),
                        "The same layer. Linear in its values, not in its tokens."},
                       {bar_plot({.title = "The exclusive or of a token's two bits",
                                  .y = {.label = "accuracy", .low = 0, .high = 1},
                                  .y_lines = {{0.5, "guessing"}},
                                  .width = 760},
                                 names, {bars}),
                        "Median and range over the seeds."}}};
}

extern const std::vector<Claim> feed_forward_claims;
const std::vector<Claim> feed_forward_claims = {
    {.id = "61",
     .title = "max(0, xW₁ + b₁)W₂ + b₂",
     .statement =
         "The feed-forward network of a block is two linear maps with a rectifier between them, 512 → 2048 → 512.",
     .experiment = feed_forward_formula,
     .expect = Verdict::holds},
    {.id = "62",
     .title = "Position-wise means: no mixing of places",
     .statement =
         "The feed-forward network treats each place by itself and all alike: it is a convolution of kernel 1.",
     .experiment = feed_forward_is_position_wise,
     .expect = Verdict::holds},
    {.id = "63+slip-3",
     .title = "Is attention linear?",
     .statement = "Multi-head attention is linear, and the feed-forward network brings in what is not.",
     .experiment = attention_is_not_linear,
     .expect = Verdict::within_limits},
};

}  // namespace fovea::claims
