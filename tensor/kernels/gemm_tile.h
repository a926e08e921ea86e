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
// The last steps are taken row by row, and each row is stored when it is done: stores come no faster than the processor
// writes them (64 bytes take two cycles), and the next tile's multiplications need not wait. A low tile stores little
// at a time.
constexpr int kLastSteps = kTileRows > 6 ? 2 : 0;

// How the operands of a tile lie. Strides that are known when compiled become part of the addresses, so that the loop
// holds little but loads and multiplications: where two threads share a core, each can start three instructions a cycle
// (Zen 3), and two of those are to multiply.
enum class Layout {
  packed,   // a_row = 1, a_col = the tile's rows; B packed too, b_row = the tile's columns
  rows,     // a_col = 1; B packed
  columns,  // a_row = 1; B packed
  any,
  copying  // any, and the rows of B are copied, packed for the tiles that follow: the multiplications hide that
};

// Tiles of full height, and those one row lower, have code for each layout, for most products have no other. The first
// of four tiles or more, which may be copying, is at most two rows lower (see TileHeights).
template <int Rows, int Vectors> constexpr bool kKnowsLayout = Rows + 1 >= kTileRows&& Vectors == kTileVectors;
template <int Rows, int Vectors> constexpr bool kCanCopy = Rows + 2 >= kTileRows&& Vectors == kTileVectors;

// Where rows of memory are read a long way apart, the processor does not foresee the jumps: they are fetched so many
// rows ahead. A tile that may read B where it lies does so if its steps have instructions to spare.
constexpr int64_t kRowsAhead = 16;
template <Layout A> constexpr bool kFetchesB = A == Layout::copying || (A == Layout::any && kVectorBytes == 64);

// N elements: into the first cache, or, where a tile of A alone fills that, into the second.
template <int N, class T> FOVEA_INLINE void fetch(const T* from) {
  FOVEA_EACH_LANE
  for (int i = 0; i < N; i += 64 / int(sizeof(T))) __builtin_prefetch(from + i, 0, kVectorBytes == 64 ? 2 : 3);
}

// One tile's work.
template <class T> struct Tile {
  int64_t k = 0;
  const T* a = nullptr;  // (i, p) at a[i * a_row + p * a_col]
  int64_t a_row = 0, a_col = 0;
  const T* b = nullptr;  // row p at b + p * b_row
  int64_t b_row = 0;
  T* copy = nullptr;  // where B goes, if it is copied
  bool add = false;   // to C; else C is not read: it may hold anything, NaN included
  T* c = nullptr;
  int64_t ldc = 0;
  int last = Vec<T>::size;  // columns of C that the last vector holds: it may reach beyond the matrix
};

// The rows of a tile in memory, four to a pointer: with ld and 3 ld in registers each has an address that an
// instruction can form by itself, where a pointer or an offset for every row would not fit into the registers.
template <class T, int Rows> struct TileRows {
  static constexpr int groups = (Rows + 3) / 4;
  T* group[groups];
  int64_t ld;

  FOVEA_INLINE TileRows(T* first, int64_t ld_) : ld(ld_) {
    FOVEA_EACH_LANE
    for (int g = 0; g < groups; ++g) {
      group[g] = first + 4 * g * ld;
      if (groups > 2) asm("" : "+r"(group[g]));  // else g++ takes all of them for one pointer with many offsets
    }
  }
  FOVEA_INLINE T* operator[](int i) const { return group[i / 4] + i % 4 * ld; }
  FOVEA_INLINE void advance(int64_t by) {
    FOVEA_EACH_LANE
    for (int g = 0; g < groups; ++g) group[g] += by;
  }
};

template <class T, int V> FOVEA_INLINE void load_row(const Tile<T>& t, const T* c, Vec<T>* sum) {
  constexpr int L = Vec<T>::size;
  FOVEA_EACH_LANE
  for (int v = 0; v < V; ++v)
    sum[v] = v + 1 == V && t.last < L ? Vec<T>::load_first(c + v * L, t.last) : Vec<T>::load(c + v * L);
}

template <class T, int V> FOVEA_INLINE void store_row(const Tile<T>& t, const Vec<T>* sum, T* c) {
  constexpr int L = Vec<T>::size;
  FOVEA_EACH_LANE
  for (int v = 0; v < V; ++v) {
    if (v + 1 == V && t.last < L) {
      sum[v].store_first(c + v * L, t.last);
    } else {
      sum[v].store(c + v * L);
    }
  }
}

template <class T, int Rows, int Vectors, Layout A> FOVEA_INLINE void multiply_tile(const Tile<T>& t) {
  constexpr int L = Vec<T>::size, V = Vectors;
  constexpr bool columns_of_a = A == Layout::packed || A == Layout::columns;
  const int64_t a_row = columns_of_a ? 1 : t.a_row;
  const int64_t a_col = A == Layout::packed ? Rows : A == Layout::rows ? 1 : t.a_col;
  const int64_t b_row = A == Layout::any || A == Layout::copying ? t.b_row : V * L;
  const TileRows<T, Rows> c(t.c, t.ldc);
  TileRows<const T, Rows> a(t.a, a_row);
  const T* b = t.b;

  Vec<T> sum[Rows][V];
  FOVEA_EACH_LANE
  for (int i = 0; i < Rows * V; ++i) sum[i / V][i % V] = Vec<T>(T(0));
  if (t.add) {
    FOVEA_EACH_LANE
    for (int i = 0; i < Rows; ++i) load_row<T, V>(t, c[i], sum[i]);
  }
  const auto load_row_of_b = [&](int64_t p, Vec<T>* row) FOVEA_INLINE_LAMBDA {
    FOVEA_EACH_LANE
    for (int v = 0; v < V; ++v) row[v] = Vec<T>::load(b + v * L);
    if constexpr (kFetchesB<A>) fetch<V * L>(b + kRowsAhead * b_row);
    if constexpr (A == Layout::copying) {
      FOVEA_EACH_LANE
      for (int v = 0; v < V; ++v) row[v].store(t.copy + (p * V + v) * L);
    }
    b += b_row;
  };
  const auto multiply_row = [&](int i, int step, const Vec<T>* row) FOVEA_INLINE_LAMBDA {
    const Vec<T> left((columns_of_a ? a[0] + i : a[i])[step * a_col]);
    FOVEA_EACH_LANE
    for (int v = 0; v < V; ++v) sum[i][v] = fma(left, row[v], sum[i][v]);
  };

  const int64_t early = t.k > kLastSteps ? t.k - kLastSteps : 0, late = t.k - early;
#pragma GCC unroll kTileUnroll
  for (int64_t p = 0; p < early; ++p) {
    Vec<T> row[V];
    load_row_of_b(p, row);
    FOVEA_EACH_LANE
    for (int i = 0; i < Rows; ++i) multiply_row(i, 0, row);
    a.advance(a_col);
  }
  Vec<T> row[kLastSteps + 1][V] = {};
  FOVEA_EACH_LANE
  for (int p = 0; p < kLastSteps; ++p) {
    if (p < late) load_row_of_b(early + p, row[p]);
  }
  FOVEA_EACH_LANE
  for (int i = 0; i < Rows; ++i) {
    FOVEA_EACH_LANE
    for (int p = 0; p < kLastSteps; ++p) {
      if (p < late) multiply_row(i, p, row[p]);
    }
    store_row<T, V>(t, sum[i], c[i]);
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
