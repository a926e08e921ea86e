// Sequence to sequence: decoders against their formulas, step by step against all at once, memories as sets, greedy and
// beam search against every sequence there is, gradients, learning, what is refused.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "autograd/gradcheck.h"
#include "autograd/indexing.h"
#include "autograd/rows.h"
#include "autograd/tape.h"
#include "nn/losses.h"
#include "nn/seq2seq.h"
#include "nn/transformer.h"
#include "optim/adam.h"
#include "tensor/indexing.h"
#include "tensor/reduce.h"
#include "tests/naive.h"

using namespace fovea;
using nn::beam_search;
using nn::Context;
using nn::greedy_search;
using nn::Looking;
using nn::Recurrence;
using nn::ScoreKind;
using tests::noise;

namespace {

Tensor some_words(int64_t batch, int64_t time, int64_t vocab, uint64_t seed = 5) {
  Rng rng(seed);
  return randint(0, vocab, {batch, time}, rng);
}

// Models of every kind, in f64, with weights large enough to matter.
nn::Seq2SeqConfig small(Context context, Recurrence kind = Recurrence::gru) {
  return {.source_vocab = 9, .target_vocab = 7, .embedding = 4, .hidden = 5, .kind = kind, .context = context};
}
nn::Seq2Seq make(const nn::Seq2SeqConfig& config) {
  Rng rng(1);
  nn::Seq2Seq model(config, rng);
  model.to(DType::f64);
  for (const auto& [path, p] : model.parameters()) p->value().mul_(2);
  return model;
}
std::vector<nn::Seq2SeqConfig> every_kind() {
  std::vector<nn::Seq2SeqConfig> all;
  for (const Context context : {Context::initial, Context::every_step, Context::attention}) {
    for (const Recurrence kind : {Recurrence::tanh, Recurrence::gru, Recurrence::lstm})
      all.push_back(small(context, kind));
  }
  nn::Seq2SeqConfig luong = small(Context::attention);
  luong.looking = Looking::after;
  luong.score = {.kind = ScoreKind::general};
  all.push_back(luong);
  nn::Seq2SeqConfig dot = luong;
  dot.bidirectional = false;  // so that the memory is as wide as the state
  dot.layers = 2;
  dot.score = {.kind = ScoreKind::dot};
  all.push_back(dot);
  return all;
}

nn::AttentionDecoder some_decoder(Looking looking, Recurrence kind = Recurrence::gru) {
  Rng rng(1);
  nn::AttentionDecoder decoder(
      {.kind = kind, .vocab = 6, .embedding = 3, .hidden = 5, .summary = 2, .memory = 4, .looking = looking}, rng);
  decoder.to(DType::f64);
  return decoder;
}

nn::Encoded some_memory(int64_t batch, int64_t vectors) {
  return {noise({batch, 2}, DType::f64, 3), noise({batch, vectors, 4}, DType::f64, 4), {}};
}

Tensor affine(const Tensor& x, const nn::Linear& layer) {
  return matmul(x, layer.weight.value()) + (layer.bias.defined() ? layer.bias.value() : scalar(0, x.dtype()));
}

// A model of which every number is known: the logits of the next word depend on the last word only.
nn::WritingStep table_step(const Tensor& logits) {
  return [logits](const Tensor& words, const Tensor&) { return take_rows(logits, words); };
}

// The best of all sequences of at most `max_length` words, by teacher forcing each.
nn::Hypothesis best_of_all(const nn::Seq2Seq& model, const Tensor& source, const nn::WritingConfig& c, double alpha) {
  const nn::DecoderState start = model.start(model.encode(source));
  const int64_t vocab = 4;
  nn::Hypothesis best;
  best.score = -tests::kInf;
  std::vector<std::vector<int64_t>> prefixes{{}};
  for (int64_t length = 1; length <= c.max_length; ++length) {
    std::vector<std::vector<int64_t>> longer;
    for (const auto& prefix : prefixes) {
      for (int64_t word = 0; word < vocab; ++word) {
        std::vector<int64_t> all = prefix, read{c.start};
        all.push_back(word);
        read.insert(read.end(), prefix.begin(), prefix.end());
        if (word != c.end) longer.push_back(all);
        if (word != c.end && length < c.max_length) continue;
        const Tensor log_probabilities =
            log_softmax(model.decode(from_vector(read, {1, length}), start).logits.value());  // [1, n, V]
        double sum = 0;
        for (int64_t t = 0; t < length; ++t) sum += log_probabilities.at({0, t, all[size_t(t)]});
        const double score = sum / std::pow((5.0 + double(length)) / 6, alpha);
        if (score > best.score) best = {all, word == c.end, sum, score};
      }
    }
    prefixes = longer;
  }
  if (best.ended) best.words.pop_back();
  return best;
}

}  // namespace

