#include "examples/lib/sampling.h"

#include "tensor/elementwise.h"
#include "tensor/reduce.h"
#include "tensor/rows.h"
#include "tensor/sort.h"
#include "tensor/views.h"

namespace fovea::lib {

int64_t sample_token(const Tensor& logits, const Sampling& how, Rng& rng) {
  if (how.temperature == 0) return int64_t(argmax(logits).item());
  const auto [sorted, indices] = sort(logits, -1, true);  // most likely first; both [V]
  Tensor probabilities = softmax(sorted / how.temperature);
  if (how.top_k > 0 && how.top_k < logits.count()) slice(probabilities, 0, how.top_k, logits.count()).fill_(0);
  if (how.top_p < 1) {
    // A token stays if those before it do not reach top_p yet; so the first always does.
    const Tensor before = cumsum(probabilities, 0) - probabilities;
    probabilities = masked_fill(probabilities, before >= how.top_p * sum(probabilities).item(), 0);
  }
  const auto chosen = int64_t(multinomial(probabilities, rng).item());
  return int64_t(indices.at({chosen}));
}

}  // namespace fovea::lib
