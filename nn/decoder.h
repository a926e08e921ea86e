// The layer of a decoder and their stack: self-attention over what is written so far, cross-attention to the encoder's
// output (the memory), then a feed-forward network (Vaswani et al. 2017, §3.1).
//
// B sequences, T positions of the target, S of the source, C channels.
#pragma once
#include "nn/encoder.h"

namespace fovea::nn {

// What a decoder layer keeps while it writes word by word: its own keys and values, and the memory's, which stay.
struct DecoderCache {
  KeyValueCache written;
  std::optional<KeyValues> memory;
};

struct DecoderLayer : Module {
  MultiHeadAttention self_attention;
  LayerNorm self_attention_norm;
  MultiHeadAttention cross_attention;
  LayerNorm cross_attention_norm;
  FeedForward feed_forward;
  LayerNorm feed_forward_norm;
  Dropout dropout;
  bool norm_first;

  DecoderLayer(const LayerConfig& config, Rng& rng);

  // x [B, T, C], memory [B, S, C] -> [B, T, C]. `mask` is for the self-attention, which is causal besides;
  // `memory_mask` says which positions of the memory may be seen. With a cache, x are the positions after the ones in
  // it. The bias is added to the scores of the self-attention.
  Variable operator()(const Variable& x, const Variable& memory, const Mask& mask = {}, const Mask& memory_mask = {},
                      DecoderCache* cache = nullptr, const Variable& bias = {}) const;

  void visit(Visitor& v) override;
};

// Relative positions are those of the self-attention: between a sequence and the memory there is no distance.
struct Decoder : Module {
  PositionEmbedding position_embedding;
  RelativePositions shared_positions;
  std::vector<DecoderLayer> layers;
  LayerNorm norm;  // after the last layer

  Decoder(const LayerConfig& config, int64_t count, Rng& rng);

  // As the layer's; with caches, one per layer.
  Variable operator()(const Variable& x, const Variable& memory, const Mask& mask = {}, const Mask& memory_mask = {},
                      std::vector<DecoderCache>* caches = nullptr) const;

  void visit(Visitor& v) override;
};

}  // namespace fovea::nn