TEST_CASE("a fixed context at every step is a wider input and a wider output") {
  Rng rng(1);
  nn::ContextDecoder decoder({.vocab = 6, .embedding = 3, .hidden = 5, .summary = 2, .every_step = true}, rng);
  decoder.to(DType::f64);
  const Tensor c = noise({2, 2}, DType::f64, 3), words = some_words(2, 4, 6);
  const Tensor logits = decoder(words, decoder.start({c, {}, {}})).logits.value();

  nn::RecurrentCell wide(Recurrence::gru, 5, 5, rng);  // reads [e; c]
  wide.to(DType::f64);
  wide.input_weight.value() = cat({decoder.cell.input_weight.value(), decoder.summary_input->weight.value()}, 0);
  wide.hidden_weight.value() = decoder.cell.hidden_weight.value();
  const Tensor output = cat({decoder.output.weight.value(), decoder.summary_output->weight.value()}, 0);  // of [h; c]
  nn::RecurrentState state{tanh(affine(c, decoder.start_state)), {}};
  for (int64_t t = 0; t < 4; ++t) {
    const Tensor e = decoder.embedding(select(words, 1, t)).value();
    state = wide(cat({e, c}, 1), state);
    const Tensor wanted = matmul(cat({state.hidden.value(), c}, 1), output) + decoder.output.bias.value();
    CHECK(max_abs_difference(select(logits, 1, t), wanted) < 1e-14);
  }
}

TEST_CASE("a step of attention decoding follows its formulas") {
  for (const Looking looking : {Looking::before, Looking::after}) {
    const nn::AttentionDecoder decoder = some_decoder(looking);
    const nn::Encoded given = some_memory(2, 3);
    const Tensor words = from_vector<int64_t>({4, 1}), memory = given.memory.value();
    nn::DecoderState state = decoder.start(given);
    const nn::Decoded got = decoder.step(words, state);

    const auto& score = std::get<nn::AdditiveScore>(decoder.score.score);
    const auto look = [&](const Tensor& h) {  // Σ_s softmax_s(vᵀ tanh(W_q h + W_k m_s + b)) m_s
      std::vector<Tensor> scores, context;
      for (int64_t s = 0; s < 3; ++s) {
        const Tensor hidden = matmul(h, score.query_weight.value()) +
                              matmul(select(memory, 1, s), score.key_weight.value()) + score.bias.value();
        scores.push_back(matmul(tanh(hidden), score.v.value()));  // [B, 1]
      }
      const Tensor weights = softmax(cat(scores, 1));  // [B, S]
      Tensor sum = zeros({2, 4}, DType::f64);
      for (int64_t s = 0; s < 3; ++s) sum += narrow(weights, 1, s, 1) * select(memory, 1, s);
      return std::pair{sum, weights};
    };
    Tensor h = tanh(affine(given.summary.value(), decoder.start_state));
    auto seen = look(h);
    Tensor gates = decoder.cell.project(decoder.embedding(words)).value();
    if (looking == Looking::before) gates = gates + affine(seen.first, *decoder.context_input);
    h = decoder.cell.step(gates, {h, {}}).hidden.value();
    if (looking == Looking::after) seen = look(h);
    CHECK(max_abs_difference(got.weights.value(), seen.second) < 1e-14);
    const Tensor wanted = affine(tanh(affine(cat({seen.first, h}, 1), decoder.combine)), decoder.output);
    CHECK(max_abs_difference(got.logits.value(), wanted) < 1e-14);
    CHECK(max_abs_difference(state.recurrent.hidden.value(), h) < 1e-14);
  }
}

