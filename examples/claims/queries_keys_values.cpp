// Claims about scaled dot products, and about where queries, keys and values come from.
#include <algorithm>
#include <cmath>
#include <optional>

#include "autograd/losses.h"
#include "examples/claims/training.h"
#include "examples/claims/weights_map.h"
#include "nn/embedding.h"
#include "nn/gpt.h"
#include "nn/transformer.h"
#include "tensor/indexing.h"
#include "tensor/reduce.h"
#include "tensor/sort.h"

namespace fovea::claims {
namespace {

// softmax(q kᵀ / √d) v as one writes it down, number by number. q [L, d], k [S, d], v [S, d_v] -> [L, d_v]
Tensor attention_by_loops(const Tensor& q, const Tensor& k, const Tensor& v) {
  Tensor output = zeros({q.size(0), v.size(1)}, DType::f64);
  for (int64_t i = 0; i < q.size(0); ++i) {
    std::vector<double> weights;
    double total = 0;
    for (int64_t j = 0; j < k.size(0); ++j) {
      double score = 0;
      for (int64_t c = 0; c < q.size(1); ++c) score += q.at({i, c}) * k.at({j, c});
      weights.push_back(std::exp(score / std::sqrt(double(q.size(1)))));
      total += weights.back();
    }
    for (int64_t c = 0; c < v.size(1); ++c) {
      double mean = 0;
      for (int64_t j = 0; j < k.size(0); ++j) mean += weights[size_t(j)] / total * v.at({j, c});
      output.set({i, c}, mean);
    }
  }
  return output;
}

// Sets of n tokens in random order, each a number 0 … n-1 and a letter. A token is to say the letter of the number
// after its own (after the last comes the first).
struct Neighbours {
  static constexpr int64_t kTokens = 8, kLetters = 4;
  Tensor numbers, letters, targets;  // i64 [B, n]

  Neighbours(int64_t batch, Rng& rng) {
    const Tensor by_number = randint(0, kLetters, {batch, kTokens}, rng);
    numbers = argsort(rand({batch, kTokens}, rng));
    letters = gather(by_number, 1, numbers);
    targets = gather(roll(by_number, -1, 1), 1, numbers);
  }
};

// One attention between the tokens; its queries, keys and values are projected, or the tokens themselves.
struct NeighbourModel : nn::Module {
  static constexpr int64_t kWidth = 32;
  nn::Embedding numbers, letters;
  std::optional<nn::Linear> query, key, value;
  nn::Linear output;

  NeighbourModel(bool projected, Rng rng)
      : numbers(Neighbours::kTokens, kWidth, rng, 0.3),
        letters(Neighbours::kLetters, kWidth, rng, 0.3),
        output(kWidth, Neighbours::kLetters, rng) {
    if (!projected) return;
    for (auto* map : {&query, &key, &value}) map->emplace(kWidth, kWidth, rng);
  }

