// The table of kernels for attention in tiles: what happens to a tile of scores between the matrix products of
// tensor/attention.cpp.
#pragma once
#include <cstdint>

namespace fovea {

// The scores of some queries, a row each, with some keys.
template <class T> struct ScoreTile {
  int64_t rows, keys;
  int64_t visible;  // row i sees the first visible + i of the keys, or all if there are fewer
  T scale;
  T* scores;
  int64_t ld;  // from row to row, a multiple of 16: the row's elements behind the last key may be overwritten
};

template <class T> struct AttentionTable {
  // What the mask does not keep becomes -inf; keep(row, key) = keep[row * keep_row + key * keep_col].
  void (*hide)(const ScoreTile<T>& tile, const bool* keep, int64_t keep_row, int64_t keep_col);

  // The scores s become e^(scale s - most), with most the largest scaled score that the row has met so far, and total
  // the sum of these weights. What was summed up before, total and the row of out, is scaled to the new most.
  void (*weigh)(const ScoreTile<T>& tile, T* most, double* total, int64_t width, T* out, int64_t ld_out);

  // After the last tile: out / total, or 0 where nothing was seen; stats[row] = {most, 1 / total}.
  void (*finish)(int64_t rows, int64_t width, T* out, int64_t ld_out, const T* most, const double* total, T* stats);

  // dots[row] = Σ a b
  void (*dot_rows)(int64_t rows, int64_t width, const T* a, int64_t lda, const T* b, int64_t ldb, T* dots);

  // The scores become the weights p = e^(scale s - most) / total again, dweights the gradient of the unscaled scores,
  // scale · p (dweights - dot); its rows are as far apart as those of the tile.
  void (*weigh_backward)(const ScoreTile<T>& tile, const T* stats, const T* dots, T* dweights);
};

struct AttentionKernels {
  AttentionTable<float> f32;
  AttentionTable<double> f64;
};

}  // namespace fovea
