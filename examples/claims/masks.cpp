// Claims about masks.
#include <cmath>
#include <limits>

#include "examples/claims/claim.h"
#include "tensor/elementwise.h"
#include "tensor/matmul.h"
#include "tensor/reduce.h"
#include "tensor/rows.h"
#include "tensor/views.h"

namespace fovea::claims {
namespace {

// A matrix [queries, keys] as a heat map with its numbers.
Plot query_key_map(std::string title, const Tensor& matrix, Palette palette = Palette::sequential) {
  std::vector<std::string> names;
  for (int64_t i = 0; i < matrix.size(0); ++i) names.push_back(std::to_string(i));
  return heat_map({.title = std::move(title),
                   .rows = "query",
                   .columns = "key",
                   .row_names = names,
                   .column_names = names,
                   .palette = palette,
                   .low = palette == Palette::sequential ? std::optional<double>(0) : std::nullopt,
                   .high = palette == Palette::sequential ? std::optional<double>(1) : std::nullopt,
                   .decimals = 2},
                  matrix);
}

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

extern const std::vector<Claim> mask_claims;
const std::vector<Claim> mask_claims = {
    {.id = "slip-1",
     .title = "The notes' code hides the future",
     .statement = "The notes' attention code fills the scores with −∞ where its look-ahead mask is 0, and builds that "
                  "mask with 1 for the future. It is meant to hide the future from each token.",
     .experiment = inverted_mask,
     .expect = Verdict::fails},
};

}  // namespace fovea::claims
