// The matrix-product kernels of one instruction-set level: the two innermost loops around the micro-kernel, and the
// table through which tensor/gemm.cpp reaches them.
#include "tensor/kernels/gemm.h"

#include "tensor/kernels/gemm_pack.h"
#include "tensor/kernels/gemm_row.h"
#include "tensor/kernels/gemm_tile.h"

namespace fovea {
namespace {

// A panel of B, kc x nr, is to stay in half of the first-level cache (32 KiB) while the tiles of A stream past it;
// a block of A, mc x kc, in part of the second (512 KiB or more).
constexpr int64_t kPanelDepth = kTileVectors * kVectorBytes > 64 ? 192 : 256;
constexpr int64_t kBlockRows = 192;

template <class T, int Vectors, int Rows = kTileRows>
FOVEA_INLINE void multiply_tile_of(int64_t rows, const Tile<T>& tile) {
  if (rows == Rows) return multiply_tile<T, Rows, Vectors>(tile);
  if constexpr (Rows > 1) multiply_tile_of<T, Vectors, Rows - 1>(rows, tile);
}

// Where B is read by this many tiles or more, a copy of its panel in the first-level cache is worth making.
constexpr int64_t kTilesWorthCopy = 4;

template <class T>
void multiply_block(int64_t m, int64_t n, int64_t k, typename GemmTable<T>::Operand a, typename GemmTable<T>::Operand b,
                    T beta, T* c, int64_t ldc) {
  constexpr int L = Vec<T>::size, NR = kTileVectors * L;
  alignas(64) T copy[kPanelDepth * NR];
  const TileHeights heights(m);
  for (int64_t j = 0; j < n; j += NR) {
    const int columns = n - j < NR ? int(n - j) : NR;
    const int width = (columns + L - 1) / L * L;
    Tile<T> tile{.k = k, .b = b.data + j * k, .b_row = width, .beta = beta, .ldc = ldc, .valid = columns};
    if (!b.packed && (b.col != 1 || width > columns || heights.count >= kTilesWorthCopy)) {
      pack_panel<T>(k, columns, width, b.data + j * b.col, b.row, b.col, copy);
      tile.b = copy;
    } else if (!b.packed) {
      tile.b = b.data + j;
      tile.b_row = b.row;
    }
    int64_t i = 0;
    for (int64_t t = 0; t < heights.count; ++t) {
      const int64_t rows = heights[t];
      tile.a = a.data + i * (a.packed ? k : a.row);
      tile.a_row = a.packed ? 1 : a.row;
      tile.a_col = a.packed ? rows : a.col;
      tile.c = c + i * ldc + j;
      width == NR ? multiply_tile_of<T, 2>(rows, tile) : multiply_tile_of<T, 1>(rows, tile);
      i += rows;
    }
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
                             .mc = kBlockRows,
                             .kc = kPanelDepth,
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
