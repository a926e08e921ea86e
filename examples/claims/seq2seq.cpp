// Claims about recurrent encoders and decoders: what one fixed vector c can carry, and what attention adds. The task is
// to write a random sequence of letters backwards, which takes all of it and cannot be guessed.
#include <algorithm>

#include "autograd/indexing.h"
#include "examples/claims/sequence_models.h"
#include "examples/claims/weights_map.h"
#include "tensor/elementwise.h"
#include "tensor/indexing.h"
#include "tensor/reduce.h"
#include "tensor/views.h"

namespace fovea::claims {
namespace {

constexpr int64_t kSymbols = 10;
constexpr int64_t kVocab = Token::first + kSymbols;
constexpr double kRate = 5e-3;

struct Attending {  // how a decoder with attention does it
  nn::ScoreKind score = nn::ScoreKind::additive;
  nn::Looking looking = nn::Looking::before;
  bool both_ways = true;  // the encoder
};

nn::Seq2Seq make_model(nn::Context context, Rng rng, const Attending& how = {}) {
  return nn::Seq2Seq({.source_vocab = kVocab,
                      .target_vocab = kVocab,
                      .embedding = 32,
                      .hidden = 64,
                      .bidirectional = how.both_ways,
                      .context = context,
                      .score = {.kind = how.score},
                      .looking = how.looking},
                     rng);
}

Batches reversals(int64_t batch, int64_t length, Rng& rng) {
  return [=, &rng] { return reversal(batch, length, kSymbols, rng); };
}
Batches reversals_up_to(int64_t batch, int64_t longest, Rng& rng) {
  return [=, &rng] { return reversal(batch, int64_t(randint(2, longest + 1, {1}, rng).item()), kSymbols, rng); };
}

double exact(const nn::Seq2Seq& model, const SequencePairs& pairs) {
  return exact_matches(written_by(model, pairs).words, pairs.target);
}

// The tokens of a row as letters, the end as a full stop: "bca.". i64 [T]
std::string letters(const Tensor& row) {
  std::string text;
  for (const int64_t token : row.to_vector<int64_t>())
    text += token >= Token::first ? char('a' + token - Token::first) : token == Token::end ? '.' : '>';
  return text;
}

// Of the first of several sequences: source i64 [B, S], words i64 [B, T], weights [B, T, S].
Plot first_alignment(std::string title, const Tensor& source, const Tensor& words, const Tensor& weights) {
  return alignment_map(std::move(title), letters(select(source, 0, 0)), letters(select(words, 0, 0)),
                       select(weights, 0, 0));
}

struct Kind {
  nn::Context context;
  std::string name;
};
const std::vector<Kind> kKinds = {{nn::Context::initial, "c at the start"},
                                  {nn::Context::every_step, "c at every step"},
                                  {nn::Context::attention, "attention"}};

Series loss_curve(const std::string& name, const std::vector<std::vector<double>>& runs) {
  std::vector<std::vector<double>> smoothed;
  for (const std::vector<double>& losses : runs) smoothed.push_back(smooth(losses));
  return over_runs(name, steps_of(smoothed[0].size()), smoothed);
}

}  // namespace

// An encoder reads the source into one vector c; the decoder gets c, and c only. Handed the c of another source it
// writes that one.
Exhibit one_fixed_vector(const Run& run) {
  constexpr int64_t length = 5;
  std::vector<double> right, right_of_other;
  std::vector<std::vector<double>> losses;
  Grid examples{.header = {"source", "written", "written from the next one's c"},
                .caption = "Greedy: the likeliest letter at each step, until the model says that it is done."};
  for (const uint64_t seed : run.seeds(3, 1)) {
    Rng data = run.rng("data", seed);
    nn::Seq2Seq model = make_model(nn::Context::initial, run.rng("weights", seed));
    losses.push_back(teach(run, model, {.steps = run.either(400, 200), .lr = kRate}, reversals(64, length, data)));

    const SequencePairs test = reversal(500, length, kSymbols, data);
    const Tensor next = cat({arange(1, 500), arange(0, 1)}, 0);  // of each row, the one after it
    const nn::Encoded encoded = model.encode(test.source);
    const auto write = [&](const Variable& c) {
      nn::DecoderState state = model.start({.summary = c, .memory = {}, .mask = {}});
      return nn::greedy_search(
          [&](const Tensor& words, const Tensor&) { return model.step(words, state).logits.value(); }, 500,
          {.start = Token::start, .end = Token::end, .max_length = length + 1});
    };
    const Tensor own = write(encoded.summary), others = write(index_select(encoded.summary, 0, next));
    right.push_back(exact_matches(own, test.target));
    right_of_other.push_back(exact_matches(others, index_select(test.target, 0, next)));
    if (seed != run.seed()) continue;
    for (int64_t row = 0; row < 6; ++row)
      examples.rows.push_back(
          {letters(select(test.source, 0, row)), letters(select(own, 0, row)), letters(select(others, 0, row))});
  }
  const Spread share = spread(right);
  return {.verdict = share.low > 0.95                       ? Verdict::holds
                     : share.median > run.either(0.5, 0.02) ? Verdict::within_limits
                                                            : Verdict::fails,
          .number = share.percent() + " of unseen sources of " + std::to_string(length) + " letters written right",
          .remark =
              "128 numbers carry all that the decoder learns of the source: given the c of another source it "
              "writes that one backwards (" +
              spread(right_of_other).percent() +
              "). For five letters that is room enough; for what becomes of longer ones see the next exhibits.",
          .pictures = {{line_plot({.title = "Learning to write five letters backwards",
                                   .x = {.label = "step"},
                                   .y = {.label = "loss of a letter", .log = true}},
                                  {loss_curve("GRU, c at the start", losses)}),
                        "Median and range over the seeds, means of 20 steps."}},
          .grids = {examples}};
}

// The same network, the same data; the one difference is how often the decoder gets to read c.
Exhibit c_at_every_step(const Run& run) {
  constexpr int64_t length = 8;
  std::vector<std::vector<std::vector<double>>> losses(2);  // [kind][seed][step]
  std::vector<std::vector<double>> right(2), places(2);     // [kind][seed]
  for (const uint64_t seed : run.seeds(3, 1)) {
    for (size_t kind = 0; kind < 2; ++kind) {
      Rng data = run.rng("data", seed);
      nn::Seq2Seq model = make_model(kKinds[kind].context, run.rng("weights", seed));
      const Training training{.steps = run.either(300, 100), .lr = kRate, .label = kKinds[kind].name};
      losses[kind].push_back(teach(run, model, training, reversals(64, length, data)));
      const SequencePairs test = reversal(1000, length, kSymbols, data);
      const Tensor written = written_by(model, test).words;
      right[kind].push_back(exact_matches(written, test.target));
      places[kind].push_back(mean(right_places(written, test.target).to(DType::f64)).item());
    }
  }
  const Spread start = spread(places[0]), every = spread(places[1]);
  return {.verdict = every.low > start.high                ? Verdict::holds
                     : every.median > start.median + 0.002 ? Verdict::within_limits
                                                           : Verdict::fails,
          .number = "letters right: " + every.percent() + " with c at every step, " + start.percent() + " at the start",
          .remark = "Whole sequences right: " + spread(right[1]).percent() + " against " + spread(right[0]).percent() +
                    ". Where c is given once, the state has to hold what is left to write and to count where it "
                    "is; read again at every step, c need not be remembered. It has no more room for it: the "
                    "bottleneck stays.",
          .pictures = {{line_plot({.title = "Learning to write eight letters backwards",
                                   .x = {.label = "step"},
                                   .y = {.label = "loss of a letter", .log = true}},
                                  {loss_curve(kKinds[0].name, losses[0]), loss_curve(kKinds[1].name, losses[1])}),
                        "Same sizes, same batches. Median and range over the seeds, means of 20 steps."}}};
}

Exhibit fixed_vector_is_a_bottleneck(const Run& run) {
  const int64_t longest = run.either(16, 8);
  const std::vector<double> lengths = steps_of(size_t(longest / 2), 2, 2);
  std::vector<std::vector<std::vector<double>>> right(3), wrong(3);  // [kind][seed][length], [kind][seed][place]
  for (const uint64_t seed : run.seeds(3, 1)) {
    for (size_t kind = 0; kind < 3; ++kind) {
      Rng data = run.rng("data", seed);
      nn::Seq2Seq model = make_model(kKinds[kind].context, run.rng("weights", seed));
      const Training training{.steps = run.either(500, 120), .lr = kRate, .label = kKinds[kind].name};
      teach(run, model, training, reversals_up_to(64, longest, data));
      right[kind].emplace_back();
      for (const double length : lengths)
        right[kind].back().push_back(exact(model, reversal(300, int64_t(length), kSymbols, data)));
      const SequencePairs test = reversal(600, longest, kSymbols, data);
      const Tensor places = right_places(written_by(model, test).words, test.target).to(DType::f64);  // [B, T]
      const std::vector<double> shares = numbers(mean(narrow(places, 1, 0, longest), {0}));
      wrong[kind].emplace_back();  // by the place in the source, which is the other way round
      for (int64_t i = 0; i < longest; ++i) wrong[kind].back().push_back(1 - shares[size_t(longest - 1 - i)]);
    }
  }
  const auto at_the_end = [&](size_t kind) {
    std::vector<double> last;
    for (const std::vector<double>& of_seed : right[kind]) last.push_back(of_seed.back());
    return spread(last);
  };
  const auto curves = [](const std::vector<double>& x, const auto& runs) {
    std::vector<Series> all;
    for (size_t kind = 0; kind < 3; ++kind) {
      all.push_back(over_runs(kKinds[kind].name, x, runs[kind]));
      all.back().mark = Mark::line_and_points;
    }
    return all;
  };
  const double needed = run.either(0.95, 0.3);
  const bool falls = at_the_end(0).high < 0.5 * needed && at_the_end(1).high < 0.5 * needed;
  double first = 0, last = 0;  // errors of the two with c, on the earliest four letters of a source and the latest
  for (size_t kind = 0; kind < 2; ++kind) {
    for (const std::vector<double>& w : wrong[kind]) {
      for (int64_t i = 0; i < 4; ++i) first += w[size_t(i)], last += w[size_t(longest - 1 - i)];
    }
  }
  return {.verdict = !falls || at_the_end(2).low < needed ? Verdict::fails
                     : first > last                       ? Verdict::holds
                                                          : Verdict::within_limits,
          .number = std::to_string(longest) + " letters backwards: attention " + at_the_end(2).percent() +
                    ", c at every step " + at_the_end(1).percent() + ", c at the start " + at_the_end(0).percent(),
          .remark = "One model of each kind, trained on all lengths from 2 to " + std::to_string(longest) +
                    " for the same number of steps. c has as many numbers for the longest source as for two letters; "
                    "attention hands over a vector for each letter.",
          .pictures = {{line_plot({.title = "Written right, by length",
                                   .x = {.label = "letters in the source", .ticks = lengths},
                                   .y = {.label = "whole sequences right", .low = 0, .high = 1}},
                                  curves(lengths, right)),
                        "Median and range over the seeds."},
                       {line_plot({.title = "Which letters are lost, of " + std::to_string(longest),
                                   .x = {.label = "place in the source"},
                                   .y = {.label = "share of errors", .low = 0, .high = 1},
                                   .y_lines = {{1 - 1.0 / kSymbols, "guessing"}}},
                                  curves(steps_of(size_t(longest)), wrong)),
                        "The first letter of the source is the last to be written."}}};
}

// Nobody says which letter of the source belongs to which of the target: the heat maps show what the models found.
Exhibit alignment_is_learned(const Run& run) {
  const int64_t length = run.either(8, 5);
  const std::vector<std::pair<std::string, Attending>> ways = {
      {"additive, as Bahdanau", {nn::ScoreKind::additive, nn::Looking::before}},
      {"general, as Luong", {nn::ScoreKind::general, nn::Looking::after}},
      {"dot, encoder one way", {nn::ScoreKind::scaled_dot, nn::Looking::after, false}}};
  Grid table{.header = {"score", "sequences right", "looks at the letter it writes"},
             .caption =
                 "A plain product needs keys as wide as the decoder's state, so that the encoder of the last "
                 "one reads in one direction only."};
  std::vector<Plot> maps;
  std::vector<Spread> aligned;  // of each way: the share of steps with the largest weight on the letter written
  for (const auto& [title, way] : ways) {
    std::vector<double> right, on_it;
    for (const uint64_t seed : run.seeds(3, 1)) {
      Rng data = run.rng("data", seed);
      nn::Seq2Seq model = make_model(nn::Context::attention, run.rng("weights", seed), way);
      const Training training{.steps = run.either(240, 120), .lr = kRate, .label = title};
      teach(run, model, training, reversals(64, length, data));
      const SequencePairs test = reversal(500, length, kSymbols, data);
      const nn::Written written = written_by(model, test);
      const Tensor weights = narrow(written.weights, 1, 0, length);            // [B, T, S], without the end's
      const Tensor wanted = reshape(arange(length - 1, -1, -1), {1, length});  // S − 1 … 0
      right.push_back(exact_matches(written.words, test.target));
      on_it.push_back(mean(equal(argmax(weights, -1), wanted).to(DType::f64)).item());
      if (seed == run.seed()) maps.push_back(first_alignment(title, test.source, written.words, written.weights));
    }
    aligned.push_back(spread(on_it));
    table.rows.push_back({title, spread(right).percent(), aligned.back().percent()});
  }
  const double needed = run.either(0.95, 0.7);
  return {.verdict = aligned[0].low >= needed && aligned[1].low >= needed   ? Verdict::holds
                     : aligned[0].low >= needed || aligned[1].low >= needed ? Verdict::within_limits
                                                                            : Verdict::fails,
          .number = "largest weight on the letter that is being written: " + aligned[0].percent() +
                    " of steps (additive), " + aligned[1].percent() + " (general)",
          .remark =
              "The loss sees the words that are written and nothing else; every step from the scores to the "
              "context has a gradient, and that is enough to find the anti-diagonal. What is aligned are states, "
              "not letters: the third encoder's states know the letter before theirs as well, and its decoder "
              "may as well look there. That is as right, and no map of letters: on the letter itself it looks in " +
              aligned[2].percent() + " of the steps.",
          .pictures = {{small_multiples("Where the decoder looks while it writes backwards", 3, maps),
                        "One unseen source, greedy; each row is a step. “.” is the end."}},
          .grids = {table}};
}

// The decoder sees its memory through weighted sums, and a sum has no order.
Exhibit memory_is_a_set(const Run& run) {
  constexpr int64_t batch = 8, length = 9;
  double difference[2], of_source = 0;  // of the logits, f32 and f64; and where the source itself is put in disorder
  std::vector<Plot> maps;
  for (const DType dtype : {DType::f32, DType::f64}) {
    Rng rng = run.rng("model and words");
    nn::Seq2Seq model = make_model(nn::Context::attention, rng);
    for (const auto& [path, p] : model.parameters()) p->value().mul_(3);  // so that the weights are far from even
    model.to(dtype);
    const SequencePairs pairs = reversal(batch, length, kSymbols, rng);
    const Tensor words = decoder_input(pairs.target);
    const nn::Encoded encoded = model.encode(pairs.source);
    const nn::Decoded whole = model.decode(words, model.start(encoded));  // logits [B, T, V], weights [B, T, S]

    double& largest = difference[dtype == DType::f64] = 0;
    for (int64_t i = 0; i < run.either(100, 20); ++i) {
      const Tensor order = randperm(length, rng);
      nn::Encoded shuffled = encoded;
      shuffled.memory = index_select(encoded.memory, 1, order);
      const nn::Decoded other = model.decode(words, model.start(shuffled));
      largest = std::max(largest, max_abs_difference(other.logits.value(), whole.logits.value()));
      if (dtype == DType::f32 || i > 0) continue;
      const Tensor source = index_select(pairs.source, 1, order);
      of_source = max_abs_difference(model(source, words).logits.value(), whole.logits.value());
      maps = {first_alignment("as the encoder left it", pairs.source, words, whole.weights.value()),
              first_alignment("in disorder", source, words, other.weights.value())};
    }
  }
  return {
      .verdict = difference[0] < 1e-4 && difference[1] < 1e-12 && of_source > 0.01 ? Verdict::holds : Verdict::fails,
      .number = "logits change by " + format_significant(difference[1], 2) + " in f64, " +
                format_significant(difference[0], 2) + " in f32, at most",
      .remark =
          "Keys and values change places together, the weights go with them, and only the order of the sum is "
          "another: rounding. Order is known to the states, since the encoder has read it: the "
          "same disorder in the source, before it is read, changes the logits by " +
          format_significant(of_source, 2) + ".",
      .pictures = {{small_multiples("The memory of one source, and the weights on it", 2, maps),
                    "A model with random weights; each row is a step. The columns change places, that is all."}}};
}

extern const std::vector<Claim> seq2seq_claims;
const std::vector<Claim> seq2seq_claims = {
    {.id = "35",
     .title = "Encoder and decoder with one vector between them",
     .statement =
         "A recurrent encoder reads a sequence into one vector c of fixed size, and a recurrent decoder writes "
         "another sequence from c alone, word by word.",
     .experiment = one_fixed_vector},
    {.id = "36",
     .title = "c at every step beats c at the start",
     .statement = "A decoder that reads c again at every step does better than one that has it as its initial state "
                  "only.",
     .experiment = c_at_every_step},
    {.id = "37",
     .title = "One fixed vector is a bottleneck",
     .statement = "The longer the source, the worse one vector of fixed size can carry it, and its early words suffer "
                  "most. With attention the decoder does not depend on the length.",
     .experiment = fixed_vector_is_a_bottleneck},
    {.id = "38+39",
     .title = "Alignment is learned, not taught",
     .statement =
         "The decoder's state asks, a score compares it with each of the encoder's states, and what comes back "
         "is their mean under the softmax. All of it is differentiable, so that the alignment of the two "
         "sequences is learned from the words alone.",
     .experiment = alignment_is_learned},
    {.id = "40",
     .title = "To the decoder its memory is a set",
     .statement = "Attention over the encoder's states does not depend on the order in which they are kept.",
     .experiment = memory_is_a_set,
     .expect = Verdict::holds},
};

}  // namespace fovea::claims
