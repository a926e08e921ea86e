// Positions in whole models: what every scheme owes. Gradients, causality, the same numbers with a cache, and what it
// sees of where a sequence begins.
#include "nn/positions.h"

#include <doctest/doctest.h>

#include "autograd/gradcheck.h"
#include "autograd/reduce.h"
#include "autograd/tape.h"
#include "nn/gpt.h"
#include "nn/transformer.h"
#include "tensor/indexing.h"
#include "tensor/reduce.h"

using namespace fovea;
using nn::Mask;
using nn::Positions;

namespace {

Tensor random_f64(const Shape& shape, uint64_t seed) {
  Rng rng(seed);
  return randn(shape, rng, DType::f64);
}

Tensor some_words(int64_t batch, int64_t time, int64_t vocab, uint64_t seed = 5) {
  Rng rng(seed);
  return randint(0, vocab, {batch, time}, rng);
}

// In f64, and with every parameter large enough to be seen.
template <class M> M enlarged(M module) {
  module.to(DType::f64);
  Rng rng(7);
  for (const auto& [path, p] : module.parameters()) p->value() = p->value() + randn(p->shape(), rng, DType::f64) * 0.3;
  return module;
}

nn::MultiHeadAttention attention_of(Positions positions, bool causal = false) {
  Rng rng(1);
  return enlarged(nn::MultiHeadAttention(
      {.dim = 12, .heads = 3, .positions = positions, .causal = causal, .max_distance = 20}, rng));
}

nn::GPT gpt_of(Positions positions, bool all_variants = false) {
  Rng rng(1);
  nn::GPTConfig c{.vocab = 13, .layers = 2, .heads = 4, .dim = 16, .context = 12, .positions = positions};
  if (all_variants) {
    c.key_value_heads = 2;
    c.qk_norm = true;
    c.window = 5;
  }
  return enlarged(nn::GPT(c, rng));
}

nn::Transformer transformer_of(Positions positions) {
  Rng rng(1);
  return enlarged(nn::Transformer({.source_vocab = 9,
                                   .target_vocab = 7,
                                   .layers = 2,
                                   .heads = 2,
                                   .dim = 8,
                                   .activation = nn::Activation::gelu,
                                   .positions = positions,
                                   .context = 12},
                                  rng));
}

}  // namespace

TEST_CASE("relative schemes do not see where a sequence begins, absolute ones do") {
  const Tensor x = random_f64({2, 6, 12}, 1), before = random_f64({2, 9, 12}, 2);
  const Mask later = Mask::keep(arange(15) >= 9.0);
  for (const Positions scheme : nn::all_positions) {
    CAPTURE(std::string(nn::name(scheme)));
    Rng rng(1);
    const nn::Encoder encoder =
        enlarged(nn::Encoder({.dim = 12, .heads = 3, .norm_first = true, .positions = scheme, .context = 15}, 2, rng));
    const Tensor alone = encoder(x).value();
    const Tensor behind = narrow(encoder(cat({before, x}, 1), later).value(), 1, 9, 6);
    const double moved = max_abs_difference(alone, behind);
    CHECK((scheme == Positions::none || nn::is_relative(scheme) ? moved < 1e-12 : moved > 1e-3));
    // And all but "none" tell an order from another.
    const Tensor order = from_vector<int64_t>({3, 0, 5, 1, 4, 2});
    const double told = max_abs_difference(encoder(index_select(x, 1, order)).value(), index_select(alone, 1, order));
    CHECK((scheme == Positions::none ? told < 1e-12 : told > 1e-3));
  }
}

