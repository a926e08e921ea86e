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
                          .norm_first = true},
                         rng);
}

nn::Seq2Seq make_recurrent(int64_t vocab, Rng rng) {
  return nn::Seq2Seq({.source_vocab = vocab, .target_vocab = vocab, .embedding = 32, .hidden = 64}, rng);
}

Series loss_curve(std::string name, const std::vector<double>& losses) {
  return {std::move(name), steps_of(losses.size()), smooth(losses)};
}

}  // namespace

// "Sat, 21 Nov 2026" -> "2026-11-21". No day of the test was seen in training, in no way of writing.
Exhibit date_formats(const Run& run) {
  Rng data = run.rng("data");
  const std::vector<TextPair> unseen = dates(run.either(2000, 300), data);
  const Split s = split(dates(30000, data), unseen, &TextPair::second);
  const int64_t vocab = s.alphabet.tokens();

  nn::Seq2Seq gru = make_recurrent(vocab, run.rng("GRU"));
  const Stopwatch gru_watch;
  const Training gru_training{.steps = run.either(500, 40), .lr = 5e-3, .label = "GRU"};
  const std::vector<double> gru_losses = teach(run, gru, gru_training, batches_of(s.train, 64, data));
  const double gru_seconds = gru_watch.seconds();
  const nn::Written by_gru = written_by(gru, s.test);
  const double gru_right = exact_matches(by_gru.words, s.test.target);

  nn::Transformer transformer = make_transformer(vocab, 1, run.rng("Transformer"));
  const Stopwatch transformer_watch;
  const Training training{.steps = run.either(1200, 40), .lr = 5e-3, .label = "Transformer"};
  const std::vector<double> losses = teach(run, transformer, training, batches_of(s.train, 48, data));
  const double seconds = transformer_watch.seconds();
  const Tensor by_transformer = written_by(transformer, s.test);
  const double right = exact_matches(by_transformer, s.test.target);

  Grid table{.header = {"model", "parameters", "unseen dates right", "training"},
             .rows = {{"GRU, additive attention", format_count(gru.parameter_count()),
                       format_fixed(100 * gru_right, 2) + " %", format_duration(gru_seconds)},
                      {"Transformer, 1 + 1 layers", format_count(transformer.parameter_count()),
                       format_fixed(100 * right, 2) + " %", format_duration(seconds)}}};
  Grid examples{.header = {"unseen", "by the GRU", "by the Transformer"},
                .caption = "Of fifteen ways to write a date; the first of the test."};
  std::vector<Picture> maps;
  const Tensor looks = cross_attention(transformer, rows(s.test, arange(8)));
  for (int64_t row = 0; row < 8; ++row) {
    const std::string& source = unseen[size_t(row)].first;
    const std::string text = s.alphabet.decode(select(by_gru.words, 0, row));
    examples.rows.push_back({source, text, s.alphabet.decode(select(by_transformer, 0, row))});
    if (row >= 2) continue;
    maps.push_back({alignment_map("GRU: where it looks", source, text, select(by_gru.weights, 0, row)),
                    "Each row is a character of the answer."});
  }
  maps.push_back({alignment_map("Transformer: where it looks", unseen[0].first, unseen[0].second, select(looks, 0, 0)),
                  "The mean of the last layer's four heads. What a place holds is not its character alone by then."});
  maps.push_back({line_plot({.title = "Learning the form of a date",
                             .x = {.label = "step"},
                             .y = {.label = "loss of a character", .log = true}},
                            {loss_curve("GRU", gru_losses), loss_curve("Transformer", losses)}),
                  "Means of 20 steps. A step is 64 dates for the GRU, 48 for the Transformer."});
  const double needed = 0.995;
  return {.verdict = std::min(gru_right, right) >= needed   ? Verdict::holds
                     : std::max(gru_right, right) >= needed ? Verdict::within_limits
                                                            : Verdict::fails,
          .number = "unseen dates right: GRU with attention " + format_fixed(100 * gru_right, 2) + " %, Transformer " +
                    format_fixed(100 * right, 2) + " %",
          .remark = format_count(s.train.source.size(0)) + " pairs to learn from, " +
                    format_count(int64_t(unseen.size())) +
                    " to be tried on; no day of the latter is among the former, in whatever form. An answer counts "
                    "where all its ten characters are right." +
                    in_a_hurry(run),
          .pictures = maps,
          .grids = {table, examples}};
}