TEST_CASE("teacher forcing gives what the steps give one by one, and each sequence what it gives alone") {
  const std::vector<int64_t> lengths{4, 6, 1};
  const Tensor source = some_words(3, 6, 9), target = some_words(3, 5, 7);
  for (const nn::Seq2SeqConfig& config : every_kind()) {
    CAPTURE(int(config.context));
    CAPTURE(int(config.kind));
    const nn::Seq2Seq model = make(config);
    const nn::Decoded all = model(source, target, from_vector(lengths));
    REQUIRE(all.logits.shape() == Shape{3, 5, 7});
    REQUIRE(all.weights.defined() == (config.context == Context::attention));
    if (all.weights.defined()) {
      REQUIRE(all.weights.shape() == Shape{3, 5, 6});
      CHECK(max(abs(narrow(select(all.weights.value(), 0, 0), 1, 4, 2))).item() == 0);  // padding is not looked at
      CHECK(max_abs_difference(sum(all.weights.value(), {2}), ones({3, 5}, DType::f64)) < 1e-14);
    }

    nn::DecoderState state = model.start(model.encode(source, from_vector(lengths)));
    for (int64_t t = 0; t < 5; ++t) {
      const nn::Decoded step = model.step(select(target, 1, t), state);
      CHECK(max_abs_difference(step.logits.value(), select(all.logits.value(), 1, t)) < 1e-14);
      if (step.weights.defined())
        CHECK(max_abs_difference(step.weights.value(), select(all.weights.value(), 1, t)) < 1e-14);
    }
    for (int64_t b = 0; b < 3; ++b) {
      const nn::Decoded alone =
          model(narrow(narrow(source, 0, b, 1), 1, 0, lengths[size_t(b)]), narrow(target, 0, b, 1));
      CHECK(max_abs_difference(alone.logits.value(), narrow(all.logits.value(), 0, b, 1)) < 1e-14);
    }
  }
}

TEST_CASE("gradients of every kind of sequence to sequence, along random directions") {
  const Tensor source = some_words(2, 4, 9), target = some_words(2, 3, 7), lengths = from_vector<int64_t>({2, 4});
  for (const nn::Seq2SeqConfig& config : every_kind()) {
    CAPTURE(int(config.context));
    CAPTURE(int(config.kind));
    nn::Seq2Seq model = make(config);
    const GradcheckReport report = gradcheck(model.parameters(), [&] { return model(source, target, lengths).logits; },
                                             {.full_outputs = 0, .full_inputs = 0});
    CHECK_MESSAGE(report.ok, report);
  }
}

TEST_CASE("the memory is a set: its order changes nothing but the order of the weights") {
  const std::vector<int64_t> order{3, 0, 4, 1, 2};
  for (const Looking looking : {Looking::before, Looking::after}) {
    const nn::AttentionDecoder decoder = some_decoder(looking, Recurrence::lstm);
    const nn::Encoded given = some_memory(2, 5);
    nn::Encoded permuted = given;
    permuted.memory = index_select(given.memory.value(), 1, from_vector(order));
    const Tensor words = some_words(2, 4, 6);
    const nn::Decoded a = decoder(words, decoder.start(given)), b = decoder(words, decoder.start(permuted));
    CHECK(max_abs_difference(a.logits.value(), b.logits.value()) < 1e-14);
    CHECK(max_abs_difference(index_select(a.weights.value(), 2, from_vector(order)), b.weights.value()) < 1e-14);
    // A vector that the mask hides might as well not be there.
    nn::Encoded hidden = given;
    hidden.mask = nn::Mask::hide(reshape(equal(arange(5), 4.0), {1, 1, 5}));
    nn::Encoded fewer = given;
    fewer.memory = narrow(given.memory.value(), 1, 0, 4);
    const Tensor without = decoder(words, decoder.start(fewer)).logits.value();
    CHECK(max_abs_difference(decoder(words, decoder.start(hidden)).logits.value(), without) < 1e-14);
    hidden.mask = nn::Mask::keep_keys(unsqueeze(arange(5), 0) < full({2, 1}, 4, DType::i64));
    CHECK(max_abs_difference(decoder(words, decoder.start(hidden)).logits.value(), without) < 1e-14);
    hidden.mask = nn::Mask::causal();
    CHECK_THROWS_WITH_AS(decoder.start(hidden), "decoder: the memory is a set, which has no causal mask (in model)",
                         ValueError);
  }
}

