// Claims about the block of a Transformer: what residuals and norms do for deep stacks, and how many models it makes.
#include <algorithm>
#include <cmath>

#include "autograd/losses.h"
#include "autograd/tape.h"
#include "examples/claims/training.h"
#include "examples/lib/sequences.h"
#include "nn/bert.h"
#include "nn/gpt.h"
#include "nn/transformer.h"
#include "nn/vit.h"
#include "tensor/matmul.h"
#include "tensor/reduce.h"
#include "tensor/views.h"

namespace fovea::claims {
namespace {

enum class Wiring { post_norm, pre_norm, no_residual, no_norm };
constexpr Wiring all_wirings[] = {Wiring::post_norm, Wiring::pre_norm, Wiring::no_residual, Wiring::no_norm};
const std::vector<std::string> wiring_names = {"post-norm", "pre-norm", "no residual", "no norm"};

// The parts of one layer, wired in different ways; f is the attention, then the feed-forward network. x [B, T, C]
Variable wired(const nn::EncoderLayer& layer, const Variable& x, Wiring wiring, const nn::Mask& mask) {
  const auto part = [&](const auto& f, const nn::LayerNorm& norm, const Variable& in) {
    switch (wiring) {
      case Wiring::post_norm: return norm(in + f(in));
      case Wiring::pre_norm: return in + f(norm(in));
      case Wiring::no_residual: return norm(f(in));
      default: return in + f(in);
    }
  };
  const auto attention = [&](const Variable& in) { return layer.attention(in, mask); };
  return part(layer.feed_forward, layer.feed_forward_norm, part(attention, layer.attention_norm, x));
}

// A stack of such layers that says for each token what stood a few places before it.
struct Stack : nn::Module {
  static constexpr int64_t kWidth = 32, kSymbols = 8, kLength = 16, kDelay = 3;
  nn::Embedding tokens;
  nn::LearnedPositions positions;
  std::vector<nn::EncoderLayer> layers;
  nn::LayerNorm norm;
  nn::Linear output;
  Wiring wiring;

  Stack(int64_t depth, Wiring wiring_, Rng rng)
      : tokens(kSymbols, kWidth, rng),
        positions(kLength, kWidth, rng, 1),
        norm(kWidth),
        output(kWidth, kSymbols, rng),
        wiring(wiring_) {
    for (int64_t i = 0; i < depth; ++i)
      layers.emplace_back(nn::LayerConfig{.dim = kWidth, .heads = 2, .hidden = 2 * kWidth}, rng);
  }

  Variable states(const Tensor& inputs) const {               // [B, T]
    Variable x = tokens(inputs) + positions(inputs.size(1));  // [B, T, C]
    for (const nn::EncoderLayer& layer : layers) x = wired(layer, x, wiring, nn::Mask::causal());
    return norm(x);
  }
  Variable operator()(const Tensor& inputs) const { return output(states(inputs)); }  // [B, T, symbols]
  Variable loss(Rng& data) const {
    const Labelled b = delayed_copy(16, kLength, kDelay, kSymbols, data);
    return cross_entropy((*this)(b.inputs), b.targets, {.ignore_index = -1});
  }
  void visit(nn::Visitor& v) override {
    v("tokens", tokens);
    v("positions", positions);
    v("layers", layers);
    v("norm", norm);
    v("output", output);
  }
};

// The norm of the gradient of each layer's parameters, before training.
std::vector<double> gradients_by_layer(Stack model, Rng data) {
  Tape tape;
  tape.backward(model.loss(data));
  std::vector<double> norms;
  for (nn::EncoderLayer& layer : model.layers) {
    double squares = 0;
    for (const auto& [name, parameter] : layer.parameters()) {
      if (parameter->has_grad()) squares += sum(square(parameter->grad())).item();  // without norms those have none
    }
    norms.push_back(std::sqrt(squares));
  }
  return norms;
}

// How far the last states of two places of a sequence are apart: 1 − their cosine, the mean over all pairs.
double difference_of_places(const Stack& model, Rng data) {
  const Tensor states = model.states(randint(0, Stack::kSymbols, {16, Stack::kLength}, data)).value();  // [B, T, C]
  const Tensor unit = states.to(DType::f64) / norm(states.to(DType::f64), 2, {2}, true);
  const double places = double(Stack::kLength);
  return (1 - mean(matmul(unit, transpose(unit))).item()) * places / (places - 1);  // without those with themselves
}

// What is measured of one wiring, with several seeds.
struct Measured {
  std::vector<std::vector<double>> gradients, ratios;  // of 24 layers [seed][layer]; first ÷ last [seed][depth]
  std::vector<double> differences;                     // of places in a stack of kLearning, [seed]
  std::vector<std::vector<double>> losses;             // of a stack of kLearning that is trained, [seed][step]
};

constexpr int64_t kLearning = 8;
const std::vector<double> depths = {2, 4, 8, 16, 24};

Measured measure(const Run& run, Wiring wiring) {
  Measured m;
  for (const uint64_t seed : run.seeds(3, 1)) {
    const auto stack = [&](double depth) { return Stack(int64_t(depth), wiring, run.rng("weights", seed)); };
    m.ratios.emplace_back();
    for (const double depth : depths) {
      const std::vector<double> norms = gradients_by_layer(stack(depth), run.rng("data", seed));
      m.ratios.back().push_back(norms.front() / norms.back());
      if (depth == depths.back()) m.gradients.push_back(norms);
    }
    Stack model = stack(kLearning);
    m.differences.push_back(difference_of_places(model, run.rng("data", seed)));
    Rng data = run.rng("data", seed);
    m.losses.push_back(
        smooth(train(run, model, {.steps = run.either(160, 80)}, [&](int64_t) { return model.loss(data); })));
  }
  return m;
}

// What a model is made of: how many layers of an encoder and of a decoder, and how much of it they are.
struct Parts : nn::Visitor {
  int64_t encoder_layers = 0, decoder_layers = 0, in_layers = 0;

