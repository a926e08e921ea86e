// Tensors as text, as NumPy prints them: columns aligned, long axes summarised with "...", the scientific form where
// the numbers' sizes are far apart. A closing line names dtype and shape.
//
//   [[ 1.    2.5 ]
//    [-3.25   inf]]
//   f32 [2, 2]
#pragma once
#include <ostream>
#include <string>

#include "tensor/tensor.h"

namespace fovea {

struct PrintOptions {
  int precision = 4;         // digits after the point, at most
  int64_t threshold = 1000;  // more elements than that are summarised …
  int64_t edge_items = 3;    // … to so many at each end of an axis
  int line_width = 75;       // characters before a row is broken
  bool closing_line = true;  // dtype and shape; a tensor without axes never has it
};

std::string to_string(const Tensor& x, const PrintOptions& options = {});
std::ostream& operator<<(std::ostream& out, const Tensor& x);

}  // namespace fovea
