// Claims about masks.
#include <algorithm>
#include <cmath>
#include <limits>

#include "autograd/rows.h"
#include "autograd/tape.h"
#include "examples/claims/position_names.h"
#include "examples/claims/weights_map.h"
#include "nn/gpt.h"
#include "tensor/elementwise.h"
#include "tensor/indexing.h"
#include "tensor/matmul.h"
#include "tensor/reduce.h"
#include "tensor/rows.h"
#include "tensor/views.h"

namespace fovea::claims {
namespace {

// The largest difference at each place: a, b [1, T, V] -> [T].
Tensor difference_by_place(const Tensor& a, const Tensor& b) { return select(max(abs(a - b), {-1}), 0, 0); }

}  // namespace

// The notes build a mask whose ones are the future, and then fill the scores where it is zero. One mask, both readings.
Exhibit inverted_mask(const Run& run) {
  constexpr int64_t n = 6, d = 8;
  constexpr double hidden = -std::numeric_limits<double>::infinity();
  Rng rng = run.rng("queries and keys");
  const Tensor q = randn({n, d}, rng, DType::f64), k = randn({n, d}, rng, DType::f64);
  const Tensor scores = matmul(q, transpose(k)) / std::sqrt(double(d));           // [n, n]
  const Tensor future = reshape(arange(n), {1, n}) > reshape(arange(n), {n, 1});  // 1 where the key is later

  const Tensor noted = masked_fill(scores, logical_not(future), hidden);  // as the notes' code reads its mask
  const Tensor meant = masked_fill(scores, future, hidden);               // as their text means it
  const Tensor noted_weights = softmax(noted), meant_weights = softmax(meant);
  const Tensor ours = masked_softmax(scores, 1, future);  // the notes' reading, where a row may have nothing to see

  const Tensor first_rows = slice(noted_weights, 0, 0, n - 1);
  const double on_future = sum(masked_fill(first_rows, logical_not(slice(future, 0, 0, n - 1)), 0)).item() / (n - 1);
  const bool last_row_is_nan = std::isnan(noted_weights.at({n - 1, 0}));
  const bool hides_the_future = sum(masked_fill(meant_weights, logical_not(future), 0)).item() == 0;
  const bool code_is_right = on_future == 0 && !last_row_is_nan;
  return {.verdict = code_is_right ? Verdict::holds : Verdict::fails,
          .number = format_fixed(100 * on_future, 0) + " % of the weight lies on the future" +
                    (last_row_is_nan ? ", and the last row is NaN" : ""),
          .remark = std::string("Read as the code reads it, the mask hides the past and the token itself; the last "
                                "query is left with no key at all. The notes' demonstration never notices, because its "
                                "lengths (10 and 12) switch the branch off. The other reading ") +
                    (hides_the_future ? "leaves exactly nothing on the future." : "is wrong as well.") +
                    " Here a mask says whether it keeps or hides, and a row without a key has weights 0, not NaN.",
          .pictures = {{small_multiples("As the notes' code has it: filled where the mask is 0", 2,
                                        {query_key_map("scores after the mask", noted, Palette::diverging),
                                         query_key_map("weights", noted_weights)}),
                        "Every query sees only what comes after it; the last row of scores is −∞ throughout, and its "
                        "softmax is 0/0."},
                       {small_multiples("As their text means it: filled where the mask is 1", 2,
                                        {query_key_map("scores after the mask", meant, Palette::diverging),
                                         query_key_map("weights", meant_weights)}),
                        "The same mask in the other reading: a causal one."},
                       {query_key_map("The first reading, in this library", ours),
                        "Where a query may see no key its weights are 0, and so are its output and its gradient."}}};
}

// Random scores under random masks, one row of each without any key: the weights, and the gradient of the scores.
Exhibit masked_entries_are_zero(const Run& run) {
  constexpr int64_t n = 6, blind = 3;  // the query that may see nothing
  const Tensor blind_row = equal(reshape(arange(n), {n, 1}), double(blind));
  int64_t hidden_entries = 0;
  double hidden_weight = 0, hidden_gradient = 0, sum_error = 0, blind_output = 0;
  Tensor weights, gradient, finite;  // of the last mask
  for (const uint64_t seed : run.seeds(200, 50)) {
    Rng rng = run.rng("scores and masks", seed);
    Parameter scores(randn({n, n}, rng, DType::f64));
    const Tensor v = randn({n, n}, rng, DType::f64);
    const Tensor random = logical_or(bernoulli(0.6, {n, n}, rng), eye(n, DType::boolean));
    const Tensor keep = logical_and(random, logical_not(blind_row)), hide = logical_not(keep);
    Tape tape;
    const Variable y = masked_softmax(scores, 1, keep);  // [queries, keys]
    tape.backward(y, randn({n, n}, rng, DType::f64));
    weights = y.value(), gradient = scores.grad();
    finite = softmax(masked_fill(scores.value(), hide, -1e9));

    hidden_entries += int64_t(sum(hide).item());
    hidden_weight = std::max(hidden_weight, max(abs(masked_fill(weights, keep, 0))).item());
    hidden_gradient = std::max(hidden_gradient, max(abs(masked_fill(gradient, keep, 0))).item());
    const Tensor expected = logical_not(blind_row).to(DType::f64);  // each row's sum
    sum_error = std::max(sum_error, max_abs_difference(sum(weights, {-1}, true), expected));
    blind_output = std::max(blind_output, max(abs(select(matmul(weights, v), 0, blind))).item());
  }
  const bool exact = hidden_weight == 0 && hidden_gradient == 0 && blind_output == 0;
  return {.verdict = exact && sum_error < 1e-14 ? Verdict::holds : Verdict::fails,
          .number = "largest weight and largest gradient of " + format_count(hidden_entries) +
                    " hidden entries: " + format_number(hidden_weight) + " and " + format_number(hidden_gradient),
          .remark = "Zero is meant to the bit; the rows sum to 1 up to " + format_significant(sum_error, 2) +
                    ". A softmax over nothing but −∞ would be 0/0. Here such a row has weights, output and gradient 0; "
                    "filled with a large negative number instead, as is often done, it would look at everything that "
                    "was hidden from it, with weight " +
                    format_fixed(finite.at({blind, 0}), 3) + " each.",
          .pictures = {{small_multiples("Query 3 may see nothing", 2,
                                        {query_key_map("weights", weights),
                                         query_key_map("gradient of the scores", gradient, Palette::diverging)}),
                        "One of the masks. Where the weight is 0 no gradient flows either."},
                       {query_key_map("The same scores, filled with −10⁹", finite),
                        "All the same but for the query that may see nothing: it sees all."}}};
}

// A causal Transformer under each scheme of positions: what does a change of one token change? And: one token at a
// time with a cache of keys and values, against all at once.
Exhibit causal_to_the_bit(const Run& run) {
  constexpr int64_t length = 12, vocab = 16;
  Grid grid{.header = {"positions", "earlier places that changed", "cache − all at once"}};
  int64_t leaks = 0;
  double cache_error = 0;
  std::vector<Tensor> changes;  // [T] each: by how much a place's logits change with one token
  for (const nn::Positions positions : nn::all_positions) {
    Rng rng = run.rng("model");
    nn::GPT model({.vocab = vocab, .layers = 3, .dim = 32, .context = length, .positions = positions}, rng);
    for (const auto& [name, parameter] : model.parameters()) {  // far from the small weights that a model begins with
      parameter->value() += 0.2 * randn(parameter->shape(), rng);
    }
    const Tensor tokens = randint(0, vocab, {1, length}, rng), places = arange(length);
    const Tensor logits = model(tokens).value();  // [1, T, V]
    int64_t own_leaks = 0;
    for (int64_t t = 0; t < length; ++t) {
      const Tensor other = where(equal(places, double(t)), scalar(double(vocab - 1), DType::i64) - tokens, tokens);
      const Tensor change = difference_by_place(model(other).value(), logits);
      own_leaks += int64_t(sum(slice(change, 0, 0, t) > 0.0).item());
      if (positions == nn::Positions::learned) changes.push_back(change);
    }

    model.to(DType::f64);
    const Tensor all_at_once = model(tokens).value();
    nn::GPT::Cache cache;
    double own_error = 0;
    for (int64_t t = 0; t < length; ++t) {
      const Variable next = model.next(slice(tokens, 1, t, t + 1), cache);  // [1, V]
      own_error = std::max(own_error, max_abs_difference(next.value(), select(all_at_once, 1, t)));
    }
    leaks += own_leaks, cache_error = std::max(cache_error, own_error);
    grid.rows.push_back({title_of(positions), std::to_string(own_leaks), format_significant(own_error, 2)});
  }
  return {.verdict = leaks == 0 && cache_error < 1e-12 ? Verdict::holds : Verdict::fails,
          .number = std::to_string(leaks) +
                    " earlier places changed; cache − all at once: " + format_significant(cache_error, 2),
          .remark =
              "Each of 12 tokens is replaced in turn, in f32: what comes before stays the same to the bit, so "
              "a place can be computed as soon as its token is there, as in an RNN. Unlike an RNN, whose state has a "
              "fixed size, what is carried on is the keys and values of all that came before. (Cache and all at "
              "once in f64: they round differently.)",
          .pictures =
              {{heat_map({.title = "What one token changes",
                          .rows = "token that is replaced",
                          .columns = "place",
                          .row_names = numbered(length),
                          .column_names = numbered(length),
                          .bar = "largest change of a logit, log₁₀",
                          .cell = 34},
                         log(stack(changes)) / std::log(10)),
                "Three layers, learned positions. Left of the diagonal the change is exactly 0, its logarithm −∞."}},
          .grids = {grid}};
}

extern const std::vector<Claim> mask_claims;
const std::vector<Claim> mask_claims = {
    {.id = "slip-1",
     .title = "The notes' code hides the future",
     .statement = "The notes' attention code fills the scores with −∞ where its look-ahead mask is 0, and builds that "
                  "mask with 1 for the future. It is meant to hide the future from each token.",
     .experiment = inverted_mask,
     .expect = Verdict::fails},
    {.id = "19",
     .title = "What is masked is exactly zero",
     .statement = "A mask sets scores to −∞ before the softmax: the hidden weights are exactly 0, each row still sums "
                  "to 1, and no gradient passes where nothing is seen.",
     .experiment = masked_entries_are_zero,
     .expect = Verdict::holds},
    {.id = "20+49",
     .title = "Causal attention reads from left to right",
     .statement = "Under a look-ahead mask no output depends on a later token, so that masked self-attention can "
                  "write token by token, as an RNN does, and gets what it would get all at once.",
     .experiment = causal_to_the_bit,
     .expect = Verdict::holds},
};

}  // namespace fovea::claims
