// Uses of attention, as toys: dates put into one form, addition as it is learned at school, sorting. Each model is
// tried on what it has not seen.
#include <algorithm>
#include <set>

#include "examples/claims/sequence_models.h"
#include "examples/claims/stopwatch.h"
#include "examples/claims/weights_map.h"
#include "tensor/indexing.h"
#include "tensor/reduce.h"
#include "tensor/views.h"

namespace fovea::claims {
namespace {

// Pairs of texts as tokens, to learn from and to be tried on.
struct Split {
  Alphabet alphabet;
  SequencePairs train, test;
};

SequencePairs rows(const SequencePairs& all, const Tensor& index) {
  return {index_select(all.source, 0, index), index_select(all.lengths, 0, index), index_select(all.target, 0, index)};
}

// Whatever `same` says of two pairs that they share, a pair to learn from shares with none of the test.
Split split(std::vector<TextPair> train, const std::vector<TextPair>& test, std::string TextPair::*same) {
  std::set<std::string> held_out;
  for (const TextPair& pair : test) held_out.insert(pair.*same);
  std::erase_if(train, [&](const TextPair& pair) { return held_out.count(pair.*same) > 0; });
  const auto count = int64_t(train.size());
  train.insert(train.end(), test.begin(), test.end());
  const Alphabet alphabet = Alphabet::of(train);
  const SequencePairs all = alphabet.encode(train);
  return {alphabet, rows(all, arange(count)), rows(all, arange(double(count), double(train.size())))};
}

Batches batches_of(const SequencePairs& pairs, int64_t size, Rng& rng) {
  return [&pairs, &rng, size] { return rows(pairs, randint(0, pairs.source.size(0), {size}, rng)); };
}

// What the last layer of the decoder looks at, the mean of its heads, while it is led through `pairs`: [B, T, S]
Tensor cross_attention(const nn::Transformer& model, const SequencePairs& pairs) {
  const nn::AttentionRecord record;
  model(pairs.source, decoder_input(pairs.target), nn::Mask::keep_keys(pairs.source > double(Token::pad)));
  return mean(record.entries().back().weights, {1});
}

nn::Transformer make_transformer(int64_t vocab, int64_t layers, Rng rng) {
  return nn::Transformer({.source_vocab = vocab,
                          .target_vocab = vocab,
                          .layers = layers,
                          .heads = 4,
                          .dim = 64,
                          .activation = nn::Activation::gelu,
                          .norm_first = true,
                          .positions = nn::Positions::learned,
                          .context = 40},
                         rng);
}

nn::Seq2Seq make_recurrent(int64_t vocab, Rng rng) {
  return nn::Seq2Seq({.source_vocab = vocab, .target_vocab = vocab, .embedding = 32, .hidden = 64}, rng);
}

// What several seeds of a model came to.
struct Learned {
  std::vector<std::vector<double>> losses;  // smoothed; [seed][step]
  std::vector<double> right, seconds;       // the share of the test, the time of the training; [seed]

