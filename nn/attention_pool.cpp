#include "nn/attention_pool.h"

namespace fovea::nn {

Attention pool_by_scores(const Variable& scores, const Variable& v, const Mask& mask) {
  if (scores.rank() < 2 || v.rank() < 2 || scores.size(-1) != v.size(-2))
    fail(ErrorKind::shape, "attention_pool: a value for each key: scores ", scores.shape(),
         " [..., queries, keys], values ", v.shape(), " [..., keys, channels]");
  const Tensor& kept = mask.kept();
  if (kept.defined() &&
      broadcast_shapes("attention_pool: scores and mask", scores.shape(), kept.shape()) != scores.shape())
    fail(ErrorKind::shape, "attention_pool: the mask ", kept.shape(), " is larger than the scores ", scores.shape(),
         "; Mask::keep_keys is for scores with an axis of heads, without one it is Mask::keep(unsqueeze(keys, 1))");
  const Variable weights = masked_softmax(scores, 1, kept, mask.is_causal());  // [..., L, S]
  return {matmul(weights, v), weights};                                        // [..., L, d_v]
}

}  // namespace fovea::nn
