// Claims about teaching a decoder with the right words before each place: what can be computed at once, and what a
// model that was never shown its own mistakes does with them.
#include <algorithm>
#include <cmath>

#include "autograd/matmul.h"
#include "examples/claims/sequence_models.h"
#include "examples/claims/stopwatch.h"
#include "nn/attention.h"
#include "tensor/elementwise.h"
#include "tensor/indexing.h"
#include "tensor/reduce.h"
#include "tensor/views.h"

namespace fovea::claims {
namespace {

constexpr int64_t kPlaces = 10;
constexpr int64_t kBatch = 2;  // where the ways of computing are compared
constexpr int64_t kVocab = Token::first + kPlaces;

nn::Transformer make_transformer(int64_t layers, nn::Positions positions, Rng rng) {
  return nn::Transformer({.source_vocab = kVocab,
                          .target_vocab = kVocab,
                          .layers = layers,
                          .heads = 4,
                          .dim = 64,
                          .activation = nn::Activation::gelu,
                          .norm_first = true,
                          .positions = positions,
                          .context = 32},
                         rng);
}

// --- all at once -------------------------------------------------------------------------------------------------

// The logits [B, T, V] of a target whose words are known, one place after the other.
Tensor step_by_step(const nn::Transformer& model, const Tensor& source, const Tensor& target) {
  const Variable memory = model.encode(source);
  std::vector<nn::DecoderCache> caches(model.decoder.layers.size());
  std::vector<Tensor> logits;  // [B, 1, V]
  for (int64_t t = 0; t < target.size(1); ++t)
    logits.push_back(model.decode(narrow(target, 1, t, 1), memory, {}, {}, &caches).value());
  return cat(logits, 1);
}
Tensor step_by_step(const nn::Seq2Seq& model, const Tensor& source, const Tensor& target) {
  nn::DecoderState state = model.start(model.encode(source));
  std::vector<Tensor> logits;  // [B, V]
  for (int64_t t = 0; t < target.size(1); ++t) logits.push_back(model.step(select(target, 1, t), state).logits.value());
  return stack(logits, 1);
}
Tensor at_once(const nn::Transformer& model, const Tensor& source, const Tensor& target) {
  return model(source, target).value();
}
Tensor at_once(const nn::Seq2Seq& model, const Tensor& source, const Tensor& target) {
  return model(source, target).logits.value();
}

// How far the logits of the two ways differ, at most, and how many times as long the steps take.
struct Compared {
  double difference = 0, speed_up = 0;
};
template <class Model> Compared compare(const Model& model, int64_t length, int repeats, Rng rng) {
  const Tensor source = randint(Token::first, kVocab, {kBatch, length}, rng),
               target = randint(0, kVocab, {kBatch, length}, rng);
  const double difference = max_abs_difference(at_once(model, source, target), step_by_step(model, source, target));
  double whole = 1e9, steps = 1e9;  // the best of each: other programs may be running
  for (int i = 0; i < repeats; ++i) {
    whole = std::min(whole, seconds_of([&] { at_once(model, source, target); }));
    steps = std::min(steps, seconds_of([&] { step_by_step(model, source, target); }));
  }
  return {difference, steps / whole};
}

// --- a walk ------------------------------------------------------------------------------------------------------

// A walk round a ring of ten places: the source says by how many places each step goes on (0, 1 or 2), the target where
// that leads. One step in twenty is smudged: the source shows a random one, and nobody can know.
SequencePairs walks(int64_t batch, int64_t length, Rng& rng) {
  const Tensor steps = randint(0, 3, {batch, length}, rng);
  const Tensor smudged = rand({batch, length}, rng) < 0.05;
  const Tensor shown = where(smudged, randint(0, 3, {batch, length}, rng), steps);
  std::vector<int64_t> places = steps.to_vector<int64_t>();
  for (int64_t i = 0; i < batch * length; ++i) {
    if (i % length > 0) places[size_t(i)] = (places[size_t(i - 1)] + places[size_t(i)]) % kPlaces;
  }
  const Tensor end = full({batch, 1}, double(Token::end), DType::i64);
  return {shown + double(Token::first), full({batch}, double(length), DType::i64),
          cat({from_vector(places, {batch, length}) + double(Token::first), end}, 1)};
}

// By the place: the share of words that are where the true steps lead, [T].
std::vector<double> share_right(const Tensor& words, const SequencePairs& pairs) {
  const int64_t length = pairs.source.size(1);
  return numbers(mean(narrow(right_places(words, pairs.target).to(DType::f64), 1, 0, length), {0}));
}

// The share of words that follow from the word before them, right or wrong, and the step shown. before, words [B,
// T+1]
double share_consistent(const Tensor& before, const Tensor& words, const SequencePairs& pairs) {
  const int64_t length = pairs.source.size(1);
  const auto places = [&](const Tensor& t, int64_t from) {
    return (narrow(t, 1, from, length - 1) - double(Token::first)).to(DType::f64);
  };
  const Tensor off = places(words, 1) - places(before, 1) - places(pairs.source, 1);  // 0 or −10 where consistent
  const Tensor consistent = logical_or(square(off) < 0.5, square(off + double(kPlaces)) < 0.5);
  return mean(consistent.to(DType::f64)).item();
}

}  // namespace

Exhibit teacher_forcing(const Run& run) {
  const std::vector<double> lengths =
      run.quick() ? std::vector<double>{16, 64} : std::vector<double>{8, 16, 32, 64, 128};
  nn::Transformer transformer = make_transformer(2, nn::Positions::sinusoidal, run.rng("Transformer"));
  Rng weights = run.rng("GRU");
  nn::Seq2Seq gru({.source_vocab = kVocab, .target_vocab = kVocab}, weights);
  Series with_attention{.name = "Transformer", .x = lengths, .mark = Mark::line_and_points};
  Series with_recurrence{.name = "GRU with attention", .x = lengths, .mark = Mark::line_and_points};
  for (const double length : lengths) {
    with_attention.y.push_back(compare(transformer, int64_t(length), run.either(5, 3), run.rng("words")).speed_up);
    with_recurrence.y.push_back(compare(gru, int64_t(length), run.either(5, 3), run.rng("words")).speed_up);
  }
  transformer.to(DType::f64);
  const double difference = compare(transformer, 32, 1, run.rng("words")).difference;

  constexpr int64_t length = 16;
  std::vector<std::vector<double>> led, free;  // [seed][place]
  std::vector<double> led_consistent, free_consistent, led_end, free_end;
  for (const uint64_t seed : run.seeds(3, 1)) {
    Rng data = run.rng("data", seed);
    nn::Transformer model = make_transformer(1, nn::Positions::learned, run.rng("weights", seed));
    teach(run, model, {.steps = run.either(300, 200), .lr = 5e-3}, [&] { return walks(32, length, data); });
    const SequencePairs test = walks(1000, length, data);
    const Tensor before = decoder_input(test.target);
    const Tensor answers = argmax(model(test.source, before).value(), -1), written = written_by(model, test);
    led.push_back(share_right(answers, test)), free.push_back(share_right(written, test));
    led_end.push_back(led.back().back()), free_end.push_back(free.back().back());
    led_consistent.push_back(share_consistent(before, answers, test));
    free_consistent.push_back(share_consistent(decoder_input(written), written, test));
  }
  const bool equal_and_faster = difference < 1e-11 && with_attention.y.back() > 1.5;
  return {
      .verdict = equal_and_faster && spread(free_end).high < spread(led_end).low - 0.1 ? Verdict::holds
                 : equal_and_faster                                                    ? Verdict::within_limits
                                                                                       : Verdict::fails,
      .number = format_fixed(with_attention.y.back(), 1) + " times as fast at " +
                format_count(int64_t(lengths.back())) + " words, the same logits to " +
                format_significant(difference, 1) + "; the last word of 16 right " + spread(led_end).percent(0) +
                " when led, " + spread(free_end).percent(0) + " when free",
      .remark =
          "At a place attention needs the words before it, not the model's own answers: where the right words are "
          "known all places are one product. A GRU's state still goes step by step (" +
          format_fixed(with_recurrence.y.back(), 1) +
          " times as fast). In free running a wrong word leads to wrong words, which the loss of training never "
          "shows. Here mistakes are carried on and do not breed: " +
          spread(free_consistent).percent() + " of the words follow from the model's own word before, " +
          spread(led_consistent).percent() + " when led.",
      .pictures = {{line_plot({.title = "All places at once, against one after the other",
                               .x = {.label = "words in the target", .log = true, .ticks = lengths},
                               .y = {.label = "times as fast", .log = true},
                               .y_lines = {{1, ""}}},
                              {with_attention, with_recurrence}),
                    "Two sequences, forward only; the steps have a cache of keys and values. The best times of five."},
                   {line_plot({.title = "Led by the right words, and left alone",
                               .x = {.label = "place"},
                               .y = {.label = "words right", .low = 0, .high = 1},
                               .y_lines = {{1.0 / kPlaces, "guessing"}}},
                              {over_runs("led (teacher forcing)", steps_of(length), led),
                               over_runs("free", steps_of(length), free)}),
                    "A walk round ten places, by steps of which one in twenty is smudged: no model can know them all. "
                    "Median and range over the seeds."}}};
}

// One causal attention over T vectors x: keys and values from two maps, or x itself as both.
Exhibit what_makes_it_parallel(const Run& run) {
  constexpr int64_t batch = 8, width = 64;
  const int64_t length = run.either(256, 128);
  Rng rng = run.rng("numbers");
  const auto random = [&](const Shape& shape) { return randn(shape, rng, DType::f64) / std::sqrt(double(width)); };
  const Tensor x = randn({batch, length, width}, rng, DType::f64);
  const Tensor q = matmul(x, random({width, width}));
  Grid table{.header = {"keys and values", "largest difference", "at once", "one by one", "times as fast"},
             .caption = "Causal attention of " + std::to_string(length) + " queries, f64, medians of five."};
  double smallest = 1e9, difference = 0;
  for (const bool separate : {true, false}) {
    const Tensor k = separate ? matmul(x, random({width, width})) : x;
    const Tensor v = separate ? matmul(x, random({width, width})) : x;
    Tensor whole, single;
    std::vector<double> fast, slow, ratio;
    for (int i = 0; i < 5; ++i) {
      fast.push_back(seconds_of([&] {
        whole = nn::scaled_dot_product_attention(Variable(q), Variable(k), Variable(v), nn::Mask::causal()).value();
      }));
      slow.push_back(seconds_of([&] {
        std::vector<Tensor> rows;
        for (int64_t t = 0; t < length; ++t)
          rows.push_back(nn::scaled_dot_product_attention(Variable(narrow(q, 1, t, 1)),
                                                          Variable(narrow(k, 1, 0, t + 1)),
                                                          Variable(narrow(v, 1, 0, t + 1)))
                             .value());
        single = cat(rows, 1);
      }));
      ratio.push_back(slow.back() / fast.back());
    }
    const double apart = max_abs_difference(whole, single);
    difference = std::max(difference, apart), smallest = std::min(smallest, spread(ratio).median);
    const auto milliseconds = [](const std::vector<double>& s) {
      return format_significant(1000 * spread(s).median, 3) + " ms";
    };
    table.rows.push_back({separate ? "from two maps of x" : "x itself, as both", format_significant(apart, 2),
                          milliseconds(fast), milliseconds(slow), format_fixed(spread(ratio).median, 1)});
  }
  const bool one_will_do = difference < 1e-12 && smallest > 1.5;  // both as parallel as can be
  return {.verdict = one_will_do ? Verdict::fails : Verdict::holds,
          .number = "without separate keys and values, too, all at once is " + table.rows[1].back() + " times as fast",
          .remark =
              "Where the inputs of all places are known, attention is one product for all of them, whatever keys "
              "and values are made of. In training they are known because of teacher forcing (claim 43). What "
              "separate maps give is freedom: to be found by one thing, and to say another (claim 24).",
          .grids = {table}};
}

extern const std::vector<Claim> teacher_forcing_claims;
const std::vector<Claim> teacher_forcing_claims = {
    {.id = "43",
     .title = "Teacher forcing: all steps at once",
     .statement =
         "If a decoder without recurrence is given the right words before each place, all its places are "
         "computed at once and come out as they would one by one. The price: it is never shown its own mistakes.",
     .experiment = teacher_forcing},
    {.id = "slip-12",
     .title = "What makes attention parallel",
     .statement = "The notes say that separate keys and values let attention be computed in parallel.",
     .experiment = what_makes_it_parallel,
     .expect = Verdict::fails},
};

}  // namespace fovea::claims
