#include "nn/seq2seq.h"

#include "autograd/indexing.h"
#include "autograd/tape.h"
#include "tensor/indexing.h"

namespace fovea::nn {
namespace {

const Seq2SeqConfig& checked(const Seq2SeqConfig& c) {
  if (c.source_vocab < 1 || c.target_vocab < 1)
    fail(ErrorKind::value, "Seq2Seq: source_vocab and target_vocab must be the numbers of different words, got ",
         c.source_vocab, " and ", c.target_vocab);
  if (c.embedding < 1 || c.hidden < 1)
    fail(ErrorKind::value, "Seq2Seq: embedding and hidden must be at least 1, got ", c.embedding, " and ", c.hidden);
  return c;
}

}  // namespace

Seq2Seq::Seq2Seq(const Seq2SeqConfig& c, Rng& rng)
    : source_embedding(checked(c).source_vocab, c.embedding, rng),
      encoder({.kind = c.kind,
               .in = c.embedding,
               .hidden = c.hidden,
               .layers = c.layers,
               .bidirectional = c.bidirectional,
               .dropout = c.dropout},
              rng) {
  if (c.context == Context::attention)
    attention_decoder.emplace(AttentionDecoderConfig{.kind = c.kind,
                                                     .vocab = c.target_vocab,
                                                     .embedding = c.embedding,
                                                     .hidden = c.hidden,
                                                     .summary = encoder.output_dim(),
                                                     .memory = encoder.output_dim(),
                                                     .score = c.score,
                                                     .looking = c.looking},
                              rng);
  else
    context_decoder.emplace(ContextDecoderConfig{.kind = c.kind,
                                                 .vocab = c.target_vocab,
                                                 .embedding = c.embedding,
                                                 .hidden = c.hidden,
                                                 .summary = encoder.output_dim(),
                                                 .every_step = c.context == Context::every_step},
                            rng);
}

Decoded Seq2Seq::operator()(const Tensor& source, const Tensor& target, const Tensor& lengths) const {
  Scope scope(*this);
  return decode(target, start(encode(source, lengths)));
}

Encoded Seq2Seq::encode(const Tensor& source, const Tensor& lengths) const {
  Scope scope(*this);
  if (source.dtype() != DType::i64 || source.rank() != 2)
    fail(ErrorKind::shape, "Seq2Seq: the source must be i64 [batch, time], got ", source.dtype(), " ", source.shape());
  const RecurrentOutput read = encoder(source_embedding(source), lengths);  // [B, S, D·H]
  const RecurrentState& last = read.states.back();
  const Variable summary =
      encoder.bidirectional ? cat({read.states[read.states.size() - 2].hidden, last.hidden}, 1) : last.hidden;
  Mask mask;
  if (lengths.defined()) mask = Mask::keep_keys(real_steps("Seq2Seq", lengths, source.size(0), source.size(1)));
  return {summary, read.output, mask};
}

DecoderState Seq2Seq::start(const Encoded& encoded) const {
  return attention_decoder ? attention_decoder->start(encoded) : context_decoder->start(encoded);
}

Decoded Seq2Seq::decode(const Tensor& target, const DecoderState& state) const {
  return attention_decoder ? (*attention_decoder)(target, state) : (*context_decoder)(target, state);
}

Decoded Seq2Seq::step(const Tensor& words, DecoderState& state) const {
  return attention_decoder ? attention_decoder->step(words, state) : context_decoder->step(words, state);
}

Written Seq2Seq::greedy(const Tensor& source, const WritingConfig& config, const Tensor& lengths) const {
  Scope scope(*this);
  const Tape::Pause no_tape;
  DecoderState state = start(encode(source, lengths));
  std::vector<Tensor> weights;  // [B, S] of each step
  const Tensor words = greedy_search(
      [&](const Tensor& last, const Tensor&) {
        const Decoded next = step(last, state);
        if (next.weights.defined()) weights.push_back(next.weights.value());
        return next.logits.value();
      },
      source.size(0), config);
  return {words, weights.empty() ? Tensor() : stack(weights, 1)};
}

std::vector<std::vector<Hypothesis>> Seq2Seq::beam(const Tensor& source, const WritingConfig& config,
                                                   const BeamConfig& beam, const Tensor& lengths) const {
  Scope scope(*this);
  const Tape::Pause no_tape;
  DecoderState state = start(encode(source, lengths));
  return beam_search(
      [&](const Tensor& last, const Tensor& rows) {
        state = state.rows(rows);
        return step(last, state).logits.value();
      },
      source.size(0), config, beam);
}

void Seq2Seq::visit(Visitor& v) {
  v("source_embedding", source_embedding);
  v("encoder", encoder);
  v("context_decoder", context_decoder);
  v("attention_decoder", attention_decoder);
}

}  // namespace fovea::nn
