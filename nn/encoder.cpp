#include "nn/encoder.h"

namespace fovea::nn {
namespace {
bool is_shared(Positions p) { return p == Positions::t5 || p == Positions::alibi; }
}  // namespace

MultiHeadAttentionConfig LayerConfig::self_attention() const {
  return {.dim = dim,
          .heads = heads,
          .bias = bias,
          .dropout = dropout,
          .key_value_heads = key_value_heads,
          .qk_norm = qk_norm,
          .window = window,
          .positions = positions,
          .causal = causal,
          .max_distance = max_distance};
}

RelativePositionsConfig LayerConfig::shared_positions() const {
  return {.positions = is_shared(positions) ? positions : Positions::none,
          .dim = dim,
          .heads = heads,
          .causal = causal,
          .max_distance = max_distance};
}

LayerConfig LayerConfig::in_stack() const {
  LayerConfig c = *this;
  if (!is_relative(positions) || is_shared(positions)) c.positions = Positions::none;
  return c;
}

Encoder::Encoder(const LayerConfig& c, int64_t count, Rng& rng)
    : position_embedding({.positions = c.positions, .dim = c.dim, .context = c.context}, rng),
      shared_positions(c.shared_positions(), rng),
      norm(c.dim) {
  for (int64_t i = 0; i < count; ++i) layers.emplace_back(c.in_stack(), rng);
}

Variable Encoder::operator()(const Variable& x, const Mask& mask) const {
  Scope scope(*this);
  const Variable bias = shared_positions.bias(x.size(1), x.size(1), x.dtype());  // [H, T, T]
  Variable y = position_embedding(x);                                            // [B, T, C]
  for (const EncoderLayer& layer : layers) y = layer(y, mask, nullptr, bias);
  return norm(y);
}

void Encoder::visit(Visitor& v) {
  v("position_embedding", position_embedding);
  v("shared_positions", shared_positions);
  v("layers", layers);
  v("norm", norm);
}

}  // namespace fovea::nn
