// The micro-kernel: one tile of C in registers, rows x (vectors * lanes), and a step along k that multiplies a column
// of A with a row of B. Everything else in a matrix product serves to feed it.
//
// Each element of C is one chain, c = fma(a, b, c), along k in order, beginning with beta * C. So its bits depend
// neither on the size of the tile, nor on where in the tile it is, nor on how the loops outside cut up k.
#pragma once
#include "tensor/kernels/gemm.h"
#include "tensor/kernels/simd.h"

namespace fovea {
namespace {

// The tile's size. It must hold enough independent chains to hide the latency of an fma (4 cycles, 2 a cycle: 8
// chains) and load less than it multiplies, in the registers that there are: rows * 2 accumulators, 2 of B, 1 of A.
#if defined(__aarch64__) || defined(__AVX512F__) || defined(FOVEA_VECTOR_BYTES)
constexpr int kTileRows = 12;  // 24 of 32 registers
#elif defined(__FMA__)
constexpr int kTileRows = 6;  // 12 of 16
#else
constexpr int kTileRows = 4;  // 8 of 16: without fma, products need registers of their own
#endif
constexpr int kTileVectors = 2;

// One tile's work. `valid` counts the columns of C that exist: the last vector may reach beyond the matrix.
template <class T> struct Tile {
  int64_t k;
  const T* a;  // (i, p) at a[i * a_row + p * a_col]
  int64_t a_row, a_col;
  const T* b;  // row p at b + p * b_row
  int64_t b_row;
  T beta;
  T* c;
  int64_t ldc;
  int valid;
};

template <class T, int Rows, int Vectors> void multiply_tile(const Tile<T>& t) {
  constexpr int L = Vec<T>::size;
  const bool whole = t.valid == Vectors * L;
  const int last = t.valid - (Vectors - 1) * L;  // columns in the last vector
  Vec<T> sum[Rows][Vectors];

  if (t.beta == T(0)) {  // C is not read: it may hold anything, NaN included
    for (int i = 0; i < Rows; ++i)
      for (int v = 0; v < Vectors; ++v) sum[i][v] = Vec<T>(T(0));
  } else {
    for (int i = 0; i < Rows; ++i) {
      for (int v = 0; v < Vectors; ++v) {
        const T* c = t.c + i * t.ldc + v * L;
        sum[i][v] = Vec<T>(t.beta) * (whole || v + 1 < Vectors ? Vec<T>::load(c) : Vec<T>::load_first(c, last));
      }
    }
  }

  const T *a = t.a, *b = t.b;
  for (int64_t p = 0; p < t.k; ++p, a += t.a_col, b += t.b_row) {
    Vec<T> row[Vectors];
    for (int v = 0; v < Vectors; ++v) row[v] = Vec<T>::load(b + v * L);
    FOVEA_EACH_LANE
    for (int i = 0; i < Rows; ++i) {
      const Vec<T> left(a[i * t.a_row]);
      for (int v = 0; v < Vectors; ++v) sum[i][v] = fma(left, row[v], sum[i][v]);
    }
  }

  for (int i = 0; i < Rows; ++i) {
    for (int v = 0; v < Vectors; ++v) {
      T* c = t.c + i * t.ldc + v * L;
      whole || v + 1 < Vectors ? sum[i][v].store(c) : sum[i][v].store_first(c, last);
    }
  }
}

// The micro-kernels of every height up to kTileRows, as a table: [rows - 1].
template <class T, int Vectors> using TileKernel = void (*)(const Tile<T>&);

// Rows are dealt to tiles of nearly equal height: 64 rows at 12 a tile are 4 of 11 and 2 of 10, where 5 of 12 and one
// of 4 would leave the last one too few chains.
struct TileHeights {
  int64_t count, low, higher;  // `higher` tiles of low + 1 rows come first, then those of `low`

  explicit FOVEA_INLINE TileHeights(int64_t rows)
      : count((rows + kTileRows - 1) / kTileRows), low(rows / count), higher(rows % count) {}
  FOVEA_INLINE int64_t operator[](int64_t tile) const { return low + (tile < higher); }
};

}  // namespace
}  // namespace fovea
