// Mask: which keys a query may look at. It says what it means (half the world reads "true" as keep, the other half as
// hide), so no bare bool tensor is taken for one. A fully masked row has weights 0, output 0 and gradient 0.
#pragma once
#include <optional>

#include "tensor/tensor.h"

namespace fovea::nn {

class Mask {
 public:
  Mask() = default;                      // keeps everything
  static Mask keep(const Tensor& keys);  // bool, true: may be seen;   shape broadcasts to the scores [B, H, L, S]
  static Mask hide(const Tensor& keys);  // bool, true: is not seen
  // bool [B, S], a row per sequence, true: a key that is no padding. Holds for all heads and queries: [B, 1, 1, S].
  static Mask keep_keys(const Tensor& keys);
  static Mask causal();  // query i sees keys 0 … i (the last query sees all, where the numbers differ)
  // A query sees itself and the size - 1 positions on either side; under a causal mask, the last `size` positions
  // (Beltagy, Peters & Cohan 2020, "Longformer", §3.1). Queries stand where the causal mask has them.
  static Mask window(int64_t size);

  friend Mask operator&(const Mask& a, const Mask& b);  // seen only where both let it be seen

  bool is_causal() const { return causal_; }
  // All but the causal part as a bool tensor, true = keep, for `queries` × `keys` scores; undefined if it keeps all.
  Tensor kept(int64_t queries, int64_t keys) const;
  const Tensor& kept() const { return keep_; }  // the window apart
  bool keeps_all() const { return !causal_ && !keep_.defined() && window_ == 0; }
  // All of it as one bool tensor, true = keep, for `queries` × `keys` scores; undefined if it keeps everything.
  Tensor as_tensor(int64_t queries, int64_t keys) const;

 private:
  bool causal_ = false;
  int64_t window_ = 0;  // 0: none
  Tensor keep_;
};

}  // namespace fovea::nn