TEST_CASE("greedy writing is a beam of width 1, and looks at what teacher forcing looks at") {
  const Tensor source = some_words(4, 6, 9), lengths = from_vector<int64_t>({6, 3, 1, 5});
  int64_t ended = 0;
  for (const nn::Seq2SeqConfig& config : every_kind()) {
    const nn::Seq2Seq model = make(config);
    for (const int64_t end : {2, 5}) {
      const nn::WritingConfig writing{.start = 0, .end = end, .max_length = 6};
      const nn::Written greedy = model.greedy(source, writing, lengths);
      const auto beams = model.beam(source, writing, {.width = 1}, lengths);
      for (int64_t b = 0; b < 4; ++b) {
        REQUIRE(beams[size_t(b)].size() == 1);
        const nn::Hypothesis& one = beams[size_t(b)][0];
        ended += one.ended;
        for (int64_t t = 0; t < greedy.words.size(1); ++t) {
          const bool over = t >= int64_t(one.words.size());
          CHECK(greedy.words.at({b, t}) == double(over ? end : one.words[size_t(t)]));
        }
        CHECK(int64_t(one.words.size()) + one.ended <= greedy.words.size(1));
      }
      if (!greedy.weights.defined()) continue;
      const int64_t n = greedy.words.size(1);
      const Tensor read = cat({zeros({4, 1}, DType::i64), narrow(greedy.words, 1, 0, n - 1)}, 1);
      CHECK(max_abs_difference(model(source, read, lengths).weights.value(), greedy.weights) < 1e-14);
    }
  }
  CHECK(ended > 5);  // both cases came up
  CHECK(ended < 80);
}

TEST_CASE("a beam finds what greedy writing misses") {
  // Word 0 ends. From the start (3) word 1 is a little likelier than 2, but after 1 nothing is likely.
  const Tensor p =
      tensor({{0.25, 0.25, 0.25, 0.25}, {0.3, 0.3, 0.3, 0.1}, {0.9, 0.05, 0.04, 0.01}, {0.01, 0.5, 0.48, 0.01}});
  const nn::WritingStep step = table_step(log(p.to(DType::f64)));
  const nn::WritingConfig writing{.start = 3, .end = 0, .max_length = 5};
  CHECK(greedy_search(step, 1, writing).to_vector<int64_t>() == std::vector<int64_t>{1, 0});
  const auto found = beam_search(step, 2, writing, {.width = 2});
  REQUIRE(found.size() == 2);
  CHECK(found[0][0].words == std::vector<int64_t>{2});
  CHECK(found[0][0].ended);
  CHECK(found[0][0].log_probability == doctest::Approx(std::log(0.48 * 0.9)).epsilon(1e-6));
  CHECK(found[1][0].words == found[0][0].words);
  // Cut off: nobody may end before the second word.
  const auto cut =
      beam_search(table_step(log(tensor({{0, 1}, {0, 1}}, DType::f64))), 1, {.start = 1, .end = 0, .max_length = 3});
  CHECK(cut[0][0].words == std::vector<int64_t>{1, 1, 1});
  CHECK(!cut[0][0].ended);
  CHECK(cut[0][0].log_probability == 0);
}