  nn::Attention attend(const Neighbours& data) const {
    const Variable x = numbers(data.numbers) + letters(data.letters);  // [B, n, C]
    if (!query) return nn::attention_with_weights(x, x, x);
    return nn::attention_with_weights((*query)(x), (*key)(x), (*value)(x));
  }
  Variable operator()(const Neighbours& data) const { return output(attend(data).output); }  // [B, n, letters]
  void visit(nn::Visitor& v) override {
    v("numbers", numbers);
    v("letters", letters);
    v("query", query);
    v("key", key);
    v("value", value);
    v("output", output);
  }
};

// The weights of the first set, its tokens in the order of their numbers. [n, n]
Tensor weights_by_number(const NeighbourModel& model, const Neighbours& data) {
  const Tensor weights = select(model.attend(data).weights.value(), 0, 0), order = argsort(select(data.numbers, 0, 0));
  return index_select(index_select(weights, 0, order), 1, order);
}

}  // namespace

// One formula, three ways to compute it; and the weights of every layer of a stack.
Exhibit scaled_dot_products_three_ways(const Run& run) {
  constexpr int64_t batch = 2, heads = 3, queries = 5, keys = 7, d = 8, d_v = 6;
  Rng rng = run.rng("q, k, v");
  const Tensor q = randn({batch, heads, queries, d}, rng, DType::f64);
  const Tensor k = randn({batch, heads, keys, d}, rng, DType::f64);
  const Tensor v = randn({batch, heads, keys, d_v}, rng, DType::f64);
  const nn::Attention matrices = nn::attention_with_weights(q, k, v);      // softmax(q kᵀ / √d) v
  const Tensor tiles = nn::scaled_dot_product_attention(q, k, v).value();  // never holds all the weights
  double error = max_abs_difference(matrices.output.value(), tiles);
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t h = 0; h < heads; ++h) {
      const auto part = [&](const Tensor& x) { return select(select(x, 0, b), 0, h); };
      const Tensor loops = attention_by_loops(part(q), part(k), part(v));
      error = std::max(error, max_abs_difference(loops, part(matrices.output.value())));
    }
  }

  Rng weights = run.rng("model");
  nn::GPT model({.vocab = 10, .layers = 3, .heads = 4, .dim = 32, .context = 12}, weights);
  for (const auto& [name, parameter] : model.parameters()) {  // so that the weights are far from even
    parameter->value() += 0.2 * randn(parameter->shape(), weights);
  }
  const Tensor tokens = randint(0, 10, {1, 12}, rng);
  const Tensor unwatched = model(tokens).value();
  nn::AttentionRecord record;
  const double change = max_abs_difference(model(tokens).value(), unwatched);
  std::vector<std::pair<std::string, Tensor>> maps;
  double sum_error = 0;
  for (size_t layer = 0; layer < record.entries().size(); ++layer) {
    const Tensor& w = record.entries()[layer].weights;  // [1, H, T, T]
    sum_error = std::max(sum_error, max_abs_difference(sum(w, {-1}), ones({1, 4, 12})));
    for (int64_t head = 0; head < 4; ++head) {
      maps.emplace_back("layer " + std::to_string(layer) + ", head " + std::to_string(head),
                        select(select(w, 0, 0), 0, head));
    }
  }
  const bool agree = error < 1e-13, recorded = maps.size() == 12 && sum_error < 1e-5 && change < 1e-5;
  return {.verdict = agree && recorded ? Verdict::holds : Verdict::fails,
          .number = "loops, matrices and tiles differ by " + format_significant(error, 2) + "; weights of " +
                    std::to_string(record.entries().size()) + " of 3 layers",
          .remark =
              "Number by number, as two matrix products with a softmax between them, and in tiles that never hold "
              "all the weights: the same up to rounding, over any axes in front. An AttentionRecord takes the "
              "weights of every layer of a model as it runs; watching changes the result by " +
              format_significant(change, 2) + " (f32, other roundings).",
          .pictures = {{weight_maps("The weights of a stack, untrained", 4, maps),
                        "A GPT of 3 layers and 4 heads on 12 random tokens, under its causal mask."}}};
}

// Who is the next one? A question that a token cannot ask where query and key are the token itself.
Exhibit learned_projections(const Run& run) {
  std::vector<double> scores[2];
  std::vector<std::pair<std::string, Tensor>> maps;
  const char* const names[] = {"identity", "learned"};
  for (const uint64_t seed : run.seeds(3, 1)) {
    for (const int projected : {0, 1}) {
      NeighbourModel model(projected != 0, run.rng("weights", seed));
      Rng data = run.rng("data", seed);
      train(run, model, {.steps = run.either(600, 250), .label = names[projected]}, [&](int64_t) {
        const Neighbours batch(32, data);
        return cross_entropy(model(batch), batch.targets);
      });
      const Neighbours test(500, data);
      scores[projected].push_back(accuracy(model(test).value(), test.targets));
      if (seed == run.seed()) maps.emplace_back(names[projected], weights_by_number(model, test));
    }
  }

  // The identity as a special case of the layer.
  Rng rng = run.rng("layer");
  nn::MultiHeadAttention layer({.dim = 16, .bias = false}, rng);
  for (nn::Linear* map : {&layer.query, &layer.key, &layer.value, &layer.output}) map->weight.value() = eye(16);
  const Tensor x = randn({2, 5, 16}, rng);
  const double special = max_abs_difference(layer(x).value(), nn::scaled_dot_product_attention(x, x, x).value());

  const Spread learned = spread(scores[1]), identity = spread(scores[0]);
  return {.verdict = learned.low > 0.98 && identity.high < 0.8 && special == 0 ? Verdict::holds
                     : learned.low > identity.high                             ? Verdict::within_limits
                                                                               : Verdict::fails,
          .number = "accuracy: learned projections " + learned.percent() + ", identity " + identity.percent(),
          .remark =
              "Tokens have a number and a letter, and each must say the letter of the next number. With Q = K = V "
              "= X the score of i and j is that of j and i, so \"the one after me\" cannot be told from \"the one "
              "before me\". A MultiHeadAttention whose four matrices are the identity differs from attention on X "
              "itself by " +
              format_number(special) + ".",
          .pictures = {{weight_maps("Who looks at whom, after training", 2, maps),
                        "Query and key are in the order of their numbers. Learned projections look one to the right; "
                        "guessing gets 25 %."}}};
}

