// Choosing the next token from a model's logits.
#pragma once
#include "tensor/random.h"
#include "tensor/tensor.h"

namespace fovea::lib {

struct Sampling {
  double temperature = 1;  // logits are divided by it; 0 takes the most likely token
  int64_t top_k = 0;       // only the k most likely; 0: all
  double top_p = 1;        // only the most likely that together reach this probability (Holtzman et al. 2020)
};

// logits [V] -> the index of a token.
int64_t sample_token(const Tensor& logits, const Sampling& how, Rng& rng);

}  // namespace fovea::lib
