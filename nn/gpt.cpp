#include "nn/gpt.h"

#include <cmath>

namespace fovea::nn {
namespace {

const GPTConfig& checked(const GPTConfig& c) {
  if (c.vocab < 1) fail(ErrorKind::value, "GPT: vocab must be the number of different tokens, got ", c.vocab);
  if (c.layers < 1 || c.context < 1)
    fail(ErrorKind::value, "GPT: layers and context must be at least 1, got ", c.layers, " and ", c.context);
  if (c.dim < 1 || c.heads < 1 || c.dim % c.heads != 0)
    fail(ErrorKind::value, "GPT: dim ", c.dim, " is not a multiple of heads ", c.heads);
  return c;
}

LayerConfig block_of(const GPTConfig& c) {
  return {.dim = c.dim,
          .heads = c.heads,
          .hidden = c.hidden,
          .activation = c.activation,
          .norm_first = true,
          .bias = c.bias,
          .dropout = c.dropout,
          .positions = c.positions,
          .context = c.context,
          .causal = true,
          .max_distance = c.max_distance,
          .key_value_heads = c.key_value_heads,
          .qk_norm = c.qk_norm,
          .window = c.window};
}

constexpr double initial_deviation = 0.02;  // of GPT-2's weights; sinusoids are made as small

}  // namespace

GPT::GPT(const GPTConfig& c, Rng& rng)
    : token_embedding(checked(c).vocab, c.dim, rng),
      position_embedding({.positions = c.positions, .dim = c.dim, .context = c.context, .size = initial_deviation},
                         rng),
      shared_positions(block_of(c).shared_positions(), rng),
      dropout(c.dropout, rng),
      norm(c.dim),
      context_(c.context) {
  for (int64_t i = 0; i < c.layers; ++i) blocks.emplace_back(block_of(c).in_stack(), rng);
  if (!c.tied) head.emplace(LinearConfig{.in = c.dim, .out = c.vocab, .bias = c.bias}, rng);

  // GPT-2's weights: normal; less in what adds to the residual path, which 2 · layers parts add to.
  for (const auto& [path, p] : parameters()) {
    if (p->rank() < 2) continue;
    const bool residual = path.ends_with("output.weight") || path.ends_with("contract.weight");
    p->value() = normal(p->shape(), 0,
                        residual ? initial_deviation / std::sqrt(2.0 * double(c.layers)) : initial_deviation, rng);
  }
}

Variable GPT::operator()(const Tensor& tokens) const {
  Scope scope(*this);
  return logits(hidden(tokens, nullptr));  // [B, T, V]
}

Variable GPT::next(const Tensor& tokens, Cache& cache) const {
  Scope scope(*this);
  const Variable x = hidden(tokens, &cache);   // [B, T, C]
  return logits(select(x, 1, x.size(1) - 1));  // [B, V]
}

Variable GPT::hidden(const Tensor& tokens, Cache* cache) const {
  if (tokens.dtype() != DType::i64 || tokens.rank() != 2)
    fail(ErrorKind::shape, "GPT: tokens must be i64 [batch, time], got ", tokens.dtype(), " ", tokens.shape());
  if (cache && cache->layers.empty()) cache->layers.resize(blocks.size());

  const int64_t start = cache ? cache->length() : 0, end = start + tokens.size(1);
  const Variable bias = shared_positions.bias(tokens.size(1), end, token_embedding.weight.dtype());  // [H, T, end]
  Variable x = dropout(position_embedding(token_embedding(tokens), start));                          // [B, T, C]
  for (size_t i = 0; i < blocks.size(); ++i)
    x = blocks[i](x, Mask::causal(), cache ? &cache->layers[i] : nullptr, bias);
  return norm(x);
}

Variable GPT::logits(const Variable& x) const {
  return head ? (*head)(x) : matmul(x, transpose(token_embedding.weight));
}

void GPT::visit(Visitor& v) {
  v("token_embedding", token_embedding);
  v("position_embedding", position_embedding);
  v("shared_positions", shared_positions);
  v("dropout", dropout);
  v("blocks", blocks);
  v("norm", norm);
  v("head", head);
}

}  // namespace fovea::nn
