// GPT and the Transformer: what a token may see, decoding with a cache, initial loss, gradients, refused
// configurations.
#include <doctest/doctest.h>

#include <cmath>

#include "autograd/gradcheck.h"
#include "autograd/reduce.h"
#include "autograd/tape.h"
#include "nn/gpt.h"
#include "nn/losses.h"
#include "nn/transformer.h"
#include "optim/adam.h"
#include "optim/clip.h"
#include "tensor/dispatch.h"
#include "tensor/indexing.h"
#include "tensor/parallel.h"
#include "tensor/reduce.h"
#include "tests/restored.h"

using namespace fovea;
using nn::Activation;

namespace {

Tensor some_words(int64_t batch, int64_t time, int64_t vocab, uint64_t seed = 5) {
  Rng rng(seed);
  return randint(0, vocab, {batch, time}, rng);
}

// Sequence b keeps its first lengths[b] positions.
nn::Mask padding(const std::vector<int64_t>& lengths, int64_t size) {
  return nn::Mask::keep_keys(unsqueeze(arange(size), 0) < from_vector(lengths, {int64_t(lengths.size()), 1}));
}

nn::GPT small_gpt(DType dtype = DType::f32) {
  Rng rng(1);
  nn::GPT model({.vocab = 13, .layers = 2, .heads = 2, .dim = 16, .context = 12}, rng);
  for (const auto& [path, p] : model.parameters()) {
    if (p->rank() == 2) p->value().mul_(10);  // large enough for attention to matter
  }
  model.to(dtype);
  return model;
}

nn::Transformer small_transformer(bool norm_first) {
  Rng rng(1);
  return nn::Transformer({.source_vocab = 9,
                          .target_vocab = 7,
                          .layers = 2,
                          .heads = 2,
                          .dim = 8,
                          .activation = Activation::gelu,
                          .norm_first = norm_first},
                         rng);
}

}  // namespace

TEST_CASE("GPT: a later token changes no earlier logit by a bit") {
  const nn::GPT model = small_gpt();
  const Tensor tokens = some_words(2, 12, 13);
  const Tensor logits = model(tokens).value();
  for (int64_t t = 0; t + 1 < 12; ++t) {
    Tensor changed = tokens.clone();
    narrow(changed, 1, t + 1, 1).copy_(narrow(tokens, 1, t + 1, 1) * -1.0 + 12.0);
    if (identical(changed, tokens)) continue;
    const Tensor other = model(changed).value();
    CHECK(identical(narrow(logits, 1, 0, t + 1), narrow(other, 1, 0, t + 1)));
    CHECK(!identical(narrow(logits, 1, t + 1, 1), narrow(other, 1, t + 1, 1)));
  }
}

TEST_CASE("GPT: decoding with a cache equals the full forward") {
  const nn::GPT model = small_gpt();
  const Tensor tokens = some_words(2, 12, 13);
  const Tensor logits = model(tokens).value();  // [B, T, V]
  for (const int64_t prompt : {1, 5, 12}) {
    nn::GPT::Cache cache;
    Tensor last = model.next(narrow(tokens, 1, 0, prompt), cache).value();  // [B, V]
    double worst = max_abs_difference(last, select(logits, 1, prompt - 1));
    for (int64_t t = prompt; t < 12; ++t) {
      last = model.next(narrow(tokens, 1, t, 1), cache).value();
      worst = std::max(worst, max_abs_difference(last, select(logits, 1, t)));
    }
    CHECK(worst < 1e-5);
    CHECK(cache.length() == 12);
    CHECK_THROWS_WITH_AS(
        model.next(narrow(tokens, 1, 0, 1), cache),
        "LearnedPositions: positions 12 to 12 of a sequence, the context is 12; shorten the sequence or "
        "make the model with a longer context (in model.position_embedding)",
        ShapeError);
    cache.clear();
    CHECK(max_abs_difference(model.next(narrow(tokens, 1, 0, 3), cache).value(), select(logits, 1, 2)) < 1e-5);
  }
}