TEST_CASE("every scheme: gradients against differences, along random directions") {
  const GradcheckOptions options{.step = 3e-4, .full_outputs = 0, .full_inputs = 0};
  for (const Positions scheme : nn::all_positions) {
    CAPTURE(std::string(nn::name(scheme)));
    if (scheme == Positions::none || nn::is_relative(scheme)) {
      nn::MultiHeadAttention attention = attention_of(scheme);
      Parameter x(random_f64({2, 5, 12}, 1));
      std::vector<NamedParameter> parameters = attention.parameters();
      parameters.push_back({"x", &x});
      const GradcheckReport report = gradcheck(
          parameters, [&] { return attention(x, Mask::window(3)); }, options);
      CHECK_MESSAGE(report.ok, report);
    }
    nn::GPT model = gpt_of(scheme, true);
    const Tensor tokens = some_words(2, 7, 13);
    const GradcheckReport report = gradcheck(
        model.parameters(), [&] { return model(tokens); }, options);
    CHECK_MESSAGE(report.ok, report);
  }
}

TEST_CASE("every scheme: every parameter of every model has a live gradient") {
  const auto check_live = [](nn::Module& module, const Variable& y, Tape& tape) {
    tape.backward(sum(y * random_f64(y.shape(), 99)));
    for (const NamedParameter& named : module.parameters()) {
      CAPTURE(named.name);
      REQUIRE(named.parameter->has_grad());
      const Tensor grad = named.parameter->grad();
      CHECK(all(is_finite(grad)).item() == 1);
      // What shifts all scores of a row alike, softmax does not see.
      if (!named.name.ends_with("key.bias")) CHECK(max(abs(grad)).item() > 1e-7);
    }
  };
  for (const Positions scheme : nn::all_positions) {
    CAPTURE(std::string(nn::name(scheme)));
    for (const bool variants : {false, true}) {
      nn::GPT model = gpt_of(scheme, variants);
      Tape tape;
      check_live(model, model(some_words(2, 9, 13)), tape);
    }
    nn::Transformer model = transformer_of(scheme);
    Tape tape;
    check_live(model, model(some_words(2, 5, 9), some_words(2, 6, 7)), tape);
  }
}

TEST_CASE("every scheme: a later token changes no earlier logit by a bit") {
  for (const Positions scheme : nn::all_positions) {
    CAPTURE(std::string(nn::name(scheme)));
    nn::GPT model = gpt_of(scheme);
    model.to(DType::f32);
    const Tensor tokens = some_words(2, 9, 13);
    const Tensor logits = model(tokens).value();
    for (int64_t t = 0; t + 1 < 9; ++t) {
      Tensor changed = tokens.clone();
      narrow(changed, 1, t + 1, 1).copy_(narrow(tokens, 1, t + 1, 1) * -1.0 + 12.0);
      if (identical(changed, tokens)) continue;
      const Tensor other = model(changed).value();
      CHECK(identical(narrow(logits, 1, 0, t + 1), narrow(other, 1, 0, t + 1)));
      CHECK(!identical(narrow(logits, 1, t + 1, 1), narrow(other, 1, t + 1, 1)));
    }
  }
}

TEST_CASE("every scheme: decoding with a cache equals the full forward") {
  for (const Positions scheme : nn::all_positions) {
    CAPTURE(std::string(nn::name(scheme)));
    for (const bool variants : {false, true}) {
      const nn::GPT model = gpt_of(scheme, variants);
      const Tensor tokens = some_words(2, 12, 13);
      const Tensor logits = model(tokens).value();  // [B, T, V]
      nn::GPT::Cache cache;
      for (int64_t at = 0; at < 12;) {
        const int64_t length = std::min<int64_t>(at % 3 + 1, 12 - at);  // one, two or three tokens at a time
        const Tensor last = model.next(narrow(tokens, 1, at, length), cache).value();
        at += length;
        CHECK(max_abs_difference(last, select(logits, 1, at - 1)) < 1e-12);
      }
    }
    const nn::Transformer model = transformer_of(scheme);
    const Tensor source = some_words(2, 5, 9), target = some_words(2, 8, 7);
    const Variable memory = model.encode(source);
    const Tensor logits = model.decode(target, memory).value();
    std::vector<nn::DecoderCache> caches;
    for (int64_t t = 0; t < 8; ++t) {
      const Tensor step = model.decode(narrow(target, 1, t, 1), memory, {}, {}, &caches).value();
      CHECK(max_abs_difference(step, narrow(logits, 1, t, 1)) < 1e-12);
    }
  }
}

