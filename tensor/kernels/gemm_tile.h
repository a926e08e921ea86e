// The micro-kernel: one tile of C in registers, rows x (vectors * lanes), and a step along k that multiplies a column
// of A with a row of B. Everything else in a matrix product serves to feed it.
//
// Each element of C is one chain, c = fma(a, b, c), along k in order, beginning with C or 0. So its bits depend
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
// Steps along k at a time. A loop that ends often ends with a branch that the processor mispredicts; a high tile's does
// so less often for its work.
constexpr int kTileUnroll = kTileRows > 6 ? 4 : 8;

// How the operands of a tile lie. Strides that are known when compiled become part of the addresses, so that the loop
// holds little but loads and multiplications: where two threads share a core, each can start three instructions a cycle
// (Zen 3), and two of those are to multiply.
enum class Layout {
  packed,   // a_row = 1, a_col = the tile's rows; B packed too, b_row = the tile's columns
  rows,     // a_col = 1
  columns,  // a_row = 1
  any
};

// Tiles of full height, and those one row lower, have code for each layout, for most products have no other. High tiles
// do not: they take long to compile, and have fewer other instructions for their multiplications.
template <int Rows, int Vectors>
constexpr bool kKnowsLayout = kTileRows <= 6 && Rows + 1 >= kTileRows&& Vectors == kTileVectors;

// One tile's work.
template <class T> struct Tile {
  int64_t k = 0;
  const T* a = nullptr;  // (i, p) at a[i * a_row + p * a_col]
  int64_t a_row = 0, a_col = 0;
  const T* b = nullptr;  // row p at b + p * b_row
  int64_t b_row = 0;
  bool add = false;  // to C; else C is not read: it may hold anything, NaN included
  T* c = nullptr;
  int64_t ldc = 0;
  int last = Vec<T>::size;  // columns of C that the last vector holds: it may reach beyond the matrix
};

template <class T, int Rows, int Vectors, Layout A> FOVEA_INLINE void multiply_tile(const Tile<T>& t) {
  constexpr int L = Vec<T>::size, V = Vectors;
  Vec<T> sum[Rows][V];
  FOVEA_EACH_LANE
  for (int i = 0; i < Rows * V; ++i) sum[i / V][i % V] = Vec<T>(T(0));
  if (t.add) {
    FOVEA_EACH_LANE
    for (int i = 0; i < Rows * V; ++i) {
      const T* c = t.c + i / V * t.ldc + i % V * L;
      sum[i / V][i % V] = i % V + 1 == V && t.last < L ? Vec<T>::load_first(c, t.last) : Vec<T>::load(c);
    }
  }
  const int64_t a_row = A == Layout::packed || A == Layout::columns ? 1 : t.a_row;
  const int64_t a_col = A == Layout::packed ? Rows : A == Layout::rows ? 1 : t.a_col;
  const int64_t b_row = A == Layout::packed ? kTileVectors * L : t.b_row;
  const T *a = t.a, *b = t.b;
#pragma GCC unroll kTileUnroll
  for (int64_t p = 0; p < t.k; ++p, a += a_col, b += b_row) {
    Vec<T> row[V];
    FOVEA_EACH_LANE
    for (int v = 0; v < V; ++v) row[v] = Vec<T>::load(b + v * L);
    FOVEA_EACH_LANE
    for (int i = 0; i < Rows; ++i) {
      const Vec<T> left(a[i * a_row]);
      FOVEA_EACH_LANE
      for (int v = 0; v < V; ++v) sum[i][v] = fma(left, row[v], sum[i][v]);
    }
  }
  FOVEA_EACH_LANE
  for (int i = 0; i < Rows * V; ++i) {
    T* c = t.c + i / V * t.ldc + i % V * L;
    if (i % V + 1 == V && t.last < L) {
      sum[i / V][i % V].store_first(c, t.last);
    } else {
      sum[i / V][i % V].store(c);
    }
  }
}

// Where packed tiles of A and panels of B lie. A gap of a cache line's size keeps them from all falling into the same
// sets of the cache when k is a power of two.
template <class T> FOVEA_INLINE int64_t packed_tile(int64_t tile, int64_t row, int64_t k) {
  return row * k + tile * (64 / int64_t(sizeof(T)));
}
template <class T> FOVEA_INLINE int64_t packed_panel(int64_t k) { return (k + 1) * kTileVectors * Vec<T>::size; }

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