// An encoder–decoder on 9 words of a source and 5 of a target.
Exhibit self_and_cross_attention(const Run& run) {
  constexpr int64_t source_words = 9, target_words = 5, vocab = 20;
  Rng rng = run.rng("model");
  nn::Transformer model({.source_vocab = vocab, .target_vocab = vocab, .layers = 1, .heads = 1, .dim = 32}, rng);
  model.to(DType::f64);
  const Tensor source = randint(0, vocab, {1, source_words}, rng), target = randint(0, vocab, {1, target_words}, rng);
  const auto weights_of = [&](const Tensor& words) {  // [L, S] of each of the three attentions
    nn::AttentionRecord record;
    model(words, target);
    std::vector<Tensor> all;
    for (const auto& entry : record.entries()) all.push_back(select(select(entry.weights, 0, 0), 0, 0));
    return all;
  };
  const std::vector<Tensor> weights = weights_of(source);
  const std::vector<Tensor> others = weights_of(vocab - 1 - source);  // another source, the same target
  const bool shapes = weights.size() == 3 && weights[0].shape() == Shape{source_words, source_words} &&
                      weights[1].shape() == Shape{target_words, target_words} &&
                      weights[2].shape() == Shape{target_words, source_words};
  const bool apart = shapes && identical(weights[1], others[1]) && max_abs_difference(weights[2], others[2]) > 1e-4;

  // The layer by itself: queries from one sequence, keys and values from the other.
  const nn::MultiHeadAttention& cross = model.decoder.layers[0].cross_attention;
  const Variable state = randn({1, target_words, 32}, rng, DType::f64), memory = model.encode(source);
  const Variable by_hand =
      cross.output(nn::attention_with_weights(cross.query(state), cross.key(memory), cross.value(memory)).output);
  const double error = max_abs_difference(cross(state, memory, memory).value(), by_hand.value());

  const char* const names[] = {"encoder, self", "decoder, self (causal)", "decoder, cross"};
  const char* const from[][2] = {{"source", "source"}, {"target", "target"}, {"target", "encoder's output"}};
  Grid grid{.header = {"attention", "queries from", "keys and values from", "weights"}};
  std::vector<std::pair<std::string, Tensor>> maps;
  for (size_t i = 0; i < weights.size() && shapes; ++i) {
    grid.rows.push_back({names[i], from[i][0], from[i][1],
                         std::to_string(weights[i].size(0)) + " × " + std::to_string(weights[i].size(1))});
    maps.emplace_back(names[i], weights[i]);
  }
  return {.verdict = apart && error < 1e-12 ? Verdict::holds : Verdict::fails,
          .number = "weights " + grid.rows[0].back() + ", " + grid.rows[1].back() + ", " + grid.rows[2].back() +
                    "; by hand: " + format_significant(error, 2) + " apart",
          .remark =
              "The same layer with the same arithmetic; only where its inputs come from differs. Another source "
              "leaves the decoder's self-attention as it was, to the bit, and changes the cross-attention.",
          .pictures = {{weight_maps("Nine words of a source, five of a target", 3, maps),
                        "One layer, one head, before training."}},
          .grids = {grid}};
}

extern const std::vector<Claim> query_key_value_claims;
const std::vector<Claim> query_key_value_claims = {
    {.id = "17+18",
     .title = "softmax(QKᵀ/√d)V, with its weights",
     .statement =
         "Attention over all queries at once is two matrix products and a row-wise softmax: the same as a loop "
         "over queries and keys. It returns the weights as well, in every layer of a stack.",
     .experiment = scaled_dot_products_three_ways,
     .expect = Verdict::holds},
    {.id = "22",
     .title = "Queries, keys and values are learned projections",
     .statement = "Q, K and V are three learned linear maps of the same tokens; Q = K = V = X is the special case in "
                  "which they are the identity.",
     .experiment = learned_projections},
    {.id = "23",
     .title = "Self-attention and cross-attention",
     .statement =
         "In the encoder queries, keys and values are of one sequence; between decoder and encoder the queries "
         "are the decoder's, keys and values the encoder's, and the lengths may differ.",
     .experiment = self_and_cross_attention,
     .expect = Verdict::holds},
};

}  // namespace fovea::claims
