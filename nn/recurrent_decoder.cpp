#include "nn/recurrent_decoder.h"

#include "autograd/indexing.h"
#include "autograd/matmul.h"
#include "tensor/indexing.h"

namespace fovea::nn {
namespace {

// The state may need two vectors, an LSTM's hidden one and its memory: both are cut from one projection of c.
Linear make_start(Recurrence kind, int64_t summary, int64_t hidden, Rng& rng) {
  return Linear(summary, kind == Recurrence::lstm ? 2 * hidden : hidden, rng);
}

RecurrentState start_from(const Linear& start, const RecurrentCell& cell, const Variable& summary) {
  if (summary.rank() != 2 || summary.size(1) != start.weight.size(0))
    fail(ErrorKind::shape, "decoder: the summary must be [batch, ", start.weight.size(0), "], got ", summary.shape());
  const Variable both = tanh(start(summary));
  const int64_t n = cell.hidden();
  if (cell.kind != Recurrence::lstm) return {both, {}};
  return {narrow(both, 1, 0, n), narrow(both, 1, n, n)};
}

// A mask for all steps, with a row per sequence, so that rows() can pick: [B, 1, S].
Mask for_each_sequence(const Mask& mask, int64_t batch, int64_t vectors) {
  if (mask.is_causal()) fail(ErrorKind::value, "decoder: the memory is a set, which has no causal mask");
  const Tensor& kept = mask.kept();
  if (!kept.defined()) return {};
  const Shape wanted{batch, 1, vectors};
  return Mask::keep(kept.count() == batch * vectors ? reshape(kept, wanted) : expand(kept, wanted));
}

void check_words(const Tensor& words, int rank, const DecoderState& state) {
  if (words.dtype() != DType::i64 || words.rank() != rank || words.size(0) != state.recurrent.hidden.size(0))
    fail(ErrorKind::shape, "decoder: words must be i64 [", state.recurrent.hidden.size(0),
         rank == 2 ? ", time], got " : "], got ", words.dtype(), " ", words.shape());
}

Variable joined(const std::vector<Variable>& steps) {  // T times [B, n] -> [B, T, n]
  return reshape(cat(steps, 1), {steps[0].size(0), int64_t(steps.size()), steps[0].size(1)});
}

// The states of all steps, from the inputs of their gates: [B, T, G] -> [B, T, H].
Variable states_of(const RecurrentCell& cell, const Variable& gates, RecurrentState state) {
  std::vector<Variable> hidden;
  for (int64_t t = 0; t < gates.size(1); ++t) {
    state = cell.step(select(gates, 1, t), state);
    hidden.push_back(state.hidden);
  }
  return joined(hidden);
}

Variable rows_of(const Variable& x, const Tensor& index) { return x.defined() ? index_select(x, 0, index) : x; }

}  // namespace

DecoderState DecoderState::rows(const Tensor& index) const {
  if (identical(index, arange(recurrent.hidden.size(0)))) return *this;
  const Tensor& kept = mask.kept();
  return {{rows_of(recurrent.hidden, index), rows_of(recurrent.memory, index)},
          rows_of(summary, index),
          rows_of(keys, index),
          rows_of(values, index),
          kept.defined() ? Mask::keep(index_select(kept, 0, index)) : Mask()};
}

// --- the summary alone -----------------------------------------------------------------------------------------------

ContextDecoder::ContextDecoder(const ContextDecoderConfig& c, Rng& rng)
    : embedding(c.vocab, c.embedding, rng),
      start_state(make_start(c.kind, c.summary, c.hidden, rng)),
      cell(c.kind, c.embedding, c.hidden, rng),
      output(c.hidden, c.vocab, rng) {
  if (!c.every_step) return;
  summary_input.emplace(LinearConfig{.in = c.summary, .out = cell.bias.count(), .bias = false}, rng);
  summary_output.emplace(LinearConfig{.in = c.summary, .out = c.vocab, .bias = false}, rng);
}

DecoderState ContextDecoder::start(const Encoded& encoded) const {
  Scope scope(*this);
  DecoderState state;
  state.recurrent = start_from(start_state, cell, encoded.summary);
  if (summary_input) state.summary = encoded.summary;
  return state;
}

Variable ContextDecoder::gates(const Tensor& words, const DecoderState& state) const {
  const Variable of_words = cell.project(embedding(words));  // [B, T, G]
  return summary_input ? of_words + unsqueeze((*summary_input)(state.summary), 1) : of_words;
}

Variable ContextDecoder::logits(const Variable& hidden, const DecoderState& state) const {
  const Variable of_states = output(hidden);  // [B, T, V]
  return summary_output ? of_states + unsqueeze((*summary_output)(state.summary), 1) : of_states;
}

Decoded ContextDecoder::operator()(const Tensor& words, DecoderState state) const {
  Scope scope(*this);
  check_words(words, 2, state);
  return {logits(states_of(cell, gates(words, state), state.recurrent), state), {}};
}

Decoded ContextDecoder::step(const Tensor& words, DecoderState& state) const {
  Scope scope(*this);
  check_words(words, 1, state);
  const Variable inputs = gates(unsqueeze(words, 1), state);  // [B, 1, G]
  state.recurrent = cell.step(squeeze(inputs, 1), state.recurrent);
  return {squeeze(logits(unsqueeze(state.recurrent.hidden, 1), state), 1), {}};
}

void ContextDecoder::visit(Visitor& v) {
  v("embedding", embedding);
  v("start_state", start_state);
  v("cell", cell);
  v("summary_input", summary_input);
  v("summary_output", summary_output);
  v("output", output);
}

// --- attention -------------------------------------------------------------------------------------------------------

AttentionDecoder::AttentionDecoder(const AttentionDecoderConfig& c, Rng& rng)
    : embedding(c.vocab, c.embedding, rng),
      start_state(make_start(c.kind, c.summary, c.hidden, rng)),
      cell(c.kind, c.embedding, c.hidden, rng),
      score([&] {
        ScoreConfig config = c.score;
        config.query_dim = c.hidden;
        config.key_dim = c.memory;
        return Score(config, rng);
      }()),
      combine(c.memory + c.hidden, c.hidden, rng),
      output(c.hidden, c.vocab, rng) {
  if (c.looking == Looking::before)
    context_input.emplace(LinearConfig{.in = c.memory, .out = cell.bias.count(), .bias = false}, rng);
}

DecoderState AttentionDecoder::start(const Encoded& encoded) const {
  Scope scope(*this);
  const Variable& memory = encoded.memory;
  const int64_t width = combine.weight.size(0) - cell.hidden();
  if (memory.rank() != 3 || memory.size(0) != encoded.summary.size(0) || memory.size(2) != width)
    fail(ErrorKind::shape, "decoder: the memory must be [", encoded.summary.size(0), ", vectors, ", width, "], got ",
         memory.shape());
  return {start_from(start_state, cell, encoded.summary),
          {},
          score.project_keys(memory),
          memory,
          for_each_sequence(encoded.mask, memory.size(0), memory.size(1))};
}

Attention AttentionDecoder::look(const Variable& hidden, const DecoderState& state) const {
  return pool_by_scores(score.score_projected(hidden, state.keys), state.values, state.mask);
}

Attention AttentionDecoder::advance(const Variable& gates, DecoderState& state) const {
  if (!context_input) state.recurrent = cell.step(gates, state.recurrent);
  const Attention seen = look(unsqueeze(state.recurrent.hidden, 1), state);
  const Variable context = squeeze(seen.output, 1);
  if (context_input) state.recurrent = cell.step(gates + (*context_input)(context), state.recurrent);
  return {context, squeeze(seen.weights, 1)};
}

Variable AttentionDecoder::logits(const Variable& hidden, const Variable& context) const {
  return output(tanh(combine(cat({context, hidden}, -1))));
}

Decoded AttentionDecoder::operator()(const Tensor& words, DecoderState state) const {
  Scope scope(*this);
  check_words(words, 2, state);
  const Variable gates = cell.project(embedding(words));  // [B, T, G]
  if (!context_input) {
    const Variable hidden = states_of(cell, gates, state.recurrent);  // [B, T, H]
    const Attention seen = look(hidden, state);
    return {logits(hidden, seen.output), seen.weights};
  }
  std::vector<Variable> hidden, context, weights;
  for (int64_t t = 0; t < gates.size(1); ++t) {
    const Attention seen = advance(select(gates, 1, t), state);
    hidden.push_back(state.recurrent.hidden);
    context.push_back(seen.output);
    weights.push_back(seen.weights);
  }
  return {logits(joined(hidden), joined(context)), joined(weights)};
}

Decoded AttentionDecoder::step(const Tensor& words, DecoderState& state) const {
  Scope scope(*this);
  check_words(words, 1, state);
  const Attention seen = advance(cell.project(embedding(words)), state);
  return {logits(state.recurrent.hidden, seen.output), seen.weights};
}

void AttentionDecoder::visit(Visitor& v) {
  v("embedding", embedding);
  v("start_state", start_state);
  v("cell", cell);
  v("score", score);
  v("context_input", context_input);
  v("combine", combine);
  v("output", output);
}

}  // namespace fovea::nn
