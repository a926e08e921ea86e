// Writing a sequence word by word with any model that can say, after each word, how likely every next one is: the
// likeliest word again and again, or the likeliest sequence among the best few.
//
// B sequences are written at once; N hypotheses are alive in all; V words in the vocabulary.
#pragma once
#include <functional>
#include <vector>

#include "tensor/tensor.h"

namespace fovea::nn {

// One step of a model. words i64 [N]: the word that each hypothesis wrote last (at first the start word, N = B);
// rows i64 [N]: which row of the step before each hypothesis continues (at first 0 … B−1), by which the model picks
// the states it has kept. -> the logits of the next word, [N, V].
using WritingStep = std::function<Tensor(const Tensor& words, const Tensor& rows)>;

struct WritingConfig {
  int64_t start = 0;         // the word that stands before the first
  int64_t end = 0;           // the word after which a sequence is over
  int64_t max_length = 100;  // words at most, the end word included
};

// The likeliest word at each step: i64 [B, n], n ≤ max_length. A sequence that has said `end` is filled up with it;
// writing stops when all have. (Those that are over go through the steps like the others.)
Tensor greedy_search(const WritingStep& step, int64_t batch, const WritingConfig& config);

struct Hypothesis {
  std::vector<int64_t> words;  // without the start word and the end word
  bool ended = false;          // whether it said `end`, and was not cut off at max_length
  double log_probability = 0;  // of all its words, the end word included
  double score = 0;            // log_probability / ((5 + length) / 6)^α, the end word counting in the length
};

struct BeamConfig {
  int64_t width = 4;          // hypotheses that are followed per sequence
  double length_penalty = 0;  // α ≥ 0: makes up for each word's costing probability (Wu et al. 2016, §7); 0: does not
};

// For each of B sequences the best hypotheses found, at most `width`, the best score first. At each step every live
// hypothesis is continued by every word and the best `width` of the continuations live on; one that ends among the best
// `width` is a result. Done when no live one can become better than the results, or at max_length. Width 1 and α 0 are
// greedy_search.
std::vector<std::vector<Hypothesis>> beam_search(const WritingStep& step, int64_t batch, const WritingConfig& config,
                                                 const BeamConfig& beam = {});

}  // namespace fovea::nn
