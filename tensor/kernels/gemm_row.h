// A row times a matrix, c = a B or c += a B: one multiplication for each element of B that is read, so the memory sets
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

// B is transposed: the elements of a row of memory are one chain. V vectors of c take V * L rows of memory, turned in
// registers a few columns at a time.
template <class T, int V>
FOVEA_INLINE void multiply_rows_of_memory(int64_t k, const T* a, const T* b, int64_t ld, bool add, T* c) {
  constexpr int L = Vec<T>::size, C = kColumns<L>;
  Vec<T> sum[V];
  FOVEA_EACH_LANE
  for (int v = 0; v < V; ++v) sum[v] = add ? Vec<T>::load(c + v * L) : Vec<T>(T(0));
  int64_t p = 0;
  for (; p + C <= k; p += C) {
    FOVEA_EACH_LANE
    for (int v = 0; v < V; ++v) {
      typename Vec<T>::Raw column[C];
      load_columns<T, L>(b + v * L * ld + p, ld, column);
      FOVEA_EACH_LANE
      for (int q = 0; q < C; ++q) sum[v] = fma(Vec<T>(a[p + q]), Vec<T>(column[q]), sum[v]);
    }
  }
  for (int v = 0; v < V; ++v) sum[v].store(c + v * L);
  for (; p < k; ++p) {
    for (int j = 0; j < V * L; ++j) c[j] = fma_one(a[p], b[j * ld + p], c[j]);
  }
}

// As many whole strips of V * L rows of memory as n holds; returns how many elements of c that is.
template <class T, int V>
int64_t multiply_strips(int64_t n, int64_t k, const T* a, const T* b, int64_t ld, bool add, T* c) {
  constexpr int N = V * Vec<T>::size;
  int64_t j = 0;
  for (; j + N <= n; j += N) multiply_rows_of_memory<T, V>(k, a, b + j * ld, ld, add, c + j);
  return j;
}

template <class T>
void multiply_row(int64_t n, int64_t k, const T* a, const T* b, int64_t row, int64_t col, bool add, T* c) {
  if (col == 1) {
    constexpr int P = 6;  // so many streams of memory are fetched ahead without trouble
    for (int64_t j = 0; !add && j < n; ++j) c[j] = T(0);
    int64_t p = 0;
    for (; p + P <= k; p += P) add_rows<T, P>(n, a + p, b + p * row, row, c);
    for (; p < k; ++p) add_rows<T, 1>(n, a + p, b + p * row, row, c);
    return;
  }
  // Where few columns are turned at a time, two chains hide an fma's latency better than one; but rows a multiple of
  // 4 KiB apart share a few sets of the cache.
  const bool one = kVectorBytes == 64 || col * int64_t(sizeof(T)) % 4096 == 0;
  int64_t j = one ? 0 : multiply_strips<T, 2>(n, k, a, b, col, add, c);
  j += multiply_strips<T, 1>(n - j, k, a, b + j * col, col, add, c + j);
  for (; j < n; ++j) {
    T sum = add ? c[j] : T(0);
    for (int64_t p = 0; p < k; ++p) sum = fma_one(a[p], b[p * row + j * col], sum);
    c[j] = sum;
  }
}

}  // namespace
}  // namespace fovea
