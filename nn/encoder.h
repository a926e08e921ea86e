// The layer of an encoder and their stack: self-attention, then a feed-forward network, each inside a residual
// connection with a layer norm. With a causal mask it is also GPT's block.
#pragma once
#include "nn/attention.h"
#include "nn/feed_forward.h"
#include "nn/norm.h"

namespace fovea::nn {

struct LayerConfig {
  int64_t dim = 0;
  int64_t heads = 1;
  int64_t hidden = 0;  // width inside the feed-forward network; 0: 4 · dim
  Activation activation = Activation::relu;
  // Where the norms stand. false: norm(x + f(x)), the original (Vaswani et al. 2017). true: x + f(norm(x)), which
  // leaves the residual path free and trains without warm-up (Xiong et al. 2020).
  bool norm_first = false;
  bool bias = true;    // in the linear layers
  double dropout = 0;  // on the attention weights and on what each part adds to x
};

struct EncoderLayer : Module {
  MultiHeadAttention attention;
  LayerNorm attention_norm;
  FeedForward feed_forward;
  LayerNorm feed_forward_norm;
  Dropout dropout;
  bool norm_first;

  EncoderLayer(const LayerConfig& c, Rng& rng)
      : attention({.dim = c.dim, .heads = c.heads, .bias = c.bias, .dropout = c.dropout}, rng),
        attention_norm(c.dim),
        feed_forward({.dim = c.dim, .hidden = c.hidden, .activation = c.activation, .bias = c.bias}, rng),
        feed_forward_norm(c.dim),
        dropout(c.dropout, rng),
        norm_first(c.norm_first) {}

  // [B, T, C] to the same shape; with a cache, x are the positions after the ones in it.
  Variable operator()(const Variable& x, const Mask& mask = {}, KeyValueCache* cache = nullptr) const {
    Scope scope(*this);
    if (norm_first) {
      const Variable y = x + dropout(attention(attention_norm(x), mask, cache));
      return y + dropout(feed_forward(feed_forward_norm(y)));
    }
    const Variable y = attention_norm(x + dropout(attention(x, mask, cache)));
    return feed_forward_norm(y + dropout(feed_forward(y)));
  }

  void visit(Visitor& v) override {
    v("attention_norm", attention_norm);
    v("attention", attention);
    v("feed_forward_norm", feed_forward_norm);
    v("feed_forward", feed_forward);
    v("dropout", dropout);
  }
};

struct Encoder : Module {
  std::vector<EncoderLayer> layers;
  LayerNorm norm;  // after the last layer

  Encoder(const LayerConfig& config, int64_t count, Rng& rng) : norm(config.dim) {
    for (int64_t i = 0; i < count; ++i) layers.emplace_back(config, rng);
  }

  Variable operator()(Variable x, const Mask& mask = {}) const {  // [B, T, C] to the same shape
    Scope scope(*this);
    for (const EncoderLayer& layer : layers) x = layer(x, mask);
    return norm(x);
  }

  void visit(Visitor& v) override {
    v("layers", layers);
    v("norm", norm);
  }
};

}  // namespace fovea::nn
