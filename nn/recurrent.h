// Recurrent networks: a state that reads a sequence step by step, h_t = f(x_t, h_{t−1}). One step (RecurrentCell) and
// whole sequences (Recurrent: stacked, in both directions, of different lengths).
//
// B sequences, T steps, C channels of the input, H of the state, D directions (1 or 2), G = gates · H: the parts of a
// step, side by side, so that each matrix is one product.
#pragma once
#include "autograd/views.h"
#include "nn/dropout.h"
#include "nn/module.h"

namespace fovea::nn {

enum class Recurrence {
  tanh,  // h' = tanh(x W + h U + b)                                                           (Elman 1990)
  relu,  // the same with relu
  gru,   // reset, update, new (Cho et al. 2014), the reset gate after the product, as PyTorch and cuDNN have it:
         //   r, z = σ(x W + h U + b),  n = tanh(x W + b + r ∘ (h U + b_reset)),  h' = (1 − z) ∘ n + z ∘ h
  lstm,  // input, forget, cell, output (Hochreiter & Schmidhuber 1997, Gers et al. 2000):
         //   i, f, o = σ(x W + h U + b),  g = tanh(x W + h U + b),  c' = f ∘ c + i ∘ g,  h' = o ∘ tanh(c')
};

// What is handed on from step to step.
struct RecurrentState {
  Variable hidden;  // h [B, H], what others get to see
  Variable memory;  // c [B, H] of an LSTM, else undefined
};

// The state where `keep` (bool [B, 1]) is true is `a`, elsewhere `b`.
RecurrentState where(const Tensor& keep, const RecurrentState& a, const RecurrentState& b);

struct RecurrentCell : Module {
  Parameter input_weight;   // W [C, G]
  Parameter hidden_weight;  // U [H, G]; both uniform within ±1/√H at first
  Parameter bias;        // b [G]: 0 at first, the forget gate's 1, so that an LSTM remembers (Jozefowicz et al. 2015)
  Parameter reset_bias;  // b_reset [H] of a GRU, else undefined
  Recurrence kind;

  RecurrentCell(Recurrence kind, int64_t in, int64_t hidden, Rng& rng);

  // One step: x [B, C] -> the next state.
  RecurrentState operator()(const Variable& x, const RecurrentState& state) const { return step(project(x), state); }

  // Its two halves. What x adds to the gates does not depend on the state, so a sequence that is known beforehand is
  // projected in one product, [B, T, C] -> [B, T, G], and only step() runs T times, on [B, G].
  Variable project(const Variable& x) const;
  RecurrentState step(const Variable& gates, const RecurrentState& state) const;

  RecurrentState zero_state(int64_t batch) const;
  int64_t hidden() const { return hidden_weight.size(0); }

  void visit(Visitor& v) override;
};

struct RecurrentConfig {
  Recurrence kind = Recurrence::gru;
  int64_t in = 0;      // C
  int64_t hidden = 0;  // H
  int64_t layers = 1;  // each reads what the one below puts out
  bool bidirectional = false;
  double dropout = 0;  // between the layers
};

struct RecurrentOutput {
  Variable output;                     // [B, T, D·H]: the hidden states of the last layer, forward then backward
  std::vector<RecurrentState> states;  // the final ones, [layer · D + direction]
};

struct Recurrent : Module {
  std::vector<RecurrentCell> cells;  // [layer · D + direction]; direction 1 reads from the end
  Dropout dropout;
  bool bidirectional;

  Recurrent(const RecurrentConfig& config, Rng& rng);

  // x [B, T, C]. `lengths` (i64 [B], 0 … T; undefined: all T) says how many steps of each sequence are real: what lies
  // beyond leaves the state as it is and puts out 0, and the backward direction begins at the last real step.
  // (PyTorch's pack_padded_sequence; no order is asked for.) `initial`: a state for each cell, [layer · D + direction];
  // none: 0.
  RecurrentOutput operator()(const Variable& x, const Tensor& lengths = {},
                             const std::vector<RecurrentState>& initial = {}) const;

  int64_t directions() const { return bidirectional ? 2 : 1; }
  int64_t layers() const { return int64_t(cells.size()) / directions(); }
  int64_t output_dim() const { return directions() * cells[0].hidden(); }  // D · H

  void visit(Visitor& v) override;
};

// bool [B, T], true: a real step of a sequence of that length. Lengths outside 0 … T are an error.
Tensor real_steps(const char* operation, const Tensor& lengths, int64_t batch, int64_t time);

}  // namespace fovea::nn
