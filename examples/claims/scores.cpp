// Claims about scores: what compares a query with a key.
#include <algorithm>
#include <cmath>

#include "autograd/losses.h"
#include "autograd/tape.h"
#include "examples/claims/claim.h"
#include "examples/claims/stopwatch.h"
#include "examples/claims/training.h"
#include "examples/claims/weights_map.h"
#include "examples/lib/curve.h"
#include "nn/attention_pool.h"
#include "nn/embedding.h"
#include "nn/losses.h"
#include "tensor/indexing.h"
#include "tensor/matmul.h"
#include "tensor/reduce.h"
#include "tensor/views.h"

namespace fovea::claims {
namespace {

constexpr int64_t kQueryWidth = 6, kKeyWidth = 4, kHidden = 8;

Tensor normal(const Shape& shape, Rng& rng) { return randn(shape, rng, DType::f64); }

nn::ScoreConfig config(nn::ScoreKind kind, int64_t d_q = kQueryWidth, int64_t d_k = kKeyWidth) {
  return {.kind = kind, .query_dim = d_q, .key_dim = d_k, .hidden = kHidden};
}

// The best of several runs, in seconds.
template <class Fn> double best_seconds(const Fn& fn) {
  double best = seconds_of(fn);
  for (int i = 0; i < 4; ++i) best = std::min(best, seconds_of(fn));
  return best;
}

// The scores of a line's points learn to predict each point of a noisy curve from the others: the mean squared error
// that is left.
double error_of_learned_kernel(const Run& run, nn::ScoreKind kind) {
  Rng data = run.rng("curve"), weights = run.rng("weights");
  const NoisyCurve curve = noisy_curve(50, data);
  const Tensor x = unsqueeze(curve.x, 1).to(DType::f32), y = unsqueeze(curve.y, 1).to(DType::f32);  // [n, 1]
  const nn::Mask others = nn::Mask::hide(eye(50) > 0.5);
  nn::Score score(config(kind, 1, 1), weights);
  const auto loss = [&](int64_t) { return nn::mse(nn::attention_pool(score, x, x, y, others).output, y); };
  train(run, score, {.steps = run.either(600, 300), .lr = 3e-2, .label = nn::name(kind)}, loss);
  return loss(0).item();
}

// --- does the length of a key matter? ------------------------------------------------------------------------------
// A query has a direction and so have the keys; each key holds a number, the value. Wanted is the value of the key that
// points where the query points: of several that do, of the longest (`length_counts`), or of the one there is, whose
// length says nothing.
struct Search {
  Tensor queries, keys, values, wanted;  // [B, 1, d], [B, S, d], [B, S, classes], i64 [B]
};
constexpr int64_t kClasses = 8, kDirections = 12, kKeys = 6, kDimensions = 16;

Search make_search(int64_t batch, bool length_counts, const Tensor& directions, Rng& rng) {
  std::vector<int64_t> query, key, value, wanted;
  std::vector<float> length;
  for (int64_t b = 0; b < batch; ++b) {
    const auto order = randperm(kDirections, rng).to_vector<int64_t>();
    const auto held = randint(0, kClasses, {kKeys}, rng).to_vector<int64_t>();
    const auto lengths = uniform({kKeys}, 0.3, 3, rng).to_vector<float>();
    const int64_t alike = length_counts ? 3 : 1;  // so many keys point where the query points; the others elsewhere
    int64_t best = 0;
    for (int64_t i = 0; i < kKeys; ++i) {
      key.push_back(i < alike ? order[0] : order[size_t(i)]);
      if (i < alike && lengths[size_t(i)] > lengths[size_t(best)]) best = i;
    }
    query.push_back(order[0]), wanted.push_back(held[size_t(best)]);
    value.insert(value.end(), held.begin(), held.end());
    length.insert(length.end(), lengths.begin(), lengths.end());
  }
  const Tensor k = reshape(take_rows(directions, from_vector(key)), {batch, kKeys, kDimensions});
  return {reshape(take_rows(directions, from_vector(query)), {batch, 1, kDimensions}),
          k * reshape(from_vector(length), {batch, kKeys, 1}),
          one_hot(reshape(from_vector(value), {batch, kKeys}), kClasses), from_vector(wanted)};
}

// Projections of queries and keys, a score, and what it finds as log-probabilities of the classes.
struct Searcher : nn::Module {
  nn::Linear query, key;
  nn::Score score;

