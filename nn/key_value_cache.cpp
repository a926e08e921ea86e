#include "nn/key_value_cache.h"

#include <algorithm>

#include "tensor/views.h"

namespace fovea::nn {

KeyValueCache::KeyValueCache(const KeyValueCache& other) : length_(other.length_) {
  if (other.keys_.defined()) keys_ = other.keys_.clone();
  if (other.values_.defined()) values_ = other.values_.clone();
}

KeyValueCache& KeyValueCache::operator=(KeyValueCache other) noexcept {
  keys_ = std::move(other.keys_);
  values_ = std::move(other.values_);
  length_ = other.length_;
  return *this;
}

KeyValues KeyValueCache::append(const KeyValues& added) {
  if (added.keys.needs_grad() || added.values.needs_grad())
    fail(ErrorKind::tape, "KeyValueCache: what it holds has no gradient; generate without a tape");
  const Tensor &k = added.keys.value(), &v = added.values.value();  // [B, key_value_heads, T, d]
  const int64_t needed = length_ + k.size(2);
  const auto grow = [&](Tensor& held, const Tensor& like) {
    if (length_ > 0 && held.size(0) != like.size(0))
      fail(ErrorKind::shape, "KeyValueCache: holds ", held.size(0), " sequences, given are ", like.size(0),
           "; clear() it before another batch");
    if (length_ > 0 && held.size(2) >= needed) return;
    Tensor larger = zeros({like.size(0), like.size(1), std::max<int64_t>(2 * needed, 16), like.size(3)}, like.dtype());
    if (length_ > 0) narrow(larger, 2, 0, length_).copy_(narrow(held, 2, 0, length_));
    held = larger;
  };
  grow(keys_, k);
  grow(values_, v);
  narrow(keys_, 2, length_, k.size(2)).copy_(k);
  narrow(values_, 2, length_, v.size(2)).copy_(v);
  length_ = needed;
  return {narrow(keys_, 2, 0, length_), narrow(values_, 2, 0, length_)};  // [B, …, length, d], views
}

}  // namespace fovea::nn
