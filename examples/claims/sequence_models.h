// Models that read one sequence and write another, as the experiments use them: taught by teacher forcing on pairs that
// are made as they go, then left to write by themselves.
#pragma once
#include "examples/claims/training.h"
#include "examples/lib/sequences.h"
#include "nn/seq2seq.h"
#include "nn/transformer.h"

namespace fovea::claims {

using Batches = std::function<SequencePairs()>;  // a fresh one at each call

// At each place the words before it are the right ones, whatever the model would have written. Returns the losses.
std::vector<double> teach(const Run& run, nn::Seq2Seq& model, const Training& training, const Batches& batch);
std::vector<double> teach(const Run& run, nn::Transformer& model, const Training& training, const Batches& batch);

// What a model writes by itself, the likeliest word at each step, as many of them as the targets have at most.
nn::Written written_by(const nn::Seq2Seq& model, const SequencePairs& pairs);
Tensor written_by(const nn::Transformer& model, const SequencePairs& pairs);  // i64 [B, n]

// Whether each place of the target was written as it should be: bool [B, T]. Nothing was written beyond `written`.
Tensor right_places(const Tensor& written, const Tensor& target);

}  // namespace fovea::claims
