// Packing: the pieces of A and B copied into the order in which the micro-kernel reads them. What is transposed in
// memory is put right on the way, in registers, G x G elements at a time.
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

// N lanes: G elements from `from`, G from G rows below, and so on.
template <class T, int N, int G> FOVEA_INLINE typename Lanes<T, N>::Raw load_groups(const T* from, int64_t ld) {
  typename Lanes<T, N>::Raw raw;
  if constexpr (N == G) {
    std::memcpy(&raw, from, sizeof raw);
  } else {
    raw = join<decltype(raw)>(load_groups<T, N / 2, G>(from, ld), load_groups<T, N / 2, G>(from + N / 2 * ld, ld),
                              std::make_integer_sequence<int, N>());
  }
  return raw;
}

template <int N> constexpr int kGroup = N < 4 ? N : 4;

// Column q of the N x G matrix at `from` (row i at from + i * ld) becomes column[q]: G loads of N elements each,
// transposed within groups of G lanes by log2(G) perfect shuffles.
template <class T, int N> FOVEA_INLINE void load_columns(const T* from, int64_t ld, typename Lanes<T, N>::Raw* column) {
  constexpr int G = kGroup<N>;
  constexpr auto lanes = std::make_integer_sequence<int, N>();
  typename Lanes<T, N>::Raw row[G];
  FOVEA_EACH_LANE
  for (int i = 0; i < G; ++i) row[i] = load_groups<T, N, G>(from + i * ld, ld);
  FOVEA_EACH_LANE
  for (int width = 1; width < G; width *= 2) {
    FOVEA_EACH_LANE
    for (int i = 0; i < G / 2; ++i) {
      column[2 * i] = interleave<G, 0>(row[i], row[i + G / 2], lanes);
      column[2 * i + 1] = interleave<G, 1>(row[i], row[i + G / 2], lanes);
    }
    FOVEA_EACH_LANE
    for (int i = 0; i < G; ++i) row[i] = column[i];
  }
}

// One tile of A: packed[p * Rows + i] = alpha * A(i, p). Four rows at a time; the last four may overlap those before.
template <class T, int Rows>
void pack_tile(int64_t k, T alpha, const T* a, int64_t row, int64_t col, T* packed) {
  using Four = typename Lanes<T, 4>::Raw;
  int64_t p = 0;
  if constexpr (Rows >= 4) {
    constexpr int groups = (Rows + 3) / 4;
    const auto first = [](int group) { return group + 1 < groups ? 4 * group : Rows - 4; };
    for (; col == 1 && p + 4 <= k; p += 4) {
      FOVEA_EACH_LANE
      for (int g = 0; g < groups; ++g) {
        Four column[4];
        load_columns<T, 4>(a + first(g) * row + p, row, column);
        FOVEA_EACH_LANE
        for (int q = 0; q < 4; ++q) {
          column[q] *= alpha;
          std::memcpy(packed + (p + q) * Rows + first(g), &column[q], sizeof(Four));
        }
      }
    }
    for (; row == 1 && p < k; ++p) {
      FOVEA_EACH_LANE
      for (int g = 0; g < groups; ++g) {
        Four rows;
        std::memcpy(&rows, a + p * col + first(g), sizeof rows);
        rows *= alpha;
        std::memcpy(packed + p * Rows + first(g), &rows, sizeof rows);
      }
    }
  }
  for (; p < k; ++p) {
    for (int i = 0; i < Rows; ++i) packed[p * Rows + i] = alpha * a[i * row + p * col];
  }
}

template <class T, int Rows = kTileRows>
FOVEA_INLINE void pack_tile_of(int64_t rows, int64_t k, T alpha, const T* a, int64_t row, int64_t col, T* packed) {
  if (rows == Rows) return pack_tile<T, Rows>(k, alpha, a, row, col, packed);
  if constexpr (Rows > 1) pack_tile_of<T, Rows - 1>(rows, k, alpha, a, row, col, packed);
}

template <class T> void pack_a(int64_t m, int64_t k, T alpha, const T* a, int64_t row, int64_t col, T* packed) {
  const TileHeights heights(m);
  for (int64_t tile = 0; tile < heights.count; ++tile) {
    const int64_t rows = heights[tile];
    pack_tile_of<T>(rows, k, alpha, a, row, col, packed);
    a += rows * row;
    packed += rows * k;
  }
}

// One panel of B whose columns are contiguous in memory or (transposed) its rows; `columns` <= width, the rest zeros.
template <class T> void pack_panel(int64_t k, int columns, int width, const T* b, int64_t row, int64_t col, T* packed) {
  constexpr int L = Vec<T>::size, G = kGroup<L>;
  int done = 0;  // columns
  for (; done + L <= columns; done += L) {
    const T* from = b + done * col;
    T* to = packed + done;
    int64_t p = 0;
    if (col == 1) {
      for (; p < k; ++p) Vec<T>::load(from + p * row).store(to + p * width);
    } else if (row == 1) {
      for (; p + G <= k; p += G) {
        typename Vec<T>::Raw column[G];
        load_columns<T, L>(from + p, col, column);
        FOVEA_EACH_LANE
        for (int q = 0; q < G; ++q) Vec<T>(column[q]).store(to + (p + q) * width);
      }
    }
    for (; p < k; ++p) {
      for (int j = 0; j < L; ++j) to[p * width + j] = from[p * row + j * col];
    }
  }
  if (done == width) return;
  for (int64_t p = 0; p < k; ++p) {
    for (int j = done; j < width; ++j) packed[p * width + j] = j < columns ? b[p * row + j * col] : T(0);
  }
}

template <class T> void pack_b(int64_t k, int64_t n, const T* b, int64_t row, int64_t col, T* packed) {
  constexpr int L = Vec<T>::size, NR = kTileVectors * L;
  for (int64_t j = 0; j < n; j += NR) {
    const int columns = n - j < NR ? int(n - j) : NR;
    const int width = (columns + L - 1) / L * L;
    pack_panel<T>(k, columns, width, b + j * col, row, col, packed);
    packed += k * width;
  }
}

}  // namespace
}  // namespace fovea