  template <class Model>
  void teach_one(const Run& run, Model& model, const Training& training, const Batches& batches) {
    const Stopwatch watch;
    losses.push_back(smooth(teach(run, model, training, batches)));
    seconds.push_back(watch.seconds());
  }
  Series curve(std::string name) const { return over_runs(std::move(name), steps_of(losses[0].size()), losses); }
  std::string training_time() const { return format_duration(spread(seconds).median); }
};

}  // namespace

// "Sat, 21 Nov 2026" -> "2026-11-21". No day of the test was seen in training, in no way of writing.
Exhibit date_formats(const Run& run) {
  Learned by_gru, by_transformer;
  std::vector<Picture> maps;
  Grid table{.header = {"model", "parameters", "unseen dates right", "training"}};
  Grid examples{.header = {"unseen", "by the GRU", "by the Transformer"},
                .caption = "Of fifteen ways to write a date; the first of the test, first seed."};
  std::string pairs;
  for (const uint64_t seed : run.seeds(3, 1)) {
    Rng data = run.rng("data", seed);
    const std::vector<TextPair> unseen = dates(run.either(2000, 300), data);
    const Split s = split(dates(30000, data), unseen, &TextPair::second);
    nn::Seq2Seq gru = make_recurrent(s.alphabet.tokens(), run.rng("GRU", seed));
    by_gru.teach_one(run, gru, {.steps = run.either(250, 40), .lr = 5e-3, .label = "GRU"},
                     batches_of(s.train, 64, data));
    nn::Transformer transformer = make_transformer(s.alphabet.tokens(), 1, run.rng("Transformer", seed));
    by_transformer.teach_one(run, transformer, {.steps = run.either(750, 40), .lr = 5e-3, .label = "Transformer"},
                             batches_of(s.train, 48, data));
    const nn::Written recurrent = written_by(gru, s.test);
    const Tensor written = written_by(transformer, s.test);
    by_gru.right.push_back(exact_matches(recurrent.words, s.test.target));
    by_transformer.right.push_back(exact_matches(written, s.test.target));
    if (seed != run.seed()) continue;

    pairs = format_count(s.train.source.size(0)) + " pairs to learn from, " + format_count(int64_t(unseen.size()));
    table.rows = {{"GRU, additive attention", format_count(gru.parameter_count())},
                  {"Transformer, 1 + 1 layers", format_count(transformer.parameter_count())}};
    const Tensor looks = cross_attention(transformer, rows(s.test, arange(8)));
    for (int64_t row = 0; row < 8; ++row) {
      const std::string& source = unseen[size_t(row)].first;
      const std::string text = s.alphabet.decode(select(recurrent.words, 0, row));
      examples.rows.push_back({source, text, s.alphabet.decode(select(written, 0, row))});
      if (row >= 2) continue;
      maps.push_back({alignment_map("GRU: where it looks", source, text, select(recurrent.weights, 0, row)),
                      "Each row is a character of the answer; ␣ is a space."});
    }
    maps.push_back(
        {alignment_map("Transformer: where it looks", unseen[0].first, unseen[0].second, select(looks, 0, 0)),
         "The mean of the last layer's four heads. What a place holds is not its character alone by then."});
  }
  const Spread gru = spread(by_gru.right), transformer = spread(by_transformer.right);
  table.rows[0].insert(table.rows[0].end(), {gru.percent(2), by_gru.training_time()});
  table.rows[1].insert(table.rows[1].end(), {transformer.percent(2), by_transformer.training_time()});
  maps.push_back(
      {line_plot({.title = "Learning the form of a date",
                  .x = {.label = "step"},
                  .y = {.label = "loss of a character", .log = true}},
                 {by_gru.curve("GRU"), by_transformer.curve("Transformer")}),
       "Median and range over the seeds, means of 20 steps: of 64 dates for the GRU, 48 for the Transformer."});
  const double needed = 0.995;
  return {
      .verdict = std::min(gru.low, transformer.low) >= needed   ? Verdict::holds
                 : std::max(gru.low, transformer.low) >= needed ? Verdict::within_limits
                                                                : Verdict::fails,
      .number = "unseen dates right: GRU with attention " + gru.percent(2) + ", Transformer " + transformer.percent(2),
      .remark = pairs +
                " to be tried on; no day of the latter is among the former, in whatever form. An answer counts "
                "where all its ten characters are right." +
                in_a_hurry(run),
      .pictures = maps,
      .grids = {table, examples}};
}

// "047+912" -> "0959", the first figure first, so that every carry has to be known before it is written.
Exhibit addition(const Run& run) {
  Learned learned;
  std::vector<double> asked(4), missed(4);  // by the number of carries, of all seeds
  Grid examples{.header = {"unseen", "written", "sum"}, .caption = "The first of the test, and what went wrong."};
  std::string sizes;
  for (const uint64_t seed : run.seeds(3, 1)) {
    Rng data = run.rng("data", seed);
    const std::vector<TextPair> unseen = additions(run.either(3000, 300), 3, data);
    const Split s = split(additions(100000, 3, data), unseen, &TextPair::first);
    nn::Transformer model = make_transformer(s.alphabet.tokens(), 2, run.rng("weights", seed));
    learned.teach_one(run, model, {.steps = run.either(500, 15), .lr = 4e-3}, batches_of(s.train, 96, data));
    const Tensor written = written_by(model, s.test);
    learned.right.push_back(exact_matches(written, s.test.target));
    sizes = format_count(model.parameter_count()) + " parameters; " + format_count(s.train.source.size(0));
    for (size_t i = 0; i < unseen.size(); ++i) {
      const auto& [sum, result] = unseen[i];
      const std::string text = s.alphabet.decode(select(written, 0, int64_t(i)));
      size_t carries = 0;
      for (size_t place = 3, carry = 0; place-- > 0;) {
        carry = size_t(sum[place] - '0') + size_t(sum[place + 4] - '0') + carry >= 10;
        carries += carry;
      }
      ++asked[carries], missed[carries] += text != result;
      const bool first = seed == run.seed() && i < 4;
      if (first || (text != result && examples.rows.size() < 10)) examples.rows.push_back({sum, text, result});
    }
  }
  Bars bars;
  for (size_t carries = 0; carries < 4; ++carries)
    bars.values.push_back(1 - missed[carries] / std::max(1.0, asked[carries]));
  const Spread right = spread(learned.right);
  return {
      .verdict = right.low >= 0.99     ? Verdict::holds
                 : right.median >= 0.9 ? Verdict::within_limits
                                       : Verdict::fails,
      .number = right.percent(2) + " of unseen sums right, after " + learned.training_time() + " of training",
      .remark = "A Transformer of 2 + 2 layers and " + sizes +
                " of the million sums to learn from, none of them in the test. "
                "The sum is written as people write it, the first figure first, though the carries come from the "
                "other end." +
                in_a_hurry(run),
      .pictures =
          {{line_plot(
                {.title = "Learning to add", .x = {.label = "step"}, .y = {.label = "loss of a figure", .log = true}},
                {learned.curve("")}),
            "Median and range over the seeds, means of 20 steps of 96 sums."},
           {bar_plot({.title = "Right, by the number of carries", .y = {.label = "share right", .low = 0, .high = 1}},
                     {"no carry", "1", "2", "3"}, {bars}),
            "Sums not seen before, of all seeds."}},
      .grids = {examples}};
}

Exhibit sorting_figures(const Run& run) {
  constexpr int64_t symbols = 10, length = 10;
  const Alphabet alphabet("0123456789");
  Learned learned;
  Plot map;
  for (const uint64_t seed : run.seeds(3, 1)) {
    Rng data = run.rng("data", seed);
    nn::Seq2Seq model = make_recurrent(Token::first + symbols, run.rng("weights", seed));
    learned.teach_one(run, model, {.steps = run.either(1000, 60), .lr = 5e-3},
                      [&] { return sorting(48, length, symbols, data); });
    const SequencePairs test = sorting(run.either(5000, 300), length, symbols, data);
    const nn::Written written = written_by(model, test);
    learned.right.push_back(exact_matches(written.words, test.target));
    if (seed != run.seed()) continue;
    map = alignment_map("Where it looks while it sorts", alphabet.decode(select(test.source, 0, 0)),
                        alphabet.decode(select(written.words, 0, 0)), select(written.weights, 0, 0));
  }
  const Spread right = spread(learned.right);
  return {
      .verdict = right.low >= 0.999     ? Verdict::holds
                 : right.median >= 0.95 ? Verdict::within_limits
                                        : Verdict::fails,
      .number =
          right.percent(2) + " of unseen rows of ten figures sorted, after " + learned.training_time() + " of training",
      .remark =
          "A GRU with attention. Which figure comes next depends on all of them and on what is written already; "
          "where a figure occurs more than once the weights may lie on any of its places, or between them. The "
          "rows are random, of ten thousand million, so that those of the test are new." +
          in_a_hurry(run),
      .pictures = {
          {map, "One unseen row. The order of the source does not matter: the largest weights jump."},
          {line_plot(
               {.title = "Learning to sort", .x = {.label = "step"}, .y = {.label = "loss of a figure", .log = true}},
               {learned.curve("")}),
           "Median and range over the seeds, means of 20 steps of 48 rows."}}};
}

extern const std::vector<Claim> task_claims;
const std::vector<Claim> task_claims = {
    {.id = "74-dates",
     .title = "Dates into one form",
     .statement =
         "Attention translates: dates as people write them become ISO 8601, by a GRU with Bahdanau's attention "
         "and by a Transformer, with at least 99.5 % of unseen dates right.",
     .experiment = date_formats},
    {.id = "74-addition",
     .title = "Addition",
     .statement =
         "A small Transformer learns to add numbers of three figures from examples, with at least 99 % of unseen "
         "sums right.",
     .experiment = addition},
    {.id = "74-sorting",
     .title = "Sorting",
     .statement = "A GRU with attention learns to sort ten figures, with at least 99.9 % of unseen rows right.",
     .experiment = sorting_figures},
};

}  // namespace fovea::claims
