// Packing: the pieces of A and B copied into the order in which the micro-kernel reads them. What is transposed in
// memory is put right on the way, in registers.
#pragma once
#include <utility>

#include "tensor/kernels/gemm_tile.h"
#include "tensor/kernels/simd.h"

namespace fovea {
namespace {

template <class T, int N> struct Lanes { typedef T Raw __attribute__((vector_size(N * sizeof(T)))); };

template <class Raw, class Half, int... I>
FOVEA_INLINE Raw join(Half low, Half high, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(low, high, I...);
}

// Lanes of a and b by turns, within each group of G lanes: from their lower halves, or from their upper.
template <int G, int Upper, class Raw, int... I>
FOVEA_INLINE Raw interleave(Raw a, Raw b, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(a, b, (I / G * G + I % G / 2 + Upper * G / 2 + (I % 2 ? int(sizeof...(I)) : 0))...);
}

// Every other group of G lanes, those of a and then those of b: the even groups, or the odd.
template <int G, int Odd, class Raw, int... I>
FOVEA_INLINE Raw every_other(Raw a, Raw b, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(a, b, ((I / G * 2 + Odd) * G + I % G)...);
}

// N lanes: C elements of row i, C of row i + C, and so on.
template <class T, int N, int C, int Rows>
FOVEA_INLINE typename Lanes<T, N>::Raw load_pieces(const TileRows<const T, Rows>& rows, int i) {
  typename Lanes<T, N>::Raw raw;
  if constexpr (N == C) {
    std::memcpy(&raw, rows[i], sizeof raw);
  } else {
    raw = join<decltype(raw)>(load_pieces<T, N / 2, C>(rows, i), load_pieces<T, N / 2, C>(rows, i + N / 2),
                              std::make_integer_sequence<int, N>());
  }
  return raw;
}

// So many columns are turned at a time: with 32 registers as many as a vector has lanes, so that whole cache lines are
// loaded.
template <int N> constexpr int kColumns = N < 4 || kVectorBytes == 64 ? N : 4;

// Column q of the N x C matrix at `from` (row i at from + i * ld) becomes column[q]: squares of G x G are turned by
// perfect shuffles, G lanes being what every instruction set shuffles within, then dealt to the columns of squares.
template <class T, int N, int C = kColumns<N>>
FOVEA_INLINE void load_columns(const T* from, int64_t ld, typename Lanes<T, N>::Raw* column) {
  constexpr int G = 16 / int(sizeof(T)), half = G / 2;
  constexpr auto lanes = std::make_integer_sequence<int, N>();
  const TileRows<const T, N> rows(from, ld);
  typename Lanes<T, N>::Raw turned[C];
  FOVEA_EACH_LANE
  for (int i = 0; i < C; ++i) column[i] = load_pieces<T, N, C>(rows, i);
  FOVEA_EACH_LANE
  for (int width = 1; width < G; width *= 2) {
    FOVEA_EACH_LANE
    for (int i = 0; i < C / 2; ++i) {
      const int upper = i / half * G + i % half;
      turned[2 * i] = interleave<G, 0>(column[upper], column[upper + half], lanes);
      turned[2 * i + 1] = interleave<G, 1>(column[upper], column[upper + half], lanes);
    }
    FOVEA_EACH_LANE
    for (int i = 0; i < C; ++i) column[i] = turned[i];
  }
  FOVEA_EACH_LANE
  for (int width = G; width < C; width *= 2) {
    FOVEA_EACH_LANE
    for (int i = 0; i < C / 2; ++i) {
      const int even = i / G * 2 * G + i % G;
      turned[i] = every_other<G, 0>(column[even], column[even + G], lanes);
      turned[i + C / 2] = every_other<G, 1>(column[even], column[even + G], lanes);
    }
    FOVEA_EACH_LANE
    for (int i = 0; i < C; ++i) column[i] = turned[i];
  }
}

// `tiles` tiles of A, one after another: packed[p * Rows + i] = alpha * A(i, p) in each. Four rows at a time are moved;
// the last four may overlap those before.
template <class T, int Rows>
void pack_tiles(int64_t tiles, int64_t k, T alpha, const T* a, int64_t row, int64_t col, T* packed) {
  using Four = typename Lanes<T, 4>::Raw;
  constexpr int groups = Rows / 4 + (Rows % 4 != 0);
  const auto first = [](int group) { return group + 1 < groups ? 4 * group : Rows - 4; };
  int64_t done = 0;  // columns
  if constexpr (Rows >= 4) {
    if (col == 1) {  // rows are contiguous: turned in registers
      done = k / 4 * 4;
      for (int64_t t = 0; t < tiles; ++t) {
        for (int64_t p = 0; p < done; p += 4) {
          FOVEA_EACH_LANE
          for (int g = 0; g < groups; ++g) {
            Four column[4];
            load_columns<T, 4>(a + (t * Rows + first(g)) * row + p, row, column);
            FOVEA_EACH_LANE
            for (int q = 0; q < 4; ++q) {
              column[q] *= alpha;
              std::memcpy(packed + packed_tile<T>(t, t * Rows, k) + (p + q) * Rows + first(g), &column[q],
                          sizeof(Four));
            }
          }
        }
      }
    }
  }
  constexpr int L = Vec<T>::size;
  if (row == 1 && col >= L) {  // columns are contiguous: read across all tiles, so that no cache line is fetched twice
    done = k - 1;              // a vector may reach beyond a column, whose end the next one overwrites
    for (int64_t p = 0; p < done; ++p) {
      for (int64_t t = 0; t < tiles; ++t) {
        fetch<Rows>(a + (p + kRowsAhead) * col + t * Rows);
        FOVEA_EACH_LANE
        for (int i = 0; i < Rows; i += L) {
          (Vec<T>(alpha) * Vec<T>::load(a + p * col + t * Rows + i))
              .store(packed + packed_tile<T>(t, t * Rows, k) + p * Rows + i);
        }
      }
    }
  }
  for (int64_t t = 0; t < tiles; ++t) {
    for (int64_t p = done; p < k; ++p) {
      for (int i = 0; i < Rows; ++i)
        packed[packed_tile<T>(t, t * Rows, k) + p * Rows + i] = alpha * a[(t * Rows + i) * row + p * col];
    }
  }
}

template <class T, int Rows = kTileRows>
FOVEA_INLINE void pack_tiles_of(int64_t rows, int64_t tiles, int64_t k, T alpha, const T* a, int64_t row, int64_t col,
                                T* packed) {
  if (rows == Rows) return pack_tiles<T, Rows>(tiles, k, alpha, a, row, col, packed);
  if constexpr (Rows > 1) pack_tiles_of<T, Rows - 1>(rows, tiles, k, alpha, a, row, col, packed);
}

template <class T> void pack_a(int64_t m, int64_t k, T alpha, const T* a, int64_t row, int64_t col, T* packed) {
  const TileHeights heights(m);
  for (int64_t tile = 0, tiles; tile < heights.count; tile += tiles) {
    const int64_t rows = heights[tile], same = (tile < heights.higher ? heights.higher : heights.count) - tile;
    tiles = same < 16 ? same : 16;
    pack_tiles_of<T>(rows, tiles, k, alpha, a, row, col, packed);
    a += tiles * rows * row;
    packed += packed_tile<T>(tiles, tiles * rows, k);
  }
}

// One panel of B whose columns are contiguous in memory or (transposed) its rows; `columns` <= width, the rest zeros.
template <class T> void pack_panel(int64_t k, int columns, int width, const T* b, int64_t row, int64_t col, T* packed) {
  constexpr int L = Vec<T>::size, C = kColumns<L>;
  const int whole = columns / L * L;
  int64_t p = 0;
  if (col == 1) {
    for (; p < k; ++p) {
      for (int j = 0; j < whole; j += L) Vec<T>::load(b + p * row + j).store(packed + p * width + j);
    }
  } else if (row == 1) {
    for (int j = 0; j < whole; j += L) {  // few rows of memory at once: each is a stream to the prefetcher
      for (p = 0; p + C <= k; p += C) {
        typename Vec<T>::Raw column[C];
        load_columns<T, L>(b + p + j * col, col, column);
        FOVEA_EACH_LANE
        for (int q = 0; q < C; ++q) Vec<T>(column[q]).store(packed + (p + q) * width + j);
      }
    }
  }
  for (; p < k; ++p) {
    for (int j = 0; j < whole; ++j) packed[p * width + j] = b[p * row + j * col];
  }
  if (whole == width) return;
  for (p = 0; p < k; ++p) {
    for (int j = whole; j < width; ++j) packed[p * width + j] = j < columns ? b[p * row + j * col] : T(0);
  }
}

template <class T> void pack_b(int64_t k, int64_t n, const T* b, int64_t row, int64_t col, T* packed) {
  constexpr int L = Vec<T>::size, NR = kTileVectors * L;
  for (int64_t j = 0; j < n; j += NR) {
    const int columns = n - j < NR ? int(n - j) : NR;
    pack_panel<T>(k, columns, (columns + L - 1) / L * L, b + j * col, row, col, packed + j / NR * packed_panel<T>(k));
  }
}

}  // namespace
}  // namespace fovea