  Searcher(const nn::ScoreConfig& c, Rng rng)
      : query({.in = kDimensions, .out = kDimensions, .bias = false}, rng),
        key({.in = kDimensions, .out = kDimensions, .bias = false}, rng),
        score(c, rng) {}
  Variable operator()(const Search& s) const {  // [B, classes]
    const nn::Attention found = nn::attention_pool(score, query(s.queries), key(s.keys), s.values);
    return log(squeeze(found.output, 1) + 1e-6);
  }
  void visit(nn::Visitor& v) override {
    v("query", query);
    v("key", key);
    v("score", score);
  }
};

struct Contender {
  const char* name;
  nn::ScoreConfig config;
};
const Contender kContenders[] = {
    {"scaled dot", {.kind = nn::ScoreKind::scaled_dot}},
    {"cosine", {.kind = nn::ScoreKind::cosine}},
    {"cosine, τ learned", {.kind = nn::ScoreKind::cosine, .temperature = 0.3, .learned = true}}};

// The accuracy of each contender on fresh searches. [contender][seed]
std::vector<std::vector<double>> search_accuracies(const Run& run, bool length_counts) {
  std::vector<std::vector<double>> all(std::size(kContenders));
  const int64_t steps = run.either(400, 150);
  for (const uint64_t seed : run.seeds(3, 1)) {
    for (size_t i = 0; i < std::size(kContenders); ++i) {
      Rng rng = run.rng("searches", seed);
      const Tensor directions = randn({kDirections, kDimensions}, rng) / std::sqrt(double(kDimensions));
      Searcher model(kContenders[i].config, run.rng("weights", seed));
      train(run, model, {.steps = steps, .lr = 1e-2, .label = kContenders[i].name}, [&](int64_t) {
        const Search s = make_search(64, length_counts, directions, rng);
        return nn::nll(model(s), s.wanted);
      });
      const Search test = make_search(1000, length_counts, directions, rng);
      all[i].push_back(accuracy(model(test).value(), test.wanted));
    }
  }
  return all;
}

}  // namespace

Exhibit additive_is_concat(const Run& run) {
  Rng rng = run.rng("weights");
  nn::AdditiveScore sum_form(config(nn::ScoreKind::additive), rng);
  sum_form.bias.value() = randn({kHidden}, rng);
  sum_form.to(DType::f64);
  nn::ConcatScore concat_form(sum_form);  // W = [W_q; W_k]
  const Parameter q(normal({3, kQueryWidth}, rng)), k(normal({5, kKeyWidth}, rng));
  const Tensor dy = normal({3, 5}, rng);
  const auto gradients = [&](nn::Module& score, const auto& call) {
    for (const Parameter* p : {&q, &k}) const_cast<Parameter*>(p)->zero_grad();
    score.zero_grad();
    Tape tape;
    const Variable y = call(q, k);
    tape.backward(y, dy);
    return std::vector<Tensor>{y.value(), q.grad(), k.grad()};
  };
  const auto one = gradients(sum_form, sum_form), other = gradients(concat_form, concat_form);
  double apart = 0;
  for (size_t i = 0; i < one.size(); ++i) apart = std::max(apart, max_abs_difference(one[i], other[i]));
  const Tensor stacked = cat({sum_form.query_weight.grad(), sum_form.key_weight.grad()}, 0);  // [d_q + d_k, h]
  apart = std::max(apart, max_abs_difference(stacked, concat_form.weight.grad()));
  return {.verdict = apart < 1e-13 ? Verdict::holds : Verdict::fails,
          .number = "scores and gradients agree to " + format_significant(apart, 1),
          .remark =
              "W [q; k] = W_q q + W_k k, with W_q the first rows of W: a network with one hidden layer over the pair. "
              "Written as a sum, W_q is multiplied once for a query and not once for a pair.",
          .pictures = {{heat_map({.title = "Scores of an additive attention",
                                  .rows = "query",
                                  .columns = "key",
                                  .row_names = numbered(3),
                                  .column_names = numbered(5),
                                  .palette = Palette::diverging,
                                  .decimals = 2},
                                 one[0]),
                        "vᵀ tanh(W_q q + W_k k + b), with queries of width 6 and keys of width 4."}}};
}

Exhibit difference_is_special_case(const Run& run) {
  Rng rng = run.rng("weights");
  nn::AdditiveScore score(config(nn::ScoreKind::additive, kKeyWidth, kKeyWidth), rng);
  score.to(DType::f64);
  const Tensor q = normal({3, kKeyWidth}, rng), k = normal({5, kKeyWidth}, rng), shift = normal({1, kKeyWidth}, rng);
  const auto moved = [&] { return max_abs_difference(score(q + shift, k + shift).value(), score(q, k).value()); };
  const double before = moved();
  score.key_weight.value() = -score.query_weight.value();
  const double after = moved();
  return {.verdict = after < 1e-13 && before > 1e-2 ? Verdict::holds : Verdict::fails,
          .number = "both shifted: the scores change by " + format_significant(after, 1) + "; before, by " +
                    format_significant(before, 2),
          .remark =
              "With W_k = −W_q the score is a function of q − k alone, so a shift of both leaves it as it is. It is "
              "one of the maps that the additive score can learn, not a different mechanism."};
}

Exhibit general_contains_dot(const Run& run) {
  Rng rng = run.rng("vectors");
  nn::GeneralScore general(config(nn::ScoreKind::general, kKeyWidth, kKeyWidth), rng);
  general.weight.value() = eye(kKeyWidth);
  const Tensor q = randn({7, kKeyWidth}, rng), k = randn({9, kKeyWidth}, rng);
  const bool same = identical(general(q, k).value(), nn::DotScore()(q, k).value());
  return {
      .verdict = same ? Verdict::holds : Verdict::fails,
      .number = same ? "the same bits" : "other bits",
      .remark =
          "Luong's set of scores is dot, general (qᵀ W k) and concat; general with W = I is the dot product, bit for "
          "bit. The scaled dot product, which the notes count in, came with the Transformer. (Their Q_k and Q_v in the "
          "same place are K and V.)",
      .grids = {{.header = {"score", "formula", "source"},
                 .rows = {{"dot", "q·k", "Luong et al. 2015"},
                          {"general", "qᵀ W k", "Luong et al. 2015"},
                          {"concat", "vᵀ tanh(W [q; k])", "Luong et al. 2015"},
                          {"additive", "vᵀ tanh(W_q q + W_k k)", "Bahdanau et al. 2015"},
                          {"scaled dot", "q·k / √d", "Vaswani et al. 2017"}},
                 .caption = "Who wrote which."}}};
}

Exhibit additive_costs_more(const Run& run) {
  constexpr int64_t batch = 4, width = 64;
  std::vector<double> lengths = run.either(std::vector<double>{16, 32, 64, 128, 256}, std::vector<double>{16, 64});
  std::vector<Series> series = {{"additive, h = 64"}, {"additive, h = 8"}, {"scaled dot"}};
  for (Series& s : series) s.x = lengths, s.mark = Mark::line_and_points;
  Grid grid{.header = {"n = m", "additive, h = 64", "h = 8", "scaled dot", "hidden numbers, h = 64"},
            .caption = "Milliseconds."};
  Rng rng = run.rng("vectors");
  const nn::Score wide({.kind = nn::ScoreKind::additive, .query_dim = width, .hidden = 64}, rng),
      narrow({.kind = nn::ScoreKind::additive, .query_dim = width, .hidden = 8}, rng),
      product({.kind = nn::ScoreKind::scaled_dot}, rng);
  for (const double n : lengths) {
    const Tensor q = randn({batch, int64_t(n), width}, rng), k = randn({batch, int64_t(n), width}, rng);
    grid.rows.push_back({format_count(int64_t(n))});
    for (size_t i = 0; const nn::Score* score : {&wide, &narrow, &product}) {
      series[i].y.push_back(1e3 * best_seconds([&] { (*score)(q, k); }));
      grid.rows.back().push_back(format_significant(series[i++].y.back(), 3));
    }
    grid.rows.back().push_back(format_count(batch * int64_t(n * n) * 64));
  }
  const double times = series[1].y.back() / series[2].y.back(), wide_times = series[0].y.back() / series[2].y.back();
  const double additive = error_of_learned_kernel(run, nn::ScoreKind::additive),
               general = error_of_learned_kernel(run, nn::ScoreKind::general);
  return {.verdict = times > 2 && additive < 0.6 * general ? Verdict::holds
                     : times > 2                           ? Verdict::within_limits
                                                           : Verdict::fails,
          .number = "at n = " + format_count(int64_t(lengths.back())) + " additive takes " +
                    format_significant(times, 2) + " (h = 8) and " + format_significant(wide_times, 2) +
                    " (h = 64) times as long; error² as a learned kernel: additive " + format_significant(additive, 2) +
                    ", qᵀ W k " + format_significant(general, 2),
          .remark =
              "The additive score has a hidden vector for every pair, n · m · h numbers with a tanh each; dot products "
              "of all pairs are one matrix product. What that buys: a product of two numbers cannot say that they are "
              "near each other, the small network learns it from the curve of claim 4. Vectors that are long enough "
              "can hold what a product needs for that, and so models use products.",
          .pictures = {{line_plot({.title = "Scores of 4 sequences",
                                   .x = {.label = "queries = keys", .log = true, .ticks = lengths},
                                   .y = {.label = "milliseconds", .log = true}},
                                  series),
                        "Queries and keys of width 64, forward, the best of five."}},
          .grids = {grid}};
}

Exhibit cosine_drops_length(const Run& run) {
  const auto counts = search_accuracies(run, true), noise = search_accuracies(run, false);
  std::vector<std::string> names;
  std::vector<Bars> bars = {{.name = "length says which key"}, {.name = "length is noise"}};
  for (size_t i = 0; i < std::size(kContenders); ++i) {
    names.push_back(kContenders[i].name);
    for (size_t task = 0; task < 2; ++task) {
      const Spread s = spread((task == 0 ? counts : noise)[i]);
      bars[task].values.push_back(s.median), bars[task].low.push_back(s.low), bars[task].high.push_back(s.high);
    }
  }
  const double dot_gain = bars[0].values[0] - std::max(bars[0].values[1], bars[0].values[2]);
  const double cosine_gain = std::max(bars[1].values[1], bars[1].values[2]) - bars[1].values[0];
  return {.verdict = dot_gain > 0.05 && cosine_gain > 0.02 ? Verdict::within_limits
                     : dot_gain > 0.05                     ? Verdict::holds
                                                           : Verdict::fails,
          .number = "length counts: dot " + spread(counts[0]).percent(0) + ", cosine " + spread(counts[2]).percent(0) +
                    "; length is noise: " + spread(noise[0]).percent(0) + ", " + spread(noise[2]).percent(0),
          .remark =
              "Where a key's length carries importance a cosine cannot see it: it finds the three keys that point the "
              "right "
              "way, and guesses among them. Where the length is noise the cosine is the better choice, for nothing "
              "disturbs it; with a temperature fixed at 1, which keeps its scores between −1 and 1, it gets " +
              spread(noise[1]).percent(0) + ".",
          .pictures = {{bar_plot({.title = "Searching by direction",
                                  .y = {.label = "accuracy", .low = 0, .high = 1},
                                  .y_lines = {{1.0 / kClasses, "chance"}}},
                                 names, bars),
                        "Median and range over the seeds."}}};
}

// Queries and keys normalised before the product (a cosine with a learned temperature), and not: the softmax normalises
// in both.
Exhibit softmax_normalises_already(const Run& run) {
  const auto counts = search_accuracies(run, true), noise = search_accuracies(run, false);
  const Spread plain = spread(noise[0]), normalised = spread(noise[2]);
  const Spread plain_counts = spread(counts[0]), normalised_counts = spread(counts[2]);
  const bool helps = normalised.median > plain.median + 0.02,
             helps_here_too = normalised_counts.median > plain_counts.median + 0.02;
  return {.verdict = helps && helps_here_too   ? Verdict::fails
                     : helps || helps_here_too ? Verdict::within_limits
                                               : Verdict::holds,
          .number = "with QK-norm: " + normalised.percent() + " in place of " + plain.percent() +
                    " where keys' lengths are noise, " + normalised_counts.percent() + " in place of " +
                    plain_counts.percent() + " where they count",
          .remark =
              "The softmax normalises the weights over the keys. To normalise queries and keys is something else and "
              "no repetition of it: it bounds the scores, and takes their lengths out of them. Whether that helps is "
              "up to the task (those of claim 25); large models do it to keep their training stable."};
}

Exhibit cosine_is_parallel_too(const Run& run) {
  Rng rng = run.rng("vectors");
  const int64_t n = run.either<int64_t>(400, 120);
  const Tensor q = randn({n, 64}, rng), k = randn({n, 64}, rng);
  const auto unit = [](const Tensor& x) { return x / norm(x, 2, {-1}, true); };
  Tensor one_by_one = zeros({n, n});
  const auto pairwise = [&] {
    for (int64_t i = 0; i < n; ++i) {
      const Tensor row = select(q, 0, i), products = matmul(k, row);  // [n]
      select(one_by_one, 0, i).copy_(products / (norm(k, 2, {-1}) * norm(row).item()));
    }
  };
  pairwise();
  const Tensor at_once = matmul(unit(q), transpose(unit(k)));
  const double apart = max_abs_difference(one_by_one, at_once);
  const double loop = best_seconds(pairwise), product = best_seconds([&] { matmul(unit(q), transpose(unit(k))); }),
               plain = best_seconds([&] { matmul(q, transpose(k)); });
  return {.verdict = apart < 1e-5 && product < loop ? Verdict::fails : Verdict::holds,
          .number = "one product: " + format_significant(1e3 * product, 2) + " ms, query by query " +
                    format_significant(1e3 * loop, 2) + " ms",
          .remark =
              "Normalise the rows of both, then multiply: the same matrix product as for dot products, and the same "
              "numbers (to " +
              format_significant(apart, 1) +
              "). The normalisation costs n divisions of a row, not n²; a plain product takes " +
              format_significant(1e3 * plain, 2) + " ms."};
}

extern const std::vector<Claim> score_claims;
const std::vector<Claim> score_claims = {
    {.id = "12+13",
     .title = "A small network over the pair",
     .statement = "Bahdanau's score vᵀ tanh(W_q q + W_k k) is a perceptron with one hidden layer, applied to [q; k].",
     .experiment = additive_is_concat,
     .expect = Verdict::holds},
    {.id = "14",
     .title = "The difference q − k is a special case",
     .statement = "A score of q − k is a special case of the additive score.",
     .experiment = difference_is_special_case,
     .expect = Verdict::holds},
    {.id = "15+slip-11",
     .title = "Luong's scores",
     .statement = "Luong's scores are dot and general, qᵀ W k, of which dot is the case W = I. (The notes list scaled "
                  "dot among them.)",
     .experiment = general_contains_dot,
     .expect = Verdict::holds},
    {.id = "16",
     .title = "Additive is flexible, dot is fast",
     .statement =
         "The additive score can compare anything; the dot product is much faster, because it is a matrix product.",
     .experiment = additive_costs_more},
    {.id = "25",
     .title = "Why not cosine?",
     .statement = "Cosine similarity drops the length of the vectors, and the length of a key can carry importance, so "
                  "products serve better.",
     .experiment = cosine_drops_length},
    {.id = "26",
     .title = "The softmax normalises already",
     .statement = "The softmax normalises, so queries and keys need no second normalisation.",
     .experiment = softmax_normalises_already},
    {.id = "slip-6",
     .title = "Cosine cannot be parallelised?",
     .statement = "The notes: cosine similarity cannot be computed in parallel.",
     .experiment = cosine_is_parallel_too,
     .expect = Verdict::fails},
};

}  // namespace fovea::claims
