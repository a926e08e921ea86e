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

template <class T>
void multiply_block(int64_t m, int64_t n, int64_t k, typename GemmTable<T>::Operand a, typename GemmTable<T>::Operand b,
                    T beta, T* c, int64_t ldc) {
  constexpr int L = Vec<T>::size, NR = kTileVectors * L;
  alignas(64) T border[kPanelDepth * NR];  // the last columns of an unpacked B, filled up to whole vectors
  const TileHeights heights(m);
  for (int64_t j = 0; j < n; j += NR) {
    const int columns = n - j < NR ? int(n - j) : NR;
    const int width = (columns + L - 1) / L * L;
    const T* panel = b.packed ? b.data + j * k : b.data + j;
    int64_t b_row = b.packed ? width : b.row;
    if (!b.packed && width > columns) {
      pack_panel<T>(k, columns, width, panel, b.row, b.col, border);
      panel = border;
      b_row = width;
    }
    int64_t i = 0;
    for (int64_t t = 0; t < heights.count; ++t) {
      const int64_t rows = heights[t];
      const Tile<T> tile{.k = k,
                         .a = a.packed ? a.data + i * k : a.data + i * a.row,
                         .a_row = a.packed ? 1 : a.row,
                         .a_col = a.packed ? rows : a.col,
                         .b = panel,
                         .b_row = b_row,
                         .beta = beta,
                         .c = c + i * ldc + j,
                         .ldc = ldc,
                         .valid = columns};
      width == NR ? multiply_tile_of<T, 2>(rows, tile) : multiply_tile_of<T, 1>(rows, tile);
      i += rows;
    }
  }
}

template <class T>
constexpr GemmTable<T> table{.mr = kTileRows,
                             .nr = kTileVectors* Vec<T>::size,
                             .mc = kBlockRows,
                             .kc = kPanelDepth,
                             .pack_a = pack_a<T>,
                             .pack_b = pack_b<T>,
                             .block = multiply_block<T>,
                             .row = multiply_row<T>};

}  // namespace

namespace FOVEA_LEVEL {

extern const GemmKernels gemm_kernels;
const GemmKernels gemm_kernels{table<float>, table<double>};

}  // namespace FOVEA_LEVEL
}  // namespace fovea
