// What char_gpt can be told on its command line, with the defaults.
#pragma once
#include "examples/lib/args.h"

namespace fovea::lib {

struct CharGptOptions {
  std::vector<std::string> text;  // none: the program's own sources
  int64_t layers = 4, heads = 4, dim = 128, context = 64;
  std::string positions = "learned";
  int64_t batch = 12, steps = 1000;
  double lr = 1e-3, min_lr = 1e-4;
  int64_t warmup = 100;
  double weight_decay = 0.1, beta2 = 0.99, clip = 1, dropout = 0;
  int64_t seed = 1337, threads = 0;
  int64_t eval_every = 250, eval_batches = 0;
  std::string out = "char_gpt_run";
  bool resume = false, profile = false;

  bool generate = false;
  std::string prompt;
  int64_t tokens = 500;
  double temperature = 0.8, top_p = 1;
  int64_t top_k = 0;
};

// The flags, bound to those members, which must outlive the result.
Args declare_flags(CharGptOptions& options);

}  // namespace fovea::lib