TEST_CASE("a wide beam finds the best of all sequences, whatever the length penalty") {
  nn::Seq2SeqConfig config = small(Context::attention);
  config.target_vocab = 4;
  const nn::Seq2Seq model = make(config);
  const nn::WritingConfig writing{.start = 3, .end = 0, .max_length = 4};
  for (const double alpha : {0.0, 0.6, 2.0}) {
    for (uint64_t seed = 1; seed <= 5; ++seed) {
      const Tensor source = some_words(1, 5, 9, seed);
      const nn::Hypothesis best = best_of_all(model, source, writing, alpha);
      const auto wide = model.beam(source, writing, {.width = 100, .length_penalty = alpha})[0];
      CHECK(wide[0].words == best.words);
      CHECK(wide[0].ended == best.ended);
      CHECK(wide[0].log_probability == doctest::Approx(best.log_probability).epsilon(1e-12));
      CHECK(wide[0].score == doctest::Approx(best.score).epsilon(1e-12));
      CHECK(wide.size() == 100);
      CHECK(std::is_sorted(wide.begin(), wide.end(), [](auto& a, auto& b) { return a.score > b.score; }));
      for (const int64_t width : {1, 2, 3}) {
        const auto narrow = model.beam(source, writing, {.width = width, .length_penalty = alpha})[0];
        CHECK(narrow.size() <= size_t(width));
        CHECK(narrow[0].score <= best.score + 1e-12);
      }
    }
  }
}

TEST_CASE("a beam writes each sequence of a batch as if alone") {
  for (const nn::Seq2SeqConfig& config : every_kind()) {
    const nn::Seq2Seq model = make(config);
    const Tensor source = some_words(3, 6, 9), lengths = from_vector<int64_t>({6, 2, 4});
    const nn::WritingConfig writing{.start = 0, .end = 1, .max_length = 6};
    const nn::BeamConfig beam{.width = 3, .length_penalty = 0.6};
    const auto together = model.beam(source, writing, beam, lengths);
    for (int64_t b = 0; b < 3; ++b) {
      const auto alone = model.beam(narrow(source, 0, b, 1), writing, beam, narrow(lengths, 0, b, 1))[0];
      REQUIRE(alone.size() == together[size_t(b)].size());
      for (size_t i = 0; i < alone.size(); ++i) {
        CHECK(alone[i].words == together[size_t(b)][i].words);
        CHECK(alone[i].score == doctest::Approx(together[size_t(b)][i].score).epsilon(1e-12));
      }
    }
  }
}

TEST_CASE("the searches take any model: the Transformer, which reads what is written anew at each step") {
  Rng rng(1);
  const nn::Transformer model({.source_vocab = 9, .target_vocab = 7, .layers = 1, .heads = 2, .dim = 8}, rng);
  const Tensor source = some_words(3, 5, 9);
  const Tensor memory = model.encode(source).value();
  const auto stepper = [&] {
    return [&, written = Tensor(), sources = arange(3)](const Tensor& words, const Tensor& rows) mutable {
      sources = index_select(sources, 0, rows);  // which source each hypothesis belongs to
      written = written.defined() ? cat({index_select(written, 0, rows), unsqueeze(words, 1)}, 1) : unsqueeze(words, 1);
      const Tensor logits = model.decode(written, index_select(memory, 0, sources)).value();
      return select(logits, 1, logits.size(1) - 1);
    };
  };
  const nn::WritingConfig writing{.start = 0, .end = 3, .max_length = 6};
  const Tensor greedy = greedy_search(stepper(), 3, writing);
  CHECK(identical(greedy, model.greedy_decode(source, 0, 3, 6)));
  const auto one = beam_search(stepper(), 3, writing, {.width = 1}), four = beam_search(stepper(), 3, writing);
  for (int64_t b = 0; b < 3; ++b) {
    CHECK(four[size_t(b)][0].log_probability >= one[size_t(b)][0].log_probability - 1e-6);
    for (size_t t = 0; t < one[size_t(b)][0].words.size(); ++t)
      CHECK(one[size_t(b)][0].words[t] == int64_t(greedy.at({b, int64_t(t)})));
  }
}

