#include "nn/self_attention_2d.h"

#include <algorithm>

namespace fovea::nn {
namespace {

int64_t inner_channels(const SelfAttention2dConfig& c) {
  if (c.channels < 1 || c.inner < 0)
    fail(ErrorKind::value, "SelfAttention2d: needs channels, got ", c.channels, ", of them ", c.inner, " inside");
  return c.inner ? c.inner : std::max<int64_t>(c.channels / 8, 1);
}

}  // namespace

SelfAttention2d::SelfAttention2d(const SelfAttention2dConfig& c, Rng& rng)
    : query(c.channels, inner_channels(c), rng),
      key(c.channels, inner_channels(c), rng),
      value(c.channels, c.channels, rng),
      gamma(full({1}, c.gamma)) {}

Variable SelfAttention2d::operator()(const Variable& x) const {
  Scope scope(*this);
  const int64_t channels = value.weight.size(0);
  if (x.rank() != 4 || x.size(1) != channels)
    fail(ErrorKind::shape, "SelfAttention2d: takes [batch, ", channels, ", height, width], got ", x.shape());
  const Variable pixels = transpose(flatten(x, 2, 3));  // [B, H W, C], a view
  const Variable one_head = unsqueeze(pixels, 1);       // [B, 1, H W, C]
  const Variable q = query(one_head), k = key(one_head), v = value(one_head);
  Variable seen;  // [B, 1, H W, C]
  if (AttentionRecord* record = AttentionRecord::innermost()) {
    const Attention attention = attention_with_weights(q, k, v);
    record->add(attention.weights.value());
    seen = attention.output;
  } else {
    seen = scaled_dot_product_attention(q, k, v);
  }
  return x + gamma * reshape(transpose(seen), x.shape());
}

void SelfAttention2d::visit(Visitor& v) {
  v("query", query);
  v("key", key);
  v("value", value);
  v("gamma", gamma);
}

}  // namespace fovea::nn
