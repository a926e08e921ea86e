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

// B's rows are contiguous. P of them at a time are added to c, which stays in the cache.
template <class T, int P> FOVEA_INLINE void add_rows(int64_t n, const T* a, const T* b, int64_t row, T* c) {
  constexpr int L = Vec<T>::size;
  int64_t j = 0;
  for (; j + L <= n; j += L) {
    Vec<T> sum = Vec<T>::load(c + j);
    FOVEA_EACH_LANE
    for (int p = 0; p < P; ++p) sum = fma(Vec<T>(a[p]), Vec<T>::load(b + p * row + j), sum);
    sum.store(c + j);
  }
  for (; j < n; ++j) {
    for (int p = 0; p < P; ++p) c[j] = fma_one(a[p], b[p * row + j], c[j]);
  }
}

template <class T>
void multiply_row(int64_t n, int64_t k, const T* a, const T* b, int64_t row, int64_t col, T beta, T* c) {
  if (col == 1) {
    constexpr int P = 8;
    for (int64_t j = 0; j < n; ++j) c[j] = beta == T(0) ? T(0) : beta * c[j];
    int64_t p = 0;
    for (; p + P <= k; p += P) add_rows<T, P>(n, a + p, b + p * row, row, c);
    for (; p < k; ++p) add_rows<T, 1>(n, a + p, b + p * row, row, c);
    return;
  }
  // B is transposed: it is turned, a piece at a time, in the first-level cache.
  constexpr int L = Vec<T>::size, V = 4, N = V * L, K = 4096 / N;
  alignas(64) T turned[K * N];
  for (int64_t j = 0; j < n; j += N) {
    const int columns = n - j < N ? int(n - j) : N;
    for (int64_t p = 0; p < k; p += K) {
      const int64_t depth = k - p < K ? k - p : K;
      pack_panel<T>(depth, columns, N, b + p * row + j * col, row, col, turned);
      multiply_tile<T, 1, V>({.k = depth,
                              .a = a + p,
                              .a_row = 0,
                              .a_col = 1,
                              .b = turned,
                              .b_row = N,
                              .beta = p == 0 ? beta : T(1),
                              .c = c + j,
                              .ldc = n,
                              .valid = columns});
    }
  }
}

}  // namespace
}  // namespace fovea
