// Attention: each query takes a weighted mean of the values, the weights saying how well its key fits the query
// (Vaswani et al. 2017, "Attention is all you need", §3.2).
//
// B sequences in a batch, T (or L) queries, S keys, C channels, H heads, d = C / H channels in a head.
#pragma once
#include <utility>
#include <vector>

#include "autograd/rows.h"
#include "autograd/views.h"
#include "nn/dropout.h"
#include "nn/key_value_cache.h"
#include "nn/linear.h"
#include "nn/mask.h"
#include "nn/norm.h"
#include "nn/relative_positions.h"

namespace fovea::nn {

struct Attention {
  Variable output;   // [..., L, d_v]
  Variable weights;  // [..., L, S]; each row sums to 1, or is 0 where a query may see no key
};

// softmax(q kᵀ / √d_k + bias) v over the keys that the mask keeps (eq. 1). q [..., L, d_k], k [..., S, d_k],
// v [..., S, d_v]; the mask and the bias, a number added to each score, broadcast to [..., L, S]. The scores are
// divided by √d_k because the product of two vectors of d_k independent numbers of variance 1 has variance d_k, and a
// softmax of large scores has no gradient; `scale` replaces 1 / √d_k where it is not 0. `dropout` works on the weights.
Attention attention_with_weights(const Variable& q, const Variable& k, const Variable& v, const Mask& mask = {},
                                 const Variable& bias = {}, const Dropout* dropout = nullptr, double scale = 0);

// The output alone, [..., L, d_v]. Without a bias and without dropout, and for more than one query, it is computed in
// tiles (autograd/attention.h), faster and in memory that grows with L + S: the same numbers, rounded differently.
Variable scaled_dot_product_attention(const Variable& q, const Variable& k, const Variable& v, const Mask& mask = {},
                                      const Variable& bias = {}, const Dropout* dropout = nullptr, double scale = 0);

struct MultiHeadAttentionConfig {
  int64_t dim = 0;        // of queries and of the output
  int64_t heads = 1;      // must divide dim
  int64_t key_dim = 0;    // width of what keys are computed from; 0: dim
  int64_t value_dim = 0;  // width of what values are computed from; 0: dim
  bool bias = true;
  double dropout = 0;  // on the weights

  // Heads of keys and values; each serves heads / key_value_heads heads of queries, which must divide. 0: as many as
  // there are heads. Fewer make the cache smaller (grouped queries: Ainslie et al. 2023, "GQA"; 1: Shazeer 2019).
  int64_t key_value_heads = 0;
  // An RMS norm with a learned scale over the d channels of each query and key, so that scores cannot grow without
  // bound (Henry et al. 2020, "Query-key normalization for Transformers"; with this norm: Qwen3, 2025).
  bool qk_norm = false;
  // Self-attention sees the positions less than that far away (Mask::window); 0: all. A cache holds all nonetheless.
  int64_t window = 0;

  Positions positions = Positions::none;  // a relative scheme, for self-attention
  bool causal = false;                    // used under causal masks only: shapes T5's buckets, masks nothing itself
  int64_t max_distance = 128;             // T5, DeBERTa: from there on distances look alike
};

// H attentions side by side, each on its own d channels of the projected queries, keys and values (§3.2.2).
struct MultiHeadAttention : Module {
  Linear query, key, value, output;
  std::optional<RMSNorm> query_norm, key_norm;
  RelativePositions positions;
  Dropout dropout;
  int64_t heads;
  int64_t window;

  MultiHeadAttention(const MultiHeadAttentionConfig& config, Rng& rng);

  // Self-attention: x is query, key and value. With a cache, x [B, T, C] are the positions after the ones in it. `bias`
  // is added to the scores of the T queries and all keys, to which it broadcasts: [B, H, T, S].
  Variable operator()(const Variable& x, const Mask& mask = {}, KeyValueCache* cache = nullptr,
                      const Variable& bias = {}) const;
  // Cross-attention: query [B, L, C], key [B, S, key_dim], value [B, S, value_dim] -> [B, L, C]. Queries and keys are
  // of two sequences, between which there is no distance: with relative positions it is an error.
  Variable operator()(const Variable& query, const Variable& key, const Variable& value, const Mask& mask = {}) const;

  // The steps of both. Keys stand at the places from `start` on, queries at the last of the memory's. Where the weights
  // are asked for, they are those of each head, [B, H, L, S].
  KeyValues keys_and_values(const Variable& key, const Variable& value, int64_t start = 0) const;
  Variable attend(const Variable& query, const KeyValues& memory, const Mask& mask = {},
                  const Variable& bias = {}) const;
  Attention attend_with_weights(const Variable& query, const KeyValues& memory, const Mask& mask = {},
                                const Variable& bias = {}) const;

  void visit(Visitor& v) override;

 private:
  struct Operands;  // of scaled_dot_product_attention()
  Operands operands(const Variable& query, const KeyValues& memory, const Mask& mask, const Variable& bias) const;
  int64_t head_size() const { return output.weight.size(0) / heads; }  // d
  Variable split_heads(const Variable& x) const;                       // [B, T, H d] -> [B, H, T, d]
  Variable for_each_head(const Variable& x) const;                     // [B, key_value_heads, S, d] -> [B, H, S, d]
};

// While one is alive, every attention of this thread is computed with its weights and leaves them here, whatever layer
// of a model it is in:
//
//   AttentionRecord record;
//   model(tokens);
//   for (const auto& [path, weights] : record.entries()) …   // "blocks.0.attention", [B, H, L, S]
class AttentionRecord {
 public:
  struct Entry {
    std::string path;  // in the model; empty for an attention outside one
    Tensor weights;    // before dropout
  };

  AttentionRecord();
  ~AttentionRecord();
  AttentionRecord(const AttentionRecord&) = delete;
  AttentionRecord& operator=(const AttentionRecord&) = delete;

  const std::vector<Entry>& entries() const { return entries_; }
  void add(const Tensor& weights);  // called by attend_with_weights()
  static AttentionRecord* innermost();

 private:
  std::vector<Entry> entries_;
  AttentionRecord* outer_;
};

}  // namespace fovea::nn