TEST_CASE("GPT: the first loss is about ln V, and weights start as GPT-2's") {
  Rng rng(3);
  nn::GPT model({.vocab = 65, .layers = 4, .heads = 4, .dim = 128, .context = 64}, rng);
  const double loss = nn::cross_entropy(model(some_words(4, 64, 65)), some_words(4, 64, 65, 6)).item();
  CHECK(std::abs(loss - std::log(65)) < 0.1);
  CHECK(stddev(model.blocks[0].attention.query.weight.value()).item() == doctest::Approx(0.02).epsilon(0.05));
  CHECK(stddev(model.blocks[3].feed_forward.contract.weight.value()).item() ==
        doctest::Approx(0.02 / std::sqrt(8)).epsilon(0.05));
}

TEST_CASE("GPT and the Transformer: every gradient against differences, along random directions") {
  GradcheckOptions options;
  options.full_inputs = 0;
  options.full_outputs = 0;
  SUBCASE("GPT") {
    nn::GPT model = small_gpt(DType::f64);
    const Tensor tokens = some_words(2, 5, 13);
    const GradcheckReport report = gradcheck(
        model.parameters(), [&] { return model(tokens); }, options);
    CHECK_MESSAGE(report.ok, report);
  }
  SUBCASE("Transformer") {
    nn::Transformer model = small_transformer(false);
    model.to(DType::f64);
    const nn::Mask keep = padding({4, 2}, 4);
    const Tensor source = some_words(2, 4, 9), target = some_words(2, 3, 7);
    const GradcheckReport report = gradcheck(
        model.parameters(), [&] { return model(source, target, keep); }, options);
    CHECK_MESSAGE(report.ok, report);
  }
}

TEST_CASE("the Transformer: greedy decoding with caches says what the full forward says") {
  for (const bool norm_first : {false, true}) {
    const nn::Transformer model = small_transformer(norm_first);
    const Tensor source = some_words(3, 6, 9);
    const nn::Mask keep = padding({6, 4, 5}, 6);
    const int64_t start = 0, never = 100;
    const Tensor written = model.greedy_decode(source, start, never, 8, keep);  // [B, 8]
    REQUIRE(written.shape() == Shape{3, 8});

    const Tensor read = cat(std::vector{full({3, 1}, double(start), DType::i64), narrow(written, 1, 0, 7)}, 1);
    const Variable logits = model(source, read, keep);  // [B, 8, V], teacher forcing with what was written
    CHECK(identical(argmax(logits.value()), written));

    std::vector<nn::DecoderCache> caches;
    const Variable memory = model.encode(source, keep);
    for (int64_t t = 0; t < 8; ++t) {
      const Tensor step = model.decode(narrow(read, 1, t, 1), memory, keep, {}, &caches).value();
      CHECK(max_abs_difference(step, narrow(logits.value(), 1, t, 1)) < 1e-5);
    }

    // A word that was written counts as the end: that sequence is filled up with it from there on.
    const double end = written.at({0, 2});
    const Tensor ended = model.greedy_decode(source, start, int64_t(end), 8, keep);
    bool over = false;
    for (int64_t t = 0; t < ended.size(1); ++t) {
      CHECK(ended.at({0, t}) == (over ? end : written.at({0, t})));
      over = over || written.at({0, t}) == end;
    }
  }
}

TEST_CASE("the Transformer: padding of the source and later words of the target are not seen") {
  const nn::Transformer model = small_transformer(true);
  const nn::Mask keep = padding({4, 4}, 6);
  const Tensor source = some_words(2, 6, 9), target = some_words(2, 5, 7);
  const Tensor logits = model(source, target, keep).value();
  Tensor other_source = source.clone(), other_target = target.clone();
  narrow(other_source, 1, 4, 2).fill_(8);
  CHECK(identical(model(other_source, target, keep).value(), logits));
  CHECK(!identical(model(other_source, target).value(), model(source, target).value()));
  narrow(other_target, 1, 4, 1).copy_(narrow(target, 1, 4, 1) * -1.0 + 6.0);
  CHECK(identical(narrow(model(source, other_target, keep).value(), 1, 0, 4), narrow(logits, 1, 0, 4)));
}

