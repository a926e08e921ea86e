// The layer of an encoder and their stack: self-attention, then a feed-forward network, each inside a residual
// connection with a layer norm. With a causal mask it is also GPT's block.
//
// B sequences, T positions, C channels, H heads.
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

  Positions positions = Positions::none;  // any in a stack; in a layer by itself a relative scheme
  int64_t context = 0;                    // of learned positions
  // Of the self-attention, as in MultiHeadAttentionConfig.
  bool causal = false;
  int64_t max_distance = 128;
  int64_t key_value_heads = 0;
  bool qk_norm = false;
  int64_t window = 0;

  MultiHeadAttentionConfig self_attention() const;
  // In a stack positions are of three kinds: in the embeddings; in the scores, the same for all layers and computed
  // once (T5, ALiBi); in the scores, of each layer itself. What a stack makes of the second, and what is left to its
  // layers:
  RelativePositionsConfig shared_positions() const;
  LayerConfig in_stack() const;
};

struct EncoderLayer : Module {
  MultiHeadAttention attention;
  LayerNorm attention_norm;
  FeedForward feed_forward;
  LayerNorm feed_forward_norm;
  Dropout dropout;
  bool norm_first;

  EncoderLayer(const LayerConfig& c, Rng& rng)
      : attention(c.self_attention(), rng),
        attention_norm(c.dim),
        feed_forward({.dim = c.dim, .hidden = c.hidden, .activation = c.activation, .bias = c.bias}, rng),
        feed_forward_norm(c.dim),
        dropout(c.dropout, rng),
        norm_first(c.norm_first) {}

  // [B, T, C] to the same shape; with a cache, x are the positions after the ones in it. The bias is added to the
  // scores.
  Variable operator()(const Variable& x, const Mask& mask = {}, KeyValueCache* cache = nullptr,
                      const Variable& bias = {}) const {
    Scope scope(*this);
    if (norm_first) {
      const Variable y = x + dropout(attention(attention_norm(x), mask, cache, bias));
      return y + dropout(feed_forward(feed_forward_norm(y)));
    }
    const Variable y = attention_norm(x + dropout(attention(x, mask, cache, bias)));
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
  PositionEmbedding position_embedding;
  RelativePositions shared_positions;
  std::vector<EncoderLayer> layers;
  LayerNorm norm;  // after the last layer

  Encoder(const LayerConfig& config, int64_t count, Rng& rng);

  Variable operator()(const Variable& x, const Mask& mask = {}) const;  // [B, T, C] to the same shape

  void visit(Visitor& v) override;
};

}  // namespace fovea::nn
