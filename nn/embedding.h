// Embedding: a table with one row per word, looked up by number.
#pragma once
#include "autograd/indexing.h"
#include "nn/init.h"
#include "nn/module.h"

namespace fovea::nn {

struct Embedding : Module {
  Parameter weight;  // [words, dim], normal at first

  Embedding(int64_t words, int64_t dim, Rng& rng, double deviation = 1)
      : weight(normal({words, dim}, 0, deviation, rng)) {}

  Variable operator()(const Tensor& numbers) const {  // i64 [...]; a number outside [0, words) is an error
    Scope scope(*this);
    return take_rows(weight, numbers);  // [..., dim]
  }

  void visit(Visitor& v) override { v("weight", weight); }
};

}  // namespace fovea::nn
