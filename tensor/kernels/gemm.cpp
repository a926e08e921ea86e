// The matrix-product kernels of one instruction-set level: the two innermost loops around the micro-kernel, and the
// table through which tensor/gemm.cpp reaches them.
#include "tensor/kernels/gemm.h"

#include "tensor/kernels/gemm_pack.h"
#include "tensor/kernels/gemm_row.h"
#include "tensor/kernels/gemm_tile.h"

namespace fovea {
namespace {

// kc: deep, so that a tile of C is seldom loaded and stored; but a tile of A, mr x kc, is to stay in the first-level
// cache (32 KiB) while the panels of B stream past it, or very nearly. A block of B, kc x nc, is to stay in the second
// (512 KiB or more; with AVX-512 1 MiB or more).
template <class T> constexpr int64_t kDepth = (kVectorBytes == 64 ? 3072 : 2048) / sizeof(T);
template <class T> constexpr int64_t kBlock = ((kVectorBytes == 64 ? 512 : 320) << 10) / sizeof(T);

// One row of tiles over n columns: panel after panel of B, `panel` elements apart. The next tile of C is fetched
// meanwhile; so is the next tile of A where its rows lie in memory, a part of each at a time.
template <class T, int Rows, int Vectors, Layout A>
__attribute__((noinline)) void multiply_panels(int64_t n, Tile<T> tile, int64_t panel) {
  constexpr int L = Vec<T>::size, width = Vectors * L;
  const T* const next_a = tile.a + Rows * tile.a_row;
  for (int64_t columns = n; n > 0; n -= width, tile.b += panel, tile.c += width) {
    tile.last = n < width ? int(n) - (width - L) : L;
    if (columns > width) {
      const TileRows<T, Rows> next_c(tile.c + width, tile.ldc);
      FOVEA_EACH_LANE
      for (int i = 0; i < Rows; ++i) fetch<width>(next_c[i]);
      for (int64_t p = columns - n; A == Layout::rows && p < tile.k; p += columns) {
        const TileRows<const T, Rows> rows(next_a + p, tile.a_row);
        FOVEA_EACH_LANE
        for (int i = 0; i < Rows; ++i) fetch<width>(rows[i]);
      }
    }
    multiply_tile<T, Rows, Vectors, A>(tile);
    if (A == Layout::copying) tile.copy += packed_panel<T>(tile.k);
  }
}

template <class T, int Vectors, int Rows = kTileRows>
FOVEA_INLINE void multiply_panels_of(int64_t rows, int64_t n, const Tile<T>& tile, int64_t panel) {
  if (rows != Rows) {
    if constexpr (Rows > 1) multiply_panels_of<T, Vectors, Rows - 1>(rows, n, tile, panel);
    return;
  }
  if constexpr (kCanCopy<Rows, Vectors>) {
    if (tile.copy) return multiply_panels<T, Rows, Vectors, Layout::copying>(n, tile, panel);
  }
  if constexpr (kKnowsLayout<Rows, Vectors>) {
    if (tile.b_row == Vectors * Vec<T>::size) {
      if (tile.a_col == 1) return multiply_panels<T, Rows, Vectors, Layout::rows>(n, tile, panel);
      if (tile.a_col == Rows) return multiply_panels<T, Rows, Vectors, Layout::packed>(n, tile, panel);
      if (tile.a_row == 1) return multiply_panels<T, Rows, Vectors, Layout::columns>(n, tile, panel);
    }
  }
  multiply_panels<T, Rows, Vectors, Layout::any>(n, tile, panel);
}

template <class T> using Operand = typename GemmTable<T>::Operand;

// B in panels: row p of the first at data + p * row, the next panel `next` elements on.
template <class T> struct Panels {
  const T* data;
  int64_t row, next;
};
template <class T> Panels<T> packed_panels(const T* packed, int64_t k) {
  return {packed, kTileVectors * Vec<T>::size, packed_panel<T>(k)};
}

// C[m, n]. With `copy`, n is whole panels and the first tile packs them there for those that follow. Else the last one
// may be partly empty, and has the width of one vector if that is enough.
template <class T>
void multiply_rows(int64_t m, int64_t n, int64_t k, Operand<T> a, Panels<T> b, T* copy, bool add, T* c, int64_t ldc) {
  constexpr int L = Vec<T>::size, NR = kTileVectors * L;
  const int64_t narrow = n % NR <= L ? n % NR : 0, wide = n - narrow;
  const TileHeights heights(m);
  for (int64_t t = 0, i = 0; t < heights.count; i += heights[t++]) {
    const int64_t rows = heights[t];
    Tile<T> tile{.k = k,
                 .a = a.data + (a.packed ? packed_tile<T>(t, i, k) : i * a.row),
                 .a_row = a.packed ? 1 : a.row,
                 .a_col = a.packed ? rows : a.col,
                 .b = b.data,
                 .b_row = b.row,
                 .copy = copy,
                 .add = add,
                 .c = c + i * ldc,
                 .ldc = ldc};
    multiply_panels_of<T, kTileVectors>(rows, wide, tile, b.next);
    if (copy) b = packed_panels(copy, k), copy = nullptr;
    if (narrow == 0) continue;
    tile.b += wide / NR * b.next;
    tile.b_row = L;
    tile.c += wide;
    multiply_panels_of<T, 1>(rows, narrow, tile, b.next);
  }
}

// Whether B, read by so many rows, is worth copying: unless it lies as its copy would, or is read by few tiles. With
// rows a multiple of 4 KiB apart a panel shares a few sets of the caches, and four tiles are enough.
template <class T> bool worth_copy(int64_t m, const Operand<T>& b) {
  const bool far_apart = b.row * int64_t(sizeof(T)) % 4096 == 0;
  return m >= (far_apart ? 4 : 20) * kTileRows && b.row != kTileVectors * Vec<T>::size;
}

template <class T>
void multiply_block(int64_t m, int64_t n, int64_t k, Operand<T> a, Operand<T> b, T* space, bool add, T* c,
                    int64_t ldc) {
  constexpr int64_t L = Vec<T>::size, NR = kTileVectors * L;
  if (b.packed) return multiply_rows<T>(m, n, k, a, packed_panels(b.data, k), nullptr, add, c, ldc);
  alignas(64) T panel[(kDepth<T> + 1) * NR];
  int64_t j = 0;
  if (b.col == 1) {  // whole panels: read where they lie, all of them or, if there is room for one copy, each by itself
    T* const copy = !worth_copy<T>(m, b) ? nullptr : space ? space : panel;
    const int64_t whole = n / NR * NR, step = copy == panel ? NR : whole;
    for (; j < whole; j += step) multiply_rows<T>(m, step, k, a, {b.data + j, b.row, NR}, copy, add, c + j, ldc);
  }
  for (; j < n; j += NR) {
    const int64_t columns = n - j < NR ? n - j : NR;
    pack_panel<T>(k, int(columns), columns > L ? NR : L, b.data + j * b.col, b.row, b.col, panel);
    multiply_rows<T>(m, columns, k, a, packed_panels<T>(panel, k), nullptr, add, c + j, ldc);
  }
}

constexpr int kPeakChains = 12;  // enough to hide the latency of an fma, few enough for 16 registers

template <class T> T multiply_in_registers(int64_t steps, T factor, T term) {
  Vec<T> chain[kPeakChains];
  FOVEA_EACH_LANE
  for (int i = 0; i < kPeakChains; ++i) chain[i] = Vec<T>(T(i));
  for (int64_t step = 0; step < steps; ++step) {
    FOVEA_EACH_LANE
    for (int i = 0; i < kPeakChains; ++i) chain[i] = fma(chain[i], Vec<T>(factor), Vec<T>(term));
  }
  T sum = T(0);
  for (int i = 0; i < kPeakChains; ++i) sum += chain[i][0];
  return sum;
}

template <class T>
constexpr GemmTable<T> table{.mr = kTileRows,
                             .nr = kTileVectors* Vec<T>::size,
                             .kc = kDepth<T>,
                             .block_size = kBlock<T>,
                             .pack_a = pack_a<T>,
                             .pack_b = pack_b<T>,
                             .block = multiply_block<T>,
                             .row = multiply_row<T>,
                             .peak = multiply_in_registers<T>,
                             .peak_flops = 2 * kPeakChains* Vec<T>::size};

}  // namespace

namespace FOVEA_LEVEL {

extern const GemmKernels gemm_kernels;
const GemmKernels gemm_kernels{table<float>, table<double>};

}  // namespace FOVEA_LEVEL
}  // namespace fovea
