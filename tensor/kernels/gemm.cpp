// The matrix-product kernels of one instruction-set level: the two innermost loops around the micro-kernel, and the
// table through which tensor/gemm.cpp reaches them.
#include "tensor/kernels/gemm.h"

#include "tensor/kernels/gemm_pack.h"
#include "tensor/kernels/gemm_row.h"
#include "tensor/kernels/gemm_tile.h"

namespace fovea {
namespace {

// kc: deep, so that a tile of C is seldom loaded and stored; but a tile of A, mr x kc, is to stay in the first-level
// cache (32 KiB) while the panels of B stream past it. A block of B, kc x nc, is to stay in the second (512 KiB or
// more).
template <class T> constexpr int64_t kDepth = 2048 / sizeof(T);
template <class T> constexpr int64_t kBlock = (320 << 10) / sizeof(T);

// One row of tiles over n columns: panel after panel of B, `panel` elements apart. The next tile of C is fetched
// meanwhile; so is the next tile of A where its rows lie in memory, a cache line of each at a time.
template <class T, int Rows, int Vectors, Layout A>
__attribute__((noinline)) void multiply_panels(int64_t n, Tile<T> tile, int64_t panel) {
  constexpr int L = Vec<T>::size, width = Vectors * L, line = 64 / int(sizeof(T));
  const T* const next = tile.a + Rows * tile.a_row;
  for (int64_t ahead = 0, columns = n; n > 0; n -= width, tile.b += panel, tile.c += width, ahead += line) {
    tile.last = n < width ? int(n) - (width - L) : L;
    FOVEA_EACH_LANE
    for (int i = 0; i < Rows; ++i) __builtin_prefetch(tile.c + i * tile.ldc + width, 1);
    for (int64_t p = ahead; A == Layout::rows && p < tile.k; p += columns) {
      FOVEA_EACH_LANE
      for (int i = 0; i < Rows; ++i) __builtin_prefetch(next + i * tile.a_row + p);
    }
    multiply_tile<T, Rows, Vectors, A>(tile);
  }
}

template <class T, int Vectors, int Rows = kTileRows>
FOVEA_INLINE void multiply_panels_of(int64_t rows, int64_t n, const Tile<T>& tile, int64_t panel) {
  if (rows != Rows) {
    if constexpr (Rows > 1) multiply_panels_of<T, Vectors, Rows - 1>(rows, n, tile, panel);
  } else if constexpr (!kKnowsLayout<Rows, Vectors>) {
    multiply_panels<T, Rows, Vectors, Layout::any>(n, tile, panel);
  } else if (tile.a_col == 1) {
    multiply_panels<T, Rows, Vectors, Layout::rows>(n, tile, panel);
  } else if (tile.a_col == Rows && tile.b_row == Vectors * Vec<T>::size) {
    multiply_panels<T, Rows, Vectors, Layout::packed>(n, tile, panel);
  } else {
    multiply_panels<T, Rows, Vectors, Layout::columns>(n, tile, panel);
  }
}

template <class T> using Operand = typename GemmTable<T>::Operand;

// C[m, n] with B in panels: row p of the first at b + p * b_row, the next one `panel` elements on. Where the last one
// is half empty, it has the width of one vector.
template <class T>
void multiply_rows(int64_t m, int64_t n, int64_t k, Operand<T> a, const T* b, int64_t b_row, int64_t panel, bool add,
                   T* c, int64_t ldc) {
  constexpr int L = Vec<T>::size, NR = kTileVectors * L;
  const int64_t narrow = n % NR <= L ? n % NR : 0, wide = n - narrow;
  const TileHeights heights(m);
  for (int64_t t = 0, i = 0; t < heights.count; i += heights[t++]) {
    const int64_t rows = heights[t];
    Tile<T> tile{.k = k,
                 .a = a.data + (a.packed ? packed_tile<T>(t, i, k) : i * a.row),
                 .a_row = a.packed ? 1 : a.row,
                 .a_col = a.packed ? rows : a.col,
                 .b = b,
                 .b_row = b_row,
                 .add = add,
                 .c = c + i * ldc,
                 .ldc = ldc};
    multiply_panels_of<T, kTileVectors>(rows, wide, tile, panel);
    if (narrow == 0) continue;
    tile.b += wide / NR * panel;
    tile.b_row = L;
    tile.c += wide;
    multiply_panels_of<T, 1>(rows, narrow, tile, panel);
  }
}

// Where a panel of B is read by this many tiles or more, it is worth copying.
constexpr int64_t kTilesWorthCopy = 4;

template <class T>
void multiply_block(int64_t m, int64_t n, int64_t k, Operand<T> a, Operand<T> b, bool add, T* c, int64_t ldc) {
  constexpr int64_t L = Vec<T>::size, NR = kTileVectors * L;
  if (b.packed) return multiply_rows<T>(m, n, k, a, b.data, NR, packed_panel<T>(k), add, c, ldc);
  int64_t j = 0;
  if (b.col == 1 && m < kTilesWorthCopy * kTileRows) {  // whole panels: read where they lie
    j = n / NR * NR;
    multiply_rows<T>(m, j, k, a, b.data, b.row, NR, add, c, ldc);
  }
  alignas(64) T copy[kDepth<T> * NR];
  for (; j < n; j += NR) {
    const int64_t columns = n - j < NR ? n - j : NR;
    pack_panel<T>(k, int(columns), columns > L ? NR : L, b.data + j * b.col, b.row, b.col, copy);
    multiply_rows<T>(m, columns, k, a, copy, NR, 0, add, c + j, ldc);
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
