// A row times a matrix, c = a B + beta c: one multiplication for each element of B that is read, so the memory sets
// the speed and the order of reading is all that matters.
#pragma once
#include "tensor/kernels/gemm_pack.h"
#include "tensor/kernels/simd.h"

namespace fovea {
namespace {

template <class T> FOVEA_INLINE T fma_one(T a, T b, T c) {  // rounded as Vec's fma is
  if constexpr (!kFused) return a * b + c;
  if constexpr (sizeof(T) == 4) return __builtin_fmaf(a, b, c);
  return __builtin_fma(a, b, c);
}

template <class T> FOVEA_INLINE void scale(int64_t n, T beta, T* c) {
  for (int64_t j = 0; j < n; ++j) c[j] = beta == T(0) ? T(0) : beta * c[j];
}

// B's rows are contiguous. P of them at a time are added to c, which stays in the cache.
template <class T, int P> FOVEA_INLINE void add_rows(int64_t n, const T* a, const T* b, int64_t row, T* c) {
  constexpr int L = Vec<T>::size;
  int64_t j = 0;
  for (; j + L <= n; j += L) {
    Vec<T> sum = Vec<T>::load(c + j);
    for (int p = 0; p < P; ++p) sum = fma(Vec<T>(a[p]), Vec<T>::load(b + p * row + j), sum);
    sum.store(c + j);
  }
  for (; j < n; ++j) {
    for (int p = 0; p < P; ++p) c[j] = fma_one(a[p], b[p * row + j], c[j]);
  }
}

// B's columns are contiguous (B is transposed). S vectors of columns at a time, turned in registers.
template <class T, int S> FOVEA_INLINE void add_columns(int64_t k, const T* a, const T* b, int64_t col, T* c) {
  constexpr int L = Vec<T>::size, G = kGroup<L>;
  Vec<T> sum[S];
  for (int s = 0; s < S; ++s) sum[s] = Vec<T>::load(c + s * L);
  int64_t p = 0;
  for (; p + G <= k; p += G) {
    for (int s = 0; s < S; ++s) {
      typename Vec<T>::Raw column[G];
      load_columns<T, L>(b + s * L * col + p, col, column);
      for (int q = 0; q < G; ++q) sum[s] = fma(Vec<T>(a[p + q]), Vec<T>(column[q]), sum[s]);
    }
  }
  for (int s = 0; s < S; ++s) sum[s].store(c + s * L);
  for (; p < k; ++p) {
    for (int j = 0; j < S * L; ++j) c[j] = fma_one(a[p], b[j * col + p], c[j]);
  }
}

template <class T>
void multiply_row(int64_t n, int64_t k, const T* a, const T* b, int64_t row, int64_t col, T beta, T* c) {
  constexpr int L = Vec<T>::size, P = 8, S = 4;
  scale(n, beta, c);
  if (col == 1) {
    int64_t p = 0;
    for (; p + P <= k; p += P) add_rows<T, P>(n, a + p, b + p * row, row, c);
    for (; p < k; ++p) add_rows<T, 1>(n, a + p, b + p * row, row, c);
    return;
  }
  int64_t j = 0;
  for (; j + S * L <= n; j += S * L) add_columns<T, S>(k, a, b + j * col, col, c + j);
  for (; j + L <= n; j += L) add_columns<T, 1>(k, a, b + j * col, col, c + j);
  for (; j < n; ++j) {
    for (int64_t p = 0; p < k; ++p) c[j] = fma_one(a[p], b[j * col + p * row], c[j]);
  }
}

}  // namespace
}  // namespace fovea
