// A training run in one file: weights, optimiser, random state, position, and the command line that made it.
//
// The file is a .safetensors whose tensors are named "model.PATH", "optimiser.PATH" and "random.PATH"; the rest lies
// in its metadata, with a checksum over everything. It replaces the one before in one step, and that one is kept under
// the name previous_version() says.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "nn/module.h"
#include "optim/optimizer.h"

namespace fovea::lib {

struct Checkpoint {
  int64_t step = 0;                          // finished steps
  std::vector<std::string> arguments;        // of the program, complete
  std::u32string characters;                 // the vocabulary
  uint64_t text_checksum = 0;                // of what it trains on
  double loss_sum = 0;                       // of the steps since the latest evaluation …
  int64_t loss_count = 0;                    // … and their number
  std::map<std::string, Tensor> model;       // by path
  std::map<std::string, Tensor> optimiser;   // by path
  std::map<std::string, Tensor> generators;  // i64 [3] each, by path
};

// Takes in and puts back what a model and an optimiser hold; `batches` draws the training batches.
void collect(Checkpoint& into, nn::Module& model, const optim::Optimizer& optimiser, const Rng& batches);
void restore(const Checkpoint& from, nn::Module& model, optim::Optimizer& optimiser, Rng& batches);

// Throws FileError: what cannot be written, read, or does not carry the checksum it should.
void save_checkpoint(const std::string& path, const Checkpoint& checkpoint);
Checkpoint load_checkpoint(const std::string& path);

// One number for all weights: two runs that end with the same bits show the same.
uint64_t weights_checksum(nn::Module& model);

}  // namespace fovea::lib
