// The cache of keys and values: when a text is written word by word, those of the words before stay as they are.
//
// B sequences, S keys, d channels in a head.
#pragma once
#include "autograd/variable.h"

namespace fovea::nn {

// Keys and values, projected and cut into heads: [B, key_value_heads, S, d]. The keys are normed and turned already,
// where that is configured.
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
  Tensor keys_, values_;  // [B, key_value_heads, capacity, d], of which `length_` are in use
  int64_t length_ = 0;
};

}  // namespace fovea::nn
