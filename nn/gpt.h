// GPT: a decoder-only Transformer that says, at each position, which token comes next (Radford et al. 2019,
// "Language models are unsupervised multitask learners").
#pragma once
#include "nn/embedding.h"
#include "nn/encoder.h"

namespace fovea::nn {

struct GPTConfig {
  int64_t vocab = 0;  // number of different tokens
  int64_t layers = 4;
  int64_t heads = 4;
  int64_t dim = 128;
  int64_t context = 64;  // most tokens it is made for; learned positions allow no more
  int64_t hidden = 0;    // width inside the feed-forward networks; 0: 4 · dim
  Activation activation = Activation::gelu;
  double dropout = 0;
  bool bias = false;  // in the linear layers
  bool tied = false;  // the head reuses the token embedding (Press & Wolf 2017)

  Positions positions = Positions::learned;
  // Of the attention, as in MultiHeadAttentionConfig.
  int64_t max_distance = 128;
  int64_t key_value_heads = 0;
  bool qk_norm = false;
  int64_t window = 0;
};

struct GPT : Module {
  Embedding token_embedding;
  PositionEmbedding position_embedding;
  RelativePositions shared_positions;
  Dropout dropout;
  std::vector<EncoderLayer> blocks;  // pre-norm, under a causal mask
  LayerNorm norm;
  std::optional<Linear> head;  // none where it is tied

  GPT(const GPTConfig& config, Rng& rng);

  // The logits of the token after each: tokens i64 [B, T] -> [B, T, V]. Their first loss is about ln V.
  Variable operator()(const Tensor& tokens) const;

  // For generating, token by token. What the cache holds is not computed again:
  //
  //   GPT::Cache cache;
  //   Variable logits = model.next(prompt, cache);         // [B, T] -> [B, V], of the token after the last
  //   while (…) logits = model.next(token, cache);         // [B, 1] -> [B, V]
  //
  // With learned positions a context that is full is an error: clear() the cache and pass the last tokens of the text
  // as a new prompt.
  struct Cache {
    std::vector<KeyValueCache> layers;
    int64_t length() const { return layers.empty() ? 0 : layers[0].length(); }
    void clear() { layers.clear(); }
  };
  Variable next(const Tensor& tokens, Cache& cache) const;

  int64_t context() const { return context_; }
  int64_t vocab() const { return token_embedding.weight.size(0); }

  void visit(Visitor& v) override;

 private:
  Variable hidden(const Tensor& tokens, Cache* cache) const;  // [B, T] -> [B, T, C]
  Variable logits(const Variable& x) const;                   // [..., C] -> [..., V]
  int64_t context_;
};

}  // namespace fovea::nn