TEST_CASE("the Transformer learns to reverse a sequence") {
  Rng rng(1);
  nn::Transformer model({.source_vocab = 8, .target_vocab = 9, .layers = 1, .heads = 2, .dim = 32}, rng);
  optim::AdamW optimizer(model.parameters());
  const auto batch = [&](int64_t size) {
    const Tensor source = randint(0, 8, {size, 4}, rng);
    return std::pair{source, flip(source, {1})};
  };
  for (int step = 0; step < 200; ++step) {
    const auto [source, reversed] = batch(32);
    const Tensor read = cat(std::vector{full({32, 1}, 8, DType::i64), narrow(reversed, 1, 0, 3)}, 1);  // 8: the start
    model.zero_grad();
    Tape tape;
    tape.backward(nn::cross_entropy(model(source, read), reversed));
    optimizer.step(5e-3);
  }
  const auto [source, reversed] = batch(50);
  const Tensor right = equal(model.greedy_decode(source, 8, 100, 4), reversed).to(DType::f32);
  CHECK(mean(right).item() > 0.95);
}

TEST_CASE("training gives the same bits with any number of threads, and at every level that fuses multiply and add") {
  const auto train = [] {
    Rng rng(1);
    nn::GPT model({.vocab = 50, .layers = 2, .heads = 4, .dim = 64, .context = 32, .dropout = 0.1}, rng);
    optim::AdamW optimizer(optim::decay_groups(model.parameters(), 0.1));
    for (int step = 0; step < 3; ++step) {
      model.zero_grad();
      Tape tape;
      tape.backward(nn::cross_entropy(model(some_words(8, 32, 50)), some_words(8, 32, 50, 6)));
      optim::clip_grad_norm(model.parameters(), 1);
      optimizer.step(1e-2);
    }
    return model;
  };
  const tests::Restored restored;
  set_threads(1);
  nn::GPT reference = train();
  const auto expected = reference.state();
  for (const Isa isa : available_isas()) {
    set_isa(isa);
    if (isa != restored.isa && !kernels().fused) continue;
    for (const int count : {1, 2, 5}) {
      CAPTURE(isa_name(isa));
      CAPTURE(count);
      set_threads(count);
      nn::GPT model = train();
      int64_t different = 0;
      for (const auto& [name, tensor] : model.state()) different += !identical(tensor, expected.at(name));
      CHECK(different == 0);
    }
  }
}

TEST_CASE("a thousand steps need no more memory than ten") {
  nn::GPT model = small_gpt();
  optim::AdamW optimizer(model.parameters());
  const Tensor tokens = some_words(2, 12, 13);
  const auto train = [&](int steps) {
    for (int step = 0; step < steps; ++step) {
      model.zero_grad();
      Tape tape;
      tape.backward(nn::cross_entropy(model(tokens), tokens));
      optimizer.step(1e-3);
    }
    return memory_stats();
  };
  const MemoryStats early = train(10), late = train(1000);
  CHECK(late.live_bytes == early.live_bytes);
  CHECK(late.peak_bytes == early.peak_bytes);
  CHECK(late.system_calls == early.system_calls);
}

TEST_CASE("configurations that cannot be are refused with the numbers that clash") {
  Rng rng(1);
  CHECK_THROWS_WITH_AS(nn::GPT({.vocab = 65, .heads = 5, .dim = 128}, rng), "GPT: dim 128 is not a multiple of heads 5",
                       ValueError);
  CHECK_THROWS_WITH_AS(nn::GPT({}, rng), "GPT: vocab must be the number of different tokens, got 0", ValueError);
  CHECK_THROWS_WITH_AS(nn::GPT({.vocab = 5, .layers = 0}, rng),
                       "GPT: layers and context must be at least 1, got 0 and 64", ValueError);
  CHECK_THROWS_WITH_AS(nn::Transformer({.source_vocab = 5, .target_vocab = 5, .heads = 1, .dim = 7}, rng),
                       "PositionEmbedding: dim must be even, for the sinusoidal positions, got 7", ValueError);
  const nn::GPT model = small_gpt();
  CHECK_THROWS_WITH_AS(model(ones({2, 3})), "GPT: tokens must be i64 [batch, time], got f32 [2, 3] (in model)",
                       ShapeError);
}
