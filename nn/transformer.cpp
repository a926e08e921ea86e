#include "nn/transformer.h"

#include <cmath>

#include "autograd/tape.h"
#include "tensor/reduce.h"

namespace fovea::nn {
namespace {

const TransformerConfig& checked(const TransformerConfig& c) {
  if (c.source_vocab < 1 || c.target_vocab < 1)
    fail(ErrorKind::value, "Transformer: source_vocab and target_vocab must be the numbers of different words, got ",
         c.source_vocab, " and ", c.target_vocab);
  if (c.layers < 1) fail(ErrorKind::value, "Transformer: layers must be at least 1, got ", c.layers);
  return c;
}

LayerConfig layer_of(const TransformerConfig& c) {
  return {.dim = c.dim,
          .heads = c.heads,
          .hidden = c.hidden,
          .activation = c.activation,
          .norm_first = c.norm_first,
          .bias = true,
          .dropout = c.dropout,
          .positions = is_relative(c.positions) ? c.positions : Positions::none,
          .max_distance = c.max_distance,
          .key_value_heads = c.key_value_heads,
          .qk_norm = c.qk_norm,
          .window = c.window};
}

PositionEmbeddingConfig embedding_of(const TransformerConfig& c) {
  return {.positions = c.positions, .dim = c.dim, .context = c.context};
}

}  // namespace

Transformer::Transformer(const TransformerConfig& c, Rng& rng)
    : source_embedding(checked(c).source_vocab, c.dim, rng, 1 / std::sqrt(double(c.dim))),
      target_embedding(c.target_vocab, c.dim, rng, 1 / std::sqrt(double(c.dim))),
      source_positions(embedding_of(c), rng),
      target_positions(embedding_of(c), rng),
      encoder(layer_of(c), c.layers, rng),
      decoder(layer_of(c), c.layers, rng),
      output(c.dim, c.target_vocab, rng),
      dropout(c.dropout, rng) {}

Variable Transformer::operator()(const Tensor& source, const Tensor& target, const Mask& source_mask,
                                 const Mask& target_mask) const {
  Scope scope(*this);
  return decode(target, encode(source, source_mask), source_mask, target_mask);  // [B, T, V]
}

Variable Transformer::encode(const Tensor& source, const Mask& source_mask) const {
  Scope scope(*this);
  return encoder(embed(source_embedding, source_positions, source, 0), source_mask);  // [B, S, C]
}

Variable Transformer::decode(const Tensor& target, const Variable& memory, const Mask& source_mask,
                             const Mask& target_mask, std::vector<DecoderCache>* caches) const {
  Scope scope(*this);
  const int64_t written = caches && !caches->empty() ? (*caches)[0].written.length() : 0;
  const Variable x = embed(target_embedding, target_positions, target, written);  // [B, T, C]
  return output(decoder(x, memory, target_mask, source_mask, caches));            // [B, T, V]
}

Variable Transformer::embed(const Embedding& embedding, const PositionEmbedding& positions, const Tensor& words,
                            int64_t start) const {
  if (words.dtype() != DType::i64 || words.rank() != 2)
    fail(ErrorKind::shape, "Transformer: words must be i64 [batch, time], got ", words.dtype(), " ", words.shape());
  const Variable x = embedding(words);  // [B, T, C]
  return dropout(positions(x * std::sqrt(double(x.size(2))), start));
}

Tensor Transformer::greedy_decode(const Tensor& source, int64_t start, int64_t end, int64_t max_length,
                                  const Mask& source_mask) const {
  Scope scope(*this);
  const Tape::Pause no_tape;
  const Variable memory = encode(source, source_mask);  // [B, S, C]
  const int64_t batch = source.size(0);
  Tensor word = full({batch, 1}, double(start), DType::i64);  // [B, 1]
  Tensor ended = zeros({batch, 1}, DType::boolean);           // [B, 1]
  std::vector<Tensor> words;
  std::vector<DecoderCache> caches;
  while (int64_t(words.size()) < max_length && !all(ended).item()) {
    const Tensor logits = decode(word, memory, source_mask, {}, &caches).value();  // [B, 1, V]
    word = where(ended, scalar(double(end), DType::i64), argmax(logits));          // [B, 1]
    ended = logical_or(ended, equal(word, double(end)));
    words.push_back(word);
  }
  return words.empty() ? empty({batch, 0}, DType::i64) : cat(words, 1);  // [B, n]
}

void Transformer::visit(Visitor& v) {
  v("source_embedding", source_embedding);
  v("target_embedding", target_embedding);
  v("source_positions", source_positions);
  v("target_positions", target_positions);
  v("encoder", encoder);
  v("decoder", decoder);
  v("output", output);
  v("dropout", dropout);
}

}  // namespace fovea::nn
