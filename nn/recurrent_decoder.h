// Decoders that write a sequence word by word with a recurrent state. What they write about comes from any encoder:
// a summary c, one vector per sequence (ContextDecoder), and a memory, a set of vectors to look at (AttentionDecoder).
//
// B sequences, T words to write, S vectors in the memory of width M, D the width of the summary, E of an embedding,
// H of the state, V words in the vocabulary.
#pragma once
#include "nn/attention_pool.h"
#include "nn/embedding.h"
#include "nn/recurrent.h"

namespace fovea::nn {

// What an encoder hands over.
struct Encoded {
  Variable summary;  // c [B, D]
  Variable memory;   // [B, S, M], for attention
  Mask mask;         // which vectors of the memory count: Mask::keep_keys, or what broadcasts to [B, 1, S]
};

// Where a decoder stands: what is written to and what is written about, a row per sequence.
struct DecoderState {
  RecurrentState recurrent;
  Variable summary;       // [N, D], where it is fed at every step
  Variable keys, values;  // [N, S, ·]: the memory as the score wants it, and itself; of an AttentionDecoder
  Mask mask;

  // The rows of that number, in that order, as a beam search asks for them: i64 [N'].
  DecoderState rows(const Tensor& index) const;
};

struct Decoded {
  Variable logits;   // of the next word: [B, T, V], of a single step [B, V]
  Variable weights;  // what was looked at: [B, T, S], of a single step [B, S]; undefined without attention
};

struct ContextDecoderConfig {
  Recurrence kind = Recurrence::gru;
  int64_t vocab = 0;
  int64_t embedding = 0;  // E
  int64_t hidden = 0;     // H
  int64_t summary = 0;    // D
  // Where the summary goes. false: into the initial state, tanh(W c + b), and no further (Sutskever, Vinyals & Le
  // 2014). true: also into each step's input and beside the state that the logits are read from (Cho et al. 2014).
  bool every_step = true;
};

// Knows of the source only the summary.
struct ContextDecoder : Module {
  Embedding embedding;
  Linear start_state;
  RecurrentCell cell;
  std::optional<Linear> summary_input;   // c's part of the gates
  std::optional<Linear> summary_output;  // and of the logits
  Linear output;

  ContextDecoder(const ContextDecoderConfig& config, Rng& rng);

  DecoderState start(const Encoded& encoded) const;
  // Teacher forcing: the words before each place, i64 [B, T] -> the logits at each place. Only the recurrence itself
  // runs step by step; embeddings, the gates' inputs and the logits are of all steps at once.
  Decoded operator()(const Tensor& words, DecoderState state) const;
  // One step: the word before, i64 [B]; the state moves on.
  Decoded step(const Tensor& words, DecoderState& state) const;

  void visit(Visitor& v) override;

 private:
  Variable gates(const Tensor& words, const DecoderState& state) const;      // [B, T] -> [B, T, G]
  Variable logits(const Variable& hidden, const DecoderState& state) const;  // [B, T, H] -> [B, T, V]
};

// When a decoder looks.
enum class Looking {
  before,  // the state before the step asks, and what it saw is read with the word (Bahdanau, Cho & Bengio 2015)
  after,   // the state after the step asks, and what it saw goes to the output only (Luong, Pham & Manning 2015, §3.1)
};

struct AttentionDecoderConfig {
  Recurrence kind = Recurrence::gru;
  int64_t vocab = 0;
  int64_t embedding = 0;                              // E
  int64_t hidden = 0;                                 // H
  int64_t summary = 0;                                // D
  int64_t memory = 0;                                 // M
  ScoreConfig score = {.kind = ScoreKind::additive};  // query_dim becomes H, key_dim M
  Looking looking = Looking::before;
};

// At each step the state asks the memory, and what comes back, weighted by the score, is the context of that step. The
// memory is a set: the order of its vectors does not matter, and they may come from anywhere, as the cells of an
// image's grid. The logits are read from tanh(W [context; h]) (Luong et al. 2015, eq. 5).
struct AttentionDecoder : Module {
  Embedding embedding;
  Linear start_state;
  RecurrentCell cell;
  Score score;
  std::optional<Linear> context_input;  // the context's part of the gates, where it is looked at before the step
  Linear combine;
  Linear output;

  AttentionDecoder(const AttentionDecoderConfig& config, Rng& rng);

  // As ContextDecoder's. Looking after the step, all T queries ask at once.
  DecoderState start(const Encoded& encoded) const;
  Decoded operator()(const Tensor& words, DecoderState state) const;
  Decoded step(const Tensor& words, DecoderState& state) const;

  void visit(Visitor& v) override;

 private:
  Attention look(const Variable& hidden, const DecoderState& state) const;  // [B, T, H] -> [B, T, M], [B, T, S]
  Attention advance(const Variable& gates, DecoderState& state) const;      // [B, G] -> [B, M], [B, S]
  Variable logits(const Variable& hidden, const Variable& context) const;   // [..., H], [..., M] -> [..., V]
};

}  // namespace fovea::nn