TEST_CASE("any length goes, but with learned positions none beyond the context") {
  const Tensor tokens = some_words(1, 40, 13);
  for (const Positions scheme : nn::all_positions) {
    CAPTURE(std::string(nn::name(scheme)));
    const nn::GPT model = gpt_of(scheme);
    CHECK(model.context() == 12);
    if (scheme != Positions::learned)
      CHECK(all(is_finite(model(tokens).value())).item() == 1);
    else
      CHECK_THROWS_WITH_AS(model(tokens), doctest::Contains("positions 0 to 39 of a sequence, the context is 12"),
                           ShapeError);
  }
}

TEST_CASE("a stack has one table of T5's for all its layers; ALiBi and RoPE have no parameters") {
  const auto count = [](Positions scheme, const std::string& ending) {
    nn::GPT model = gpt_of(scheme);
    int64_t found = 0;
    for (const auto& [path, p] : model.parameters()) found += path.ends_with(ending);
    return found;
  };
  CHECK(count(Positions::t5, "positions.weight") == 1);
  CHECK(count(Positions::transformer_xl, "attention.positions.relative_key.weight") == 2);
  CHECK(count(Positions::deberta, "attention.positions.distances") == 2);
  const int64_t plain = gpt_of(Positions::none).parameter_count();
  for (const Positions scheme : {Positions::sinusoidal, Positions::alibi, Positions::rope})
    CHECK(gpt_of(scheme).parameter_count() == plain);
  CHECK(gpt_of(Positions::t5).parameter_count() == plain + 32 * 4);
  CHECK(gpt_of(Positions::learned).parameter_count() == plain + 12 * 16);

  nn::MultiHeadAttention attention = attention_of(Positions::t5), copy = attention;  // a copy has a table of its own
  const Tensor x = random_f64({1, 4, 12}, 1);
  const Tensor before = attention(x).value();
  std::get<nn::T5Positions>(copy.positions.scheme).weight.value().mul_(5);
  CHECK(identical(attention(x).value(), before));
  CHECK(!identical(copy(x).value(), before));
}

TEST_CASE("positions that cannot be are refused") {
  Rng rng(1);
  const auto attention = [&](Positions scheme, int64_t dim, int64_t heads, int64_t max_distance = 128) {
    return nn::MultiHeadAttention({.dim = dim, .heads = heads, .positions = scheme, .max_distance = max_distance}, rng);
  };
  CHECK_THROWS_WITH_AS(
      attention(Positions::rope, 6, 2),
      "RelativePositions: rope turns channels in pairs, so a head needs an even number of them: dim 6 / "
      "heads 2 is 3",
      ValueError);
  CHECK_THROWS_WITH_AS(attention(Positions::learned, 6, 2),
                       "MultiHeadAttention: learned positions are added to the embeddings (PositionEmbedding), scores "
                       "know none of them",
                       ValueError);
  CHECK_THROWS_WITH_AS(attention(Positions::transformer_xl, 7, 1),
                       "TransformerXLPositions: dim must be even, for the sinusoids of the distances, got 7",
                       ValueError);
  CHECK_THROWS_WITH_AS(attention(Positions::t5, 6, 2, 16),
                       "T5Positions: the first 16 distances have a bucket each, so max_distance must be larger, got 16",
                       ValueError);
  CHECK_THROWS_WITH_AS(attention(Positions::deberta, 6, 2, 0),
                       "RelativePositions: max_distance must be at least 1, got 0", ValueError);
  CHECK_THROWS_WITH_AS(
      nn::Encoder({.dim = 6, .positions = Positions::learned}, 1, rng),
      "PositionEmbedding: learned positions need a context, the most positions that there can be, got 0", ValueError);
  const Variable x = random_f64({1, 4, 12}, 1);
  CHECK_THROWS_WITH_AS(attention_of(Positions::rope)(x, x, x),
                       doctest::Contains("MultiHeadAttention: there is no distance between the queries and keys of "
                                         "cross-attention, so no rope positions; for self-attention pass x alone"),
                       ValueError);
}
