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
#include "nn/linear.h"
#include "nn/mask.h"

namespace fovea::nn {

struct Attention {
  Variable output;   // [..., L, d_v]
  Variable weights;  // [..., L, S]; each row sums to 1, or is 0 where a query may see no key
};

// softmax(q kᵀ / √d_k + bias) v over the keys that the mask keeps (eq. 1). q [..., L, d_k], k [..., S, d_k],
// v [..., S, d_v]; the mask and the bias, a number added to each score, broadcast to [..., L, S]. The scores are
// divided by √d_k because the product of two vectors of d_k independent numbers of variance 1 has variance d_k, and a
// softmax of large scores has no gradient. `dropout` works on the weights.
Attention attention_with_weights(const Variable& q, const Variable& k, const Variable& v, const Mask& mask = {},
                                 const Variable& bias = {}, const Dropout* dropout = nullptr);

// The output alone, [..., L, d_v]. Without a bias and without dropout, and for more than one query, it is computed in
// tiles (autograd/attention.h), faster and in memory that grows with L + S: the same numbers, rounded differently.
Variable scaled_dot_product_attention(const Variable& q, const Variable& k, const Variable& v, const Mask& mask = {},
                                      const Variable& bias = {}, const Dropout* dropout = nullptr);

// Keys and values, projected and cut into heads: [B, H, S, d].
struct KeyValues {
  Variable keys, values;
};

// The keys and values of what a decoder has read so far, so that each step only computes its own. For generating:
// nothing is recorded on a tape. A copy goes its own way.
class KeyValueCache {
 public:
  KeyValueCache() = default;
  KeyValueCache(const KeyValueCache& other);
  KeyValueCache(KeyValueCache&&) noexcept = default;
  KeyValueCache& operator=(KeyValueCache other) noexcept;

  // Adds those of new positions; returns all.
  KeyValues append(const KeyValues& added);
  int64_t length() const { return length_; }  // positions it holds
  void clear() { length_ = 0; }

 private:
  Tensor keys_, values_;  // [B, H, capacity, d], of which `length_` are in use
  int64_t length_ = 0;
};

struct MultiHeadAttentionConfig {
  int64_t dim = 0;        // of queries and of the output
  int64_t heads = 1;      // must divide dim
  int64_t key_dim = 0;    // width of what keys are computed from; 0: dim
  int64_t value_dim = 0;  // width of what values are computed from; 0: dim
  bool bias = true;
  double dropout = 0;  // on the weights
};

// H attentions side by side, each on its own d channels of the projected queries, keys and values (§3.2.2).
struct MultiHeadAttention : Module {
  Linear query, key, value, output;
  Dropout dropout;
  int64_t heads;

  MultiHeadAttention(const MultiHeadAttentionConfig& config, Rng& rng);

  // Self-attention: x is query, key and value. With a cache, x [B, T, C] are the positions after the ones in it.
  Variable operator()(const Variable& x, const Mask& mask = {}, KeyValueCache* cache = nullptr) const;
  // Cross-attention: query [B, L, C], key [B, S, key_dim], value [B, S, value_dim] -> [B, L, C].
  Variable operator()(const Variable& query, const Variable& key, const Variable& value, const Mask& mask = {}) const;

  // The steps of both. Where the weights are asked for, they are those of each head, [B, H, L, S].
  KeyValues keys_and_values(const Variable& key, const Variable& value) const;
  Variable attend(const Variable& query, const KeyValues& memory, const Mask& mask = {}) const;
  Attention attend_with_weights(const Variable& query, const KeyValues& memory, const Mask& mask = {}) const;

  void visit(Visitor& v) override;

 private:
  Variable split_heads(const Variable& x) const;  // [B, T, C] -> [B, H, T, d]
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
