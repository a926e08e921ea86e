// Pictures, each with a number that says what it shows: what a classifier learns from. scenes.h paints such pictures;
// those of MNIST, and of others in its format (Fashion-MNIST, KMNIST), are read from its four files.
//
//   const Mnist digits = read_mnist("downloads/mnist");
//   const Pictures batch = some_of(digits.train, 32, rng);
//
// N pictures of C channels, H high and W wide; row 0 is the top.
#pragma once
#include <string>

#include "tensor/random.h"
#include "tensor/tensor.h"

namespace fovea::lib {

struct Pictures {
  Tensor images;        // f32 [N, C, H, W] in [0, 1]
  Tensor labels;        // i64 [N], each in 0 … classes − 1
  int64_t classes = 0;  // how many there are to tell apart

  int64_t count() const { return labels.size(0); }
};

// So many of them, drawn one by one: the same picture may come twice.
Pictures some_of(const Pictures& all, int64_t count, Rng& rng);

struct Mnist {
  Pictures train, test;  // of 1 channel
};

// The folder's train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte,
// also under names with a dot, train-images.idx3-ubyte. Throws FileError: a file that is missing, still compressed or
// broken, or files that do not fit together.
Mnist read_mnist(const std::string& folder);

}  // namespace fovea::lib
