// The table of matrix-product kernels that one instruction-set level offers to tensor/gemm.cpp.
//
// An operand is seen with two strides: element (i, j) lies at data[i * row + j * col], and one of the two is 1. A
// transposition is nothing but the other stride being 1.
#pragma once
#include <cstdint>

namespace fovea {

template <class T> struct GemmTable {
  // A tile of C is mr rows by nr columns. `block` takes kc of the inner axis at a time, and is fastest where its B has
  // no more than block_size elements: they stay in the second-level cache.
  int64_t mr, nr, kc, block_size;

  // Packs alpha * A, [m, k], for `block`: tile after tile, in each the k columns of its rows one after another. Takes
  // at most m * (k + 16) elements.
  void (*pack_a)(int64_t m, int64_t k, T alpha, const T* a, int64_t row, int64_t col, T* packed);

  // Packs B, [k, n], for `block`: panels of nr columns (the last one filled up with zeros to whole vectors), in each
  // the k rows one after another. Takes (k + 1) * nr elements a panel.
  void (*pack_b)(int64_t k, int64_t n, const T* b, int64_t row, int64_t col, T* packed);

  // C[m, n] = A B, or += A B, with k <= kc; each operand packed, or as it lies in memory. Where the rows of B do, they
  // may be packed on the way: `space`, if it is given, holds as many elements as pack_b takes.
  struct Operand {
    const T* data;
    int64_t row, col;
    bool packed;
  };
  void (*block)(int64_t m, int64_t n, int64_t k, Operand a, Operand b, T* space, bool add, T* c, int64_t ldc);

  // One row, c[n] = a[k] B, or += a[k] B, with B read once and in the order of memory; a and c are contiguous.
  void (*row)(int64_t n, int64_t k, const T* a, const T* b, int64_t b_row, int64_t b_col, bool add, T* c);

  // Multiplies and adds in registers alone, peak_flops operations a step: the most that any kernel can reach.
  T (*peak)(int64_t steps, T factor, T term);
  int64_t peak_flops;
};

struct GemmKernels {
  GemmTable<float> f32;
  GemmTable<double> f64;
};

}  // namespace fovea
