// Sequence to sequence with recurrent networks: an encoder reads the source, a decoder writes the target. With the
// source as one fixed vector c, given at the start only or at every step, or with attention over the encoder's states.
//
// B sequences, S words of the source, T of the target, V words in the target's vocabulary.
#pragma once
#include "nn/beam_search.h"
#include "nn/recurrent_decoder.h"

namespace fovea::nn {

// How the decoder learns of the source.
enum class Context {
  initial,     // c is its initial state (Sutskever, Vinyals & Le 2014)
  every_step,  // and is read again at every step (Cho et al. 2014)
  attention,   // it looks at the encoder's states (Bahdanau, Cho & Bengio 2015; Luong, Pham & Manning 2015)
};

struct Seq2SeqConfig {
  int64_t source_vocab = 0;
  int64_t target_vocab = 0;
  int64_t embedding = 64;
  int64_t hidden = 64;  // of the decoder, and of each direction of the encoder
  Recurrence kind = Recurrence::gru;
  int64_t layers = 1;  // of the encoder
  bool bidirectional = true;
  double dropout = 0;  // between the encoder's layers
  Context context = Context::attention;
  ScoreConfig score = {.kind = ScoreKind::additive};  // of the attention; its sizes are filled in
  Looking looking = Looking::before;
};

// What a model wrote: i64 [B, n], and what it looked at while writing, [B, n, S] (undefined without attention).
struct Written {
  Tensor words;
  Tensor weights;
};

struct Seq2Seq : Module {
  Embedding source_embedding;
  Recurrent encoder;
  std::optional<ContextDecoder> context_decoder;  // one of the two
  std::optional<AttentionDecoder> attention_decoder;

  Seq2Seq(const Seq2SeqConfig& config, Rng& rng);

  // Teacher forcing: source i64 [B, S] and the words before each place, target i64 [B, T] -> the logits of the word at
  // each place, [B, T, V], and the weights of the attention. `lengths` (i64 [B]; undefined: all S) says how many words
  // of each source are real; what stands beyond is not read, but must be a word.
  Decoded operator()(const Tensor& source, const Tensor& target, const Tensor& lengths = {}) const;

  // The halves. The memory are the states of the encoder's last layer, c those at the ends of its directions.
  Encoded encode(const Tensor& source, const Tensor& lengths = {}) const;
  DecoderState start(const Encoded& encoded) const;
  Decoded decode(const Tensor& target, const DecoderState& state) const;
  Decoded step(const Tensor& words, DecoderState& state) const;  // i64 [B] -> logits [B, V]

  // nn/beam_search.h with this model.
  Written greedy(const Tensor& source, const WritingConfig& config, const Tensor& lengths = {}) const;
  std::vector<std::vector<Hypothesis>> beam(const Tensor& source, const WritingConfig& config,
                                            const BeamConfig& beam = {}, const Tensor& lengths = {}) const;

  void visit(Visitor& v) override;
};

}  // namespace fovea::nn
