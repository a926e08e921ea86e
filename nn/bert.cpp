#include "nn/bert.h"

namespace fovea::nn {
namespace {

const BertConfig& checked(const BertConfig& c) {
  if (c.vocab < 1 || c.segments < 1 || c.layers < 1 || c.context < 1)
    fail(ErrorKind::value, "Bert: vocab, segments, layers and context must be at least 1, got ", c.vocab, ", ",
         c.segments, ", ", c.layers, " and ", c.context);
  if (c.dim < 1 || c.heads < 1 || c.dim % c.heads != 0)
    fail(ErrorKind::value, "Bert: dim ", c.dim, " is not a multiple of heads ", c.heads);
  return c;
}

constexpr double bert_deviation = 0.02;  // of the first weights; sinusoids are made as small

void start_small(Module& module, Rng& rng) {
  for (const auto& [path, p] : module.parameters()) {
    if (p->rank() >= 2) p->value() = normal(p->shape(), 0, bert_deviation, rng);
  }
}

LayerConfig layer_of(const BertConfig& c) {
  return {.dim = c.dim,
          .heads = c.heads,
          .hidden = c.hidden,
          .activation = Activation::gelu,
          .norm_first = false,
          .dropout = c.dropout,
          .positions = c.positions,
          .context = c.context};
}

}  // namespace

Bert::Bert(const BertConfig& c, Rng& rng)
    : token_embedding(checked(c).vocab, c.dim, rng),
      position_embedding({.positions = c.positions, .dim = c.dim, .context = c.context, .size = bert_deviation}, rng),
      segment_embedding(c.segments, c.dim, rng),
      norm(c.dim),
      dropout(c.dropout, rng),
      shared_positions(layer_of(c).shared_positions(), rng) {
  for (int64_t i = 0; i < c.layers; ++i) layers.emplace_back(layer_of(c).in_stack(), rng);
  start_small(*this, rng);
}

Variable Bert::operator()(const Tensor& tokens, const Tensor& segments, const Mask& mask) const {
  Scope scope(*this);
  if (tokens.dtype() != DType::i64 || tokens.rank() != 2 || tokens.size(1) < 1)
    fail(ErrorKind::shape, "Bert: tokens must be i64 [batch, time], got ", tokens.dtype(), " ", tokens.shape());
  if (segments.defined() && segments.shape() != tokens.shape())
    fail(ErrorKind::shape, "Bert: segments ", segments.shape(), " must have the shape of the tokens, ", tokens.shape());
  const Tensor part = segments.defined() ? segments : zeros(tokens.shape(), DType::i64);
  const int64_t time = tokens.size(1);
  const Variable bias = shared_positions.bias(time, time, token_embedding.weight.dtype());            // [H, T, T]
  Variable x = dropout(norm(position_embedding(token_embedding(tokens) + segment_embedding(part))));  // [B, T, C]
  for (const EncoderLayer& layer : layers) x = layer(x, mask, nullptr, bias);
  return x;
}

void Bert::visit(Visitor& v) {
  v("token_embedding", token_embedding);
  v("position_embedding", position_embedding);
  v("segment_embedding", segment_embedding);
  v("norm", norm);
  v("dropout", dropout);
  v("shared_positions", shared_positions);
  v("layers", layers);
}

MaskedTokenModel::MaskedTokenModel(const BertConfig& c, Rng& rng)
    : bert(c, rng), transform(c.dim, c.dim, rng), norm(c.dim), bias(zeros({c.vocab})) {
  start_small(transform, rng);
}

Variable MaskedTokenModel::operator()(const Tensor& tokens, const Tensor& segments, const Mask& mask) const {
  Scope scope(*this);
  const Variable x = norm(gelu(transform(bert(tokens, segments, mask))));  // [B, T, C]
  return matmul(x, transpose(bert.token_embedding.weight)) + bias;         // [B, T, V]
}

void MaskedTokenModel::visit(Visitor& v) {
  v("bert", bert);
  v("transform", transform);
  v("norm", norm);
  v("bias", bias);
}

TextClassifier::TextClassifier(const BertConfig& c, int64_t classes, Rng& rng)
    : bert(c, rng), pooler(c.dim, c.dim, rng), dropout(c.dropout, rng), head(c.dim, classes, rng) {
  start_small(pooler, rng);
  start_small(head, rng);
}

Variable TextClassifier::operator()(const Tensor& tokens, const Tensor& segments, const Mask& mask) const {
  Scope scope(*this);
  const Variable first = select(bert(tokens, segments, mask), 1, 0);  // [B, C], of [CLS]
  return head(dropout(tanh(pooler(first))));                          // [B, classes]
}

void TextClassifier::visit(Visitor& v) {
  v("bert", bert);
  v("pooler", pooler);
  v("dropout", dropout);
  v("head", head);
}

}  // namespace fovea::nn
