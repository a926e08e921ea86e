// Self-attention inside a network of convolutions: each pixel looks at all others, however far, and what it finds is
// added to it (Zhang, Goodfellow, Metaxas & Odena 2018, "Self-attention generative adversarial networks", eq. 2-3).
#pragma once
#include "nn/attention.h"

namespace fovea::nn {

struct SelfAttention2dConfig {
  int64_t channels = 0;
  int64_t inner = 0;  // channels of query and key; 0: channels / 8, at least 1
  double gamma = 0;   // where γ begins
};

// y = x + γ · attention(x), with γ learned. In the paper it is 0 at first, so that a network begins with its
// convolutions and takes in what is far as it learns; but at γ = 0 query, key and value get no gradient, so where
// nothing can be learned without attention, 1 is the better start. Query, key and value are 1×1 convolutions, that is
// linear layers of each pixel. The scores are divided by √inner, which the paper leaves to the weights.
struct SelfAttention2d : Module {
  Linear query, key, value;
  Parameter gamma;  // [1]

  SelfAttention2d(const SelfAttention2dConfig& config, Rng& rng);

  // [B, C, H, W] to the same shape. An AttentionRecord gets the weights, [B, 1, H·W, H·W].
  Variable operator()(const Variable& x) const;
  void visit(Visitor& v) override;
};

}  // namespace fovea::nn