TEST_CASE("attention learns to reverse a sequence, and where to look, from the words alone") {
  Rng rng(1);
  nn::Seq2Seq model({.source_vocab = 8, .target_vocab = 9, .embedding = 16, .hidden = 32}, rng);
  optim::AdamW optimizer(model.parameters());
  const Tensor start = full({32, 1}, 8, DType::i64);
  for (int step = 0; step < 250; ++step) {
    const Tensor source = randint(0, 8, {32, 6}, rng), reversed = flip(source, {1});
    model.zero_grad();
    Tape tape;
    tape.backward(nn::cross_entropy(model(source, cat({start, narrow(reversed, 1, 0, 5)}, 1)).logits, reversed));
    optimizer.step(1e-2);
  }
  const Tensor source = randint(0, 8, {50, 6}, rng);
  const nn::Written written = model.greedy(source, {.start = 8, .end = 8, .max_length = 6});
  CHECK(mean(equal(written.words, flip(source, {1})).to(DType::f32)).item() > 0.95);
}

TEST_CASE("wrong inputs of sequence to sequence and of searches are refused with the numbers that clash") {
  const nn::Seq2Seq model = make(small(Context::attention));
  const Tensor source = some_words(2, 5, 9), target = some_words(2, 3, 7);
  CHECK_THROWS_WITH_AS(model(ones({2, 3}), target),
                       "Seq2Seq: the source must be i64 [batch, time], got f32 [2, 3] (in model)", ShapeError);
  CHECK_THROWS_WITH_AS(model(source, target, from_vector<int64_t>({3, 6})),
                       "Recurrent: length 6 of sequence 1 lies outside 0 … 5, the steps that x has (in model.encoder)",
                       ValueError);
  CHECK_THROWS_WITH_AS(model(source, some_words(3, 3, 7)),
                       "decoder: words must be i64 [2, time], got i64 [3, 3] (in model.attention_decoder)", ShapeError);
  nn::DecoderState state = model.start(model.encode(source));
  CHECK_THROWS_WITH_AS(model.step(target, state), "decoder: words must be i64 [2], got i64 [2, 3] (in model)",
                       ShapeError);
  const nn::AttentionDecoder decoder = some_decoder(Looking::before);
  CHECK_THROWS_WITH_AS(decoder.start({zeros({2, 2}), zeros({2, 3, 5}), {}}),
                       "decoder: the memory must be [2, vectors, 4], got [2, 3, 5] (in model)", ShapeError);
  CHECK_THROWS_WITH_AS(decoder.start({zeros({2, 3}), zeros({2, 3, 4}), {}}),
                       "decoder: the summary must be [batch, 2], got [2, 3] (in model)", ShapeError);
  Rng rng(1);
  CHECK_THROWS_WITH_AS(nn::Seq2Seq({.target_vocab = 3}, rng),
                       "Seq2Seq: source_vocab and target_vocab must be the numbers of different words, got 0 and 3",
                       ValueError);
  const nn::WritingStep step = table_step(zeros({4, 4}));
  CHECK_THROWS_WITH_AS(beam_search(step, 1, {}, {.width = 0}),
                       "beam_search: the width must be at least 1 and the length penalty at least 0, got 0 and 0",
                       ValueError);
  CHECK_THROWS_WITH_AS(greedy_search(step, 1, {.end = 4}),
                       "greedy_search: the end word 4 lies outside the vocabulary of 4", ValueError);
  CHECK_THROWS_WITH_AS(beam_search(step, 1, {.max_length = 0}), "beam_search: max_length must be at least 1, got 0",
                       ValueError);
  CHECK_THROWS_WITH_AS(greedy_search(
                           [](const Tensor&, const Tensor&) {
                             return zeros({3, 4});
                           },
                           2, {}),
                       "greedy_search: the step must give logits [2, words in the vocabulary], got [3, 4]", ShapeError);
}
