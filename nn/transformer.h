// The encoder–decoder Transformer (Vaswani et al. 2017): reads a source sequence, writes a target sequence.
//
// B sequences, S words of the source, T of the target, C channels.
#pragma once
#include "nn/decoder.h"
#include "nn/embedding.h"

namespace fovea::nn {

struct TransformerConfig {
  int64_t source_vocab = 0;
  int64_t target_vocab = 0;
  int64_t layers = 6;  // of the encoder, and as many of the decoder
  int64_t heads = 8;
  int64_t dim = 512;
  int64_t hidden = 0;  // width inside the feed-forward networks; 0: 4 · dim
  Activation activation = Activation::relu;
  bool norm_first = false;
  double dropout = 0;

  Positions positions = Positions::sinusoidal;  // of the source and of the target
  int64_t context = 0;                          // of learned positions
  // Of both self-attentions, as in MultiHeadAttentionConfig.
  int64_t max_distance = 128;
  int64_t key_value_heads = 0;
  bool qk_norm = false;
  int64_t window = 0;
};

struct Transformer : Module {
  Embedding source_embedding, target_embedding;
  PositionEmbedding source_positions, target_positions;
  Encoder encoder;
  Decoder decoder;
  Linear output;
  Dropout dropout;

  Transformer(const TransformerConfig& config, Rng& rng);

  // Teacher forcing: source i64 [B, S] and the words before each place, target i64 [B, T] -> the logits of the word at
  // each place, [B, T, V]. source_mask hides padding of the source wherever it is looked at (Mask::keep_keys),
  // target_mask that of the target; that a word does not see the ones after it goes without saying.
  Variable operator()(const Tensor& source, const Tensor& target, const Mask& source_mask = {},
                      const Mask& target_mask = {}) const;

  // The two halves.
  Variable encode(const Tensor& source, const Mask& source_mask = {}) const;  // [B, S] -> memory [B, S, C]
  Variable decode(const Tensor& target, const Variable& memory, const Mask& source_mask = {},
                  const Mask& target_mask = {}, std::vector<DecoderCache>* caches = nullptr) const;  // -> [B, T, V]

  // Writes the likeliest word, again and again: i64 [B, n], n ≤ max_length, beginning after `start`. A sequence that
  // has said `end` is filled up with it; writing stops when all have.
  Tensor greedy_decode(const Tensor& source, int64_t start, int64_t end, int64_t max_length,
                       const Mask& source_mask = {}) const;

  void visit(Visitor& v) override;

 private:
  // Embeddings times √C, so that they outweigh the positions, plus the positions from `start` on: [B, T] -> [B, T, C].
  Variable embed(const Embedding& embedding, const PositionEmbedding& positions, const Tensor& words,
                 int64_t start) const;
};

}  // namespace fovea::nn
