// The table of operation cases: what the tests of gradients, dtypes, strides, instruction sets, threads and sabotage
// run over. A row is a function and the shapes of its inputs; everything else is derived from it. A new operation gets
// a row in one of op_cases_*.cpp; an operation without one fails test_op_table.cpp.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "autograd/variable.h"
#include "tensor/random.h"

namespace fovea::tests {

using In = std::span<const Variable>;

// How an input is filled.
enum class Fill {
  normal,    // mean 0, deviation 1
  positive,  // [0.3, 2)
  clear,     // magnitude [0.2, 2), either sign: away from kinks at 0
  distinct,  // well apart from each other, in random order: away from ties
};

struct Input {
  Shape shape;
  Fill fill;
};
inline Input normal(const Shape& shape) { return {shape, Fill::normal}; }
inline Input positive(const Shape& shape) { return {shape, Fill::positive}; }
inline Input clear(const Shape& shape) { return {shape, Fill::clear}; }
inline Input distinct(const Shape& shape) { return {shape, Fill::distinct}; }

// Which sizes a function can do with.
enum class Sizes {
  any,    // each size may become 1, 0, or large
  some,   // 1 or large, but not 0
  many,   // large, but not 0 or 1
  fixed,  // only those that stand there
};

struct OpCase {
  std::string name;
  Sizes sizes;
  std::vector<Input> inputs;
  std::function<Variable(In)> fn;  // must take inputs of f32 and f64
};

const std::vector<OpCase>& op_cases();

// The inputs of a row, filled anew the same way each time, in f64 with numbers that f32 holds too.
std::vector<Tensor> make_inputs(const OpCase& row);

// Rows whose sizes differ from the table's: each size replaced by 1, by 0, all of them by large ones.
std::vector<OpCase> with_small_sizes(const OpCase& row);
OpCase with_large_sizes(const OpCase& row);

// The same numbers in another layout, with NaN in between.
Tensor transposed_layout(const Tensor& x);
Tensor gapped_layout(const Tensor& x);

// y and the gradient of every input (zeros where none arrived) for a random cotangent.
struct Outcome {
  std::vector<Tensor> tensors;        // y, then the gradients
  std::vector<std::string> recorded;  // the operations on the tape
};
Outcome run_case(const OpCase& row, const std::vector<Tensor>& inputs);

// The parts of the table.
std::vector<OpCase> elementwise_cases();
std::vector<OpCase> row_cases();   // reductions, softmax, norms, losses, products
std::vector<OpCase> move_cases();  // views, indexing
std::vector<OpCase> attention_cases();
std::vector<OpCase> convolution_cases();

}  // namespace fovea::tests
