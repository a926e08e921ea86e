// The table of reductions that each instruction set fills (reduce.cpp). Every reduction of f32 or f64 folds its
// elements into f64, which keeps sums of any length accurate.
#pragma once
#include <cstdint>

namespace fovea {

// What is folded; centre is a number per result, given beside the elements.
enum class Reduction {
  sum,      // Σ x
  abs_sum,  // Σ |x|
  squares,  // Σ (x - centre)²
  exps,     // Σ exp(x - centre), centre ≥ x and itself a number of x's type
  product,  // Π x
  minimum,  // NaN if any is NaN
  maximum,
  count
};

template <class T> struct ReduceTable {
  // Along rows of n: row r begins at x + r · row_stride. centre and out: [rows].
  using Rows = void (*)(int64_t rows, int64_t n, const T* x, int64_t row_stride, const double* centre, double* out);
  // Along the columns of n rows: out[j] folds x[i · row_stride + j] over i, one row after another.
  using Columns = void (*)(int64_t n, int64_t columns, const T* x, int64_t row_stride, const double* centre,
                           double* out);

  Rows rows[int(Reduction::count)];
  Columns columns[int(Reduction::count)];
  int64_t (*find)(int64_t n, const T* x, T value);  // where value (or NaN, if it is one) stands first
};

struct ReduceKernels {
  ReduceTable<float> f32;
  ReduceTable<double> f64;
};

}  // namespace fovea