// "047+912" -> "0959", the first figure first, so that every carry has to be known before it is written.
Exhibit addition(const Run& run) {
  Rng data = run.rng("data");
  const std::vector<TextPair> unseen = additions(run.either(3000, 300), 3, data);
  const Split s = split(additions(100000, 3, data), unseen, &TextPair::first);
  nn::Transformer model = make_transformer(s.alphabet.tokens(), 2, run.rng("weights"));
  const Stopwatch watch;
  const Training training{.steps = run.either(1200, 15)};
  const std::vector<double> losses = teach(run, model, training, batches_of(s.train, 128, data));
  const double seconds = watch.seconds();
  const Tensor written = written_by(model, s.test);
  const double right = exact_matches(written, s.test.target);

  std::vector<double> asked(4), missed(4);  // by the number of carries
  Grid examples{.header = {"unseen", "written", "sum"}, .caption = "The first of the test, and what went wrong."};
  for (size_t i = 0; i < unseen.size(); ++i) {
    const auto& [sum, result] = unseen[i];
    const std::string text = s.alphabet.decode(select(written, 0, int64_t(i)));
    size_t carries = 0;
    for (size_t place = 3, carry = 0; place-- > 0;) {
      carry = size_t(sum[place] - '0') + size_t(sum[place + 4] - '0') + carry >= 10;
      carries += carry;
    }
    ++asked[carries];
    missed[carries] += text != result;
    if (i < 4 || (text != result && examples.rows.size() < 10)) examples.rows.push_back({sum, text, result});
  }
  Bars bars;
  for (size_t carries = 0; carries < 4; ++carries)
    bars.values.push_back(1 - missed[carries] / std::max(1.0, asked[carries]));
  return {
      .verdict = right >= 0.99  ? Verdict::holds
                 : right >= 0.9 ? Verdict::within_limits
                                : Verdict::fails,
      .number =
          format_fixed(100 * right, 2) + " % of unseen sums right, after " + format_duration(seconds) + " of training",
      .remark = "A Transformer of 2 + 2 layers and " + format_count(model.parameter_count()) + " parameters; " +
                format_count(s.train.source.size(0)) +
                " of the million sums to learn from, none of them in the test. "
                "The sum is written as people write it, the first figure first, though the carries come from the "
                "other end." +
                in_a_hurry(run),
      .pictures =
          {{line_plot(
                {.title = "Learning to add", .x = {.label = "step"}, .y = {.label = "loss of a figure", .log = true}},
                {loss_curve("", losses)}),
            "Means of 20 steps of 128 sums."},
           {bar_plot({.title = "Right, by the number of carries", .y = {.label = "share right", .low = 0, .high = 1}},
                     {"no carry", "1", "2", "3"}, {bars}),
            "Of " + format_count(int64_t(unseen.size())) + " sums not seen before."}},
      .grids = {examples}};
}

Exhibit sorting_letters(const Run& run) {
  constexpr int64_t symbols = 10, length = 10;
  Rng data = run.rng("data");
  nn::Seq2Seq model = make_recurrent(Token::first + symbols, run.rng("weights"));
  const Stopwatch watch;
  const Training training{.steps = run.either(1500, 60), .lr = 5e-3};
  const std::vector<double> losses = teach(run, model, training, [&] { return sorting(64, length, symbols, data); });
  const double seconds = watch.seconds();
  const SequencePairs test = sorting(run.either(5000, 300), length, symbols, data);
  const nn::Written written = written_by(model, test);
  const double right = exact_matches(written.words, test.target);
  const Alphabet alphabet("0123456789");
  return {
      .verdict = right >= 0.999  ? Verdict::holds
                 : right >= 0.95 ? Verdict::within_limits
                                 : Verdict::fails,
      .number = format_fixed(100 * right, 2) + " % of unseen rows of ten figures sorted, after " +
                format_duration(seconds) + " of training",
      .remark =
          "A GRU with attention. Which figure comes next depends on all of them and on what is written already; "
          "where a figure occurs more than once the weights may lie on any of its places, or between them. The "
          "rows are random, of ten thousand million, so that those of the test are new." +
          in_a_hurry(run),
      .pictures = {
          {alignment_map("Where it looks while it sorts", alphabet.decode(select(test.source, 0, 0)),
                         alphabet.decode(select(written.words, 0, 0)), select(written.weights, 0, 0)),
           "One unseen row. The order of the source does not matter: the largest weights jump."},
          {line_plot(
               {.title = "Learning to sort", .x = {.label = "step"}, .y = {.label = "loss of a figure", .log = true}},
               {loss_curve("", losses)}),
           "Means of 20 steps of 64 rows."}}};
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
     .experiment = sorting_letters},
};

}  // namespace fovea::claims
