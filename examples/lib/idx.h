// IDX files, the format of MNIST (http://yann.lecun.com/exdb/mnist): a header of sizes, then bytes.
//
//   const Tensor images = read_idx("train-images-idx3-ubyte", DType::f32) * (1.0 / 255);  // [60000, 28, 28]
//   const Tensor labels = read_idx("train-labels-idx1-ubyte");                            // [60000]
#pragma once
#include <string>

#include "tensor/tensor.h"

namespace fovea::lib {

// The numbers of a file of unsigned bytes, i64 or f32 in the file's shape. Throws FileError for a file that cannot be
// read, is compressed, holds another type of number, or is longer or shorter than its header says.
Tensor read_idx(const std::string& path, DType dtype = DType::i64);

}  // namespace fovea::lib