  void enter(const std::string&, nn::Module& module) override {
    const bool encoder = dynamic_cast<nn::EncoderLayer*>(&module), decoder = dynamic_cast<nn::DecoderLayer*>(&module);
    encoder_layers += encoder, decoder_layers += decoder;
    if (encoder || decoder) in_layers += module.parameter_count();
  }
};

}  // namespace

// The gradient in each layer of stacks of 2 to 24; and what a stack of 8 learns.
Exhibit residuals_and_norms(const Run& run) {
  std::vector<Series> by_layer, by_depth, learning;
  std::vector<Spread> losses;       // of each wiring, after the last step
  std::vector<double> differences;  // medians
  Grid grid{.header = {"", "gradient, layer 1 of 24", "gradient, layer 24", "1 − cosine of two places, 8 layers",
                       "loss, 8 layers"},
            .caption = "The first three before training, medians over the seeds; the loss after it."};
  for (size_t w = 0; w < wiring_names.size(); ++w) {
    const Measured m = measure(run, all_wirings[w]);
    const size_t steps = m.losses[0].size();
    if (all_wirings[w] != Wiring::no_norm) by_layer.push_back(over_runs(wiring_names[w], steps_of(24), m.gradients));
    by_depth.push_back(over_runs(wiring_names[w], depths, m.ratios));
    learning.push_back(over_runs(wiring_names[w], steps_of(steps), m.losses));
    differences.push_back(spread(m.differences).median);
    losses.push_back(spread_at(m.losses, steps - 1));
    grid.rows.push_back({wiring_names[w], format_significant(spread_at(m.gradients, 0).median, 2),
                         format_significant(spread_at(m.gradients, 23).median, 2),
                         format_significant(differences.back(), 2), losses.back().text(2)});
  }
  const double without = std::min(losses[2].low, losses[3].low);
  const bool pre_norm_learns = losses[1].high < without - 0.3, post_norm_learns = losses[0].high < without - 0.1;
  return {.verdict = !pre_norm_learns   ? Verdict::fails
                     : post_norm_learns ? Verdict::holds
                                        : Verdict::within_limits,
          .number = "loss of 8 layers: pre-norm " + format_significant(losses[1].median, 2) + ", post-norm " +
                    format_significant(losses[0].median, 2) + ", no residual " +
                    format_significant(losses[2].median, 2) + ", no norm " + format_significant(losses[3].median, 2),
          .remark =
              "Without norms the gradient explodes with depth. Without residuals it is not the gradient that goes, for "
              "the norms keep it up, but the difference between the places: each attention averages them, and after 8 "
              "layers 1 − cosine of two is " +
              format_significant(differences[2], 2) + " (post-norm " + format_significant(differences[0], 2) +
              ", pre-norm " + format_significant(differences[1], 2) +
              "). Where the norm stands matters as well: the notes draw it after the sum (post-norm), which learns "
              "slower here than norms inside the branches (pre-norm).",
          .pictures =
              {{line_plot({.title = "Learning, 8 layers", .x = {.label = "step"}, .y = {.label = "loss", .low = 0}},
                          learning),
                "What stood three places before? Guessing has a loss of ln 8 = 2.08. Median and range over the seeds."},
               {line_plot(
                    {.title = "The first layer's gradient ÷ the last layer's",
                     .x = {.label = "layers", .log = true, .ticks = depths, .tick_labels = {"2", "4", "8", "16", "24"}},
                     .y = {.label = "ratio of the norms", .log = true}},
                    by_depth),
                "Before training, all parameters of a layer together."},
               {line_plot({.title = "The gradient in a stack of 24 layers",
                           .x = {.label = "layer"},
                           .y = {.label = "norm of the gradient", .log = true}},
                          by_layer),
                "Before training; without norms it is far above this picture."}},
          .grids = {grid}};
}

// Four models, and what each is made of.
Exhibit one_block_many_models(const Run& run) {
  Rng rng = run.rng("models");
  constexpr int64_t vocab = 40, layers = 2, heads = 4, dim = 32;
  nn::GPT gpt({.vocab = vocab, .layers = layers, .heads = heads, .dim = dim, .context = 16}, rng);
  nn::TextClassifier bert({.vocab = vocab, .layers = layers, .heads = heads, .dim = dim, .context = 16}, 3, rng);
  nn::ViT vit({.image = 12, .channels = 3, .patch = 4, .classes = 10, .layers = layers, .heads = heads, .dim = dim},
              rng);
  nn::Transformer translator(
      {.source_vocab = vocab, .target_vocab = vocab, .layers = layers, .heads = heads, .dim = dim}, rng);
  const Tensor words = randint(0, vocab, {2, 9}, rng), others = randint(0, vocab, {2, 5}, rng);
  const Tensor images = randn({2, 3, 12, 12}, rng);

  struct Model {
    const char *name, *reads, *sees, *says;
    nn::Module* module;
    Variable output;
    int64_t encoder, decoder;  // layers that it should have
  };
  const std::vector<Model> models = {
      {"GPT", "tokens", "the past", "the next token, at each place", &gpt, gpt(words), layers, 0},
      {"BERT, as a classifier", "tokens and [CLS]", "all", "a class, at [CLS]", &bert, bert(words), layers, 0},
      {"ViT", "patches and [CLS]", "all", "a class, at [CLS]", &vit, vit(images), layers, 0},
      {"encoder–decoder", "source, target", "all; the past and the source", "the next word, at each place", &translator,
       translator(words, others), layers, layers}};
  Grid grid{.header = {"model", "reads", "a place sees", "says", "output", "layers", "parameters", "in the layers"}};
  bool as_expected = true;
  int64_t encoder_layers = 0, decoder_layers = 0;
  for (const Model& m : models) {
    Parts parts;
    m.module->visit(parts);
    encoder_layers += parts.encoder_layers, decoder_layers += parts.decoder_layers;
    as_expected = as_expected && parts.encoder_layers == m.encoder && parts.decoder_layers == m.decoder;
    std::string shape;
    for (const int64_t size : m.output.shape()) shape += (shape.empty() ? "" : " × ") + std::to_string(size);
    const int64_t all = m.module->parameter_count();
    grid.rows.push_back({m.name, m.reads, m.sees, m.says, shape,
                         std::to_string(parts.encoder_layers) +
                             (parts.decoder_layers ? " + " + std::to_string(parts.decoder_layers) : ""),
                         format_count(all), format_fixed(100 * double(parts.in_layers) / double(all), 0) + " %"});
  }
  return {
      .verdict = as_expected ? Verdict::holds : Verdict::fails,
      .number = "four models, " + std::to_string(encoder_layers) + " layers of one kind and " +
                std::to_string(decoder_layers) + " of the other",
      .remark =
          "Counted by walking through the models: GPT, BERT and ViT are stacks of one and the same EncoderLayer. GPT's "
          "sees the past only, which is a mask; before and after the stack stand an embedding and a linear "
          "layer. The decoder's layer has the same parts and a second attention, to the source.",
      .grids = {grid}};
}

extern const std::vector<Claim> transformer_block_claims;
const std::vector<Claim> transformer_block_claims = {
    {.id = "64",
     .title = "Residuals and norms",
     .statement =
         "A residual connection and a layer norm around both parts of a block are what lets a deep stack learn.",
     .experiment = residuals_and_norms},
    {.id = "65",
     .title = "One block, many models",
     .statement =
         "Stacked, the same block makes encoders and decoders, and so GPT, BERT, ViT and the translating Transformer.",
     .experiment = one_block_many_models,
     .expect = Verdict::holds},
};

}  // namespace fovea::claims
