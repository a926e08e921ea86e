#include "nn/decoder.h"

namespace fovea::nn {
namespace {
LayerConfig causal(LayerConfig c) {
  c.causal = true;
  return c;
}
}  // namespace

DecoderLayer::DecoderLayer(const LayerConfig& c, Rng& rng)
    : self_attention(causal(c).self_attention(), rng),
      self_attention_norm(c.dim),
      cross_attention({.dim = c.dim, .heads = c.heads, .bias = c.bias, .dropout = c.dropout}, rng),
      cross_attention_norm(c.dim),
      feed_forward({.dim = c.dim, .hidden = c.hidden, .activation = c.activation, .bias = c.bias}, rng),
      feed_forward_norm(c.dim),
      dropout(c.dropout, rng),
      norm_first(c.norm_first) {}

Variable DecoderLayer::operator()(const Variable& x, const Variable& memory, const Mask& mask, const Mask& memory_mask,
                                  DecoderCache* cache, const Variable& bias) const {
  Scope scope(*this);
  const auto self = [&](const Variable& h) {
    return self_attention(h, mask & Mask::causal(), cache ? &cache->written : nullptr, bias);
  };
  const auto cross = [&](const Variable& h) {
    if (!cache) return cross_attention(h, memory, memory, memory_mask);
    if (!cache->memory) cache->memory = cross_attention.keys_and_values(memory, memory);
    return cross_attention.attend(h, *cache->memory, memory_mask);
  };
  if (norm_first) {
    const Variable y = x + dropout(self(self_attention_norm(x)));
    const Variable z = y + dropout(cross(cross_attention_norm(y)));
    return z + dropout(feed_forward(feed_forward_norm(z)));
  }
  const Variable y = self_attention_norm(x + dropout(self(x)));
  const Variable z = cross_attention_norm(y + dropout(cross(y)));
  return feed_forward_norm(z + dropout(feed_forward(z)));
}

void DecoderLayer::visit(Visitor& v) {
  v("self_attention_norm", self_attention_norm);
  v("self_attention", self_attention);
  v("cross_attention_norm", cross_attention_norm);
  v("cross_attention", cross_attention);
  v("feed_forward_norm", feed_forward_norm);
  v("feed_forward", feed_forward);
  v("dropout", dropout);
}

Decoder::Decoder(const LayerConfig& c, int64_t count, Rng& rng)
    : position_embedding({.positions = c.positions, .dim = c.dim, .context = c.context}, rng),
      shared_positions(causal(c).shared_positions(), rng),
      norm(c.dim) {
  for (int64_t i = 0; i < count; ++i) layers.emplace_back(c.in_stack(), rng);
}

Variable Decoder::operator()(const Variable& x, const Variable& memory, const Mask& mask, const Mask& memory_mask,
                             std::vector<DecoderCache>* caches) const {
  Scope scope(*this);
  if (caches && caches->empty()) caches->resize(layers.size());
  const int64_t start = caches && !layers.empty() ? caches->front().written.length() : 0, end = start + x.size(1);
  const Variable bias = shared_positions.bias(x.size(1), end, x.dtype());  // [H, T, end]
  Variable y = position_embedding(x, start);                               // [B, T, C]
  for (size_t i = 0; i < layers.size(); ++i)
    y = layers[i](y, memory, mask, memory_mask, caches ? &(*caches)[i] : nullptr, bias);
  return norm(y);
}

void Decoder::visit(Visitor& v) {
  v("position_embedding", position_embedding);
  v("shared_positions", shared_positions);
  v("layers", layers);
  v("norm", norm);
}

}  // namespace fovea::nn
