// How attention (attention.cpp, attention_backward.cpp) cuts up the scores [L, S] of each head.
//
//   square  up to 256 queries by 256 keys     a piece of one thread's work
//   tile    up to 64 queries by 128 keys      its scores, 32 KiB of f32, stay in the caches between two products
//   strip   a tile, or, where causality cuts through it, 16 of its queries, to compute little that nobody sees
//
// Tiles that nobody sees are skipped.
#pragma once
#include <algorithm>
#include <cstring>

#include "tensor/attention.h"
#include "tensor/dispatch.h"
#include "tensor/kernels/attention.h"
#include "tensor/kernels/gemm.h"
#include "tensor/parallel.h"

namespace fovea::tiles {

constexpr int64_t kSquare = 256, kTileQueries = 64, kTileKeys = 128, kStrip = 16;
constexpr int64_t kTileRow = kTileKeys + 16;  // no power of two: its columns spread over the whole cache
constexpr int64_t kTileSpace = kTileQueries * kTileRow;
constexpr double kWorthPiece = 1 << 18;  // multiplications: some ten microseconds

template <class T> const GemmTable<T>& products() { return table_of<T>(*kernels().gemm); }
template <class T> const AttentionTable<T>& tile_kernels() { return table_of<T>(*kernels().attention); }

// The operands, checked and stretched to one batch.
struct Scene {
  Tensor q, k, v, keep;  // rows of adjacent elements; keep may be undefined
  Shape batch;           // the axes in front
  int64_t heads, queries, keys, d_k, d_v;
  double scale;
  bool causal;

  Scene(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options);

  int64_t seen(int64_t query) const {  // so many keys, as far as causality goes
    return causal ? std::clamp<int64_t>(query + 1 + keys - queries, 0, keys) : keys;
  }
  Shape shape(int64_t rows, int64_t columns) const;  // [batch..., rows, columns]
};

// Stretched to a shape; copied only where the elements of a row are not adjacent.
Tensor with_adjacent_rows(const Tensor& x, const Shape& shape);
// A new tensor whose axes lie in memory in the order of those of x, the last one innermost.
Tensor empty_in_order_of(const Tensor& x, const Shape& shape);

// The matrix of one head: rows of adjacent elements, ld apart.
template <class T> struct Rows {
  T* data = nullptr;
  int64_t ld = 0;
  T* row(int64_t i) const { return data + i * ld; }
};

template <class T> Rows<T> rows_of(const Tensor& x, int64_t head) {  // of an undefined tensor: null
  if (!x.defined()) return {};
  int64_t offset = 0;
  for (int axis = x.rank() - 3; axis >= 0; --axis) {
    offset += head % x.shape()[axis] * x.strides()[axis];
    head /= x.shape()[axis];
  }
  return {const_cast<T*>(x.data<std::remove_const_t<T>>()) + offset, x.strides()[x.rank() - 2]};
}

template <class T> void clear(const Rows<T>& x, int64_t first, int64_t count, int64_t width) {
  for (int64_t i = first; x.data && i < first + count; ++i) std::fill_n(x.row(i), width, T(0));
}

// fn(head, square, space) for all heads and so many squares of each, shared among the threads; `space` holds that many
// elements.
template <class T, class Fn> void each_square(const Scene& scene, int64_t squares, int64_t elements, Fn fn) {
  const double work = double(std::min(scene.queries, kSquare)) * double(std::min(scene.keys, kSquare)) *
                      double(scene.d_k + scene.d_v);  // multiplications
  parallel_for(scene.heads * squares, 1 + int64_t(kWorthPiece / (work + 1)), [&](int64_t begin, int64_t end) {
    Tensor space = empty({elements}, dtype_of<T>());
    for (int64_t i = begin; i < end; ++i) fn(i / squares, i % squares, space.data<T>());
  });
}
inline int64_t squares(int64_t n) { return (n + kSquare - 1) / kSquare; }

// --- products ----------------------------------------------------------------------------------------------------

template <class T> using Operand = typename GemmTable<T>::Operand;
template <class T> Operand<T> as_is(const T* data, int64_t ld) { return {data, ld, 1, false}; }
template <class T> Operand<T> transposed(const T* data, int64_t ld) { return {data, 1, ld, false}; }

// c += a b
template <class T> void add_product(int64_t m, int64_t n, int64_t k, Operand<T> a, Operand<T> b, T* c, int64_t ldc) {
  const auto& table = products<T>();
  for (int64_t l = 0; l < k; l += table.kc) {
    table.block(m, n, std::min(table.kc, k - l), a, b, nullptr, true, c, ldc);
    a.data += table.kc * a.col;
    b.data += table.kc * b.row;
  }
}

// The transpose of some rows, `depth` elements each, copied into the order in which products read it.
template <class T> class PackedTranspose {
 public:
  static int64_t space(int64_t depth) { return packed_rows(depth) * whole_panels(kTileKeys); }

  PackedTranspose(const Rows<const T>& x, int64_t first, int64_t rows, int64_t depth, T* space)
      : packed_(space), rows_(rows), depth_(depth) {
    const auto& table = products<T>();
    for (int64_t l = 0; l < depth; l += table.kc)
      table.pack_b(std::min(table.kc, depth - l), rows, x.row(first) + l, 1, x.ld, at(l));
  }

  // c = a xᵀ for the first n rows of x; up to a panel more of c may be written.
  void multiply(int64_t m, int64_t n, Operand<T> a, T* c, int64_t ldc) const {
    const auto& table = products<T>();
    const int64_t columns = std::min(whole_panels(n), rows_);
    for (int64_t l = 0; l == 0 || l < depth_; l += table.kc) {
      const Operand<T> b{at(l), 0, 0, true};
      table.block(m, columns, std::min(table.kc, depth_ - l), a, b, nullptr, l > 0, c, ldc);
      a.data += table.kc * a.col;
    }
  }

 private:
  static int64_t whole_panels(int64_t n) { return (n + products<T>().nr - 1) / products<T>().nr * products<T>().nr; }
  static int64_t packed_rows(int64_t depth) { return depth + depth / products<T>().kc + 1; }  // pack_b takes one more
  T* at(int64_t l) const { return packed_ + (l + l / products<T>().kc) * whole_panels(rows_); }

  T* packed_;
  int64_t rows_, depth_;
};

// --- the walk over the tiles of a head ---------------------------------------------------------------------------

struct Tile {
  int64_t query, rows, key, keys;  // the first ones and how many
};
struct Strip {
  int64_t query, key;         // the first ones
  int64_t row, rows;          // in its tile
  int64_t seen_before, seen;  // of the tile's keys, by causality: by the last query above the strip, and by its own
};

template <class T> struct Head {
  const Scene& scene;
  Rows<const T> q, k, v;
  const bool* keep;  // of the first query and key, or null
  int64_t keep_row = 0, keep_col = 0;

  Head(const Scene& s, int64_t head)
      : scene(s),
        q(rows_of<const T>(s.q, head)),
        k(rows_of<const T>(s.k, head)),
        v(rows_of<const T>(s.v, head)),
        keep(rows_of<const bool>(s.keep, head).data) {
    if (!keep) return;
    keep_row = s.keep.strides()[s.keep.rank() - 2];
    keep_col = s.keep.strides().back();
  }

  // fn(tile) for the tiles of queries [query, last) that see some of the keys [key, key + keys).
  template <class Fn> void each_tile(int64_t query, int64_t last, int64_t key, int64_t keys, Fn fn) const {
    for (; query < last; query += kTileQueries) {
      const int64_t count = std::min(kTileQueries, last - query);
      const int64_t seen = std::min(scene.seen(query + count - 1) - key, keys);
      if (seen > 0 && keeps_any(query, count, key, seen)) fn(Tile{query, count, key, keys});
    }
  }

  template <class Fn> void each_strip(const Tile& tile, Fn fn) const {
    const int64_t height = scene.seen(tile.query) < tile.key + tile.keys ? kStrip : tile.rows;
    for (int64_t row = 0, seen = 0; row < tile.rows; row += height) {
      const int64_t count = std::min(height, tile.rows - row), seen_before = seen;
      seen = std::clamp<int64_t>(scene.seen(tile.query + row + count - 1) - tile.key, 0, tile.keys);
      if (seen > 0) fn(Strip{tile.query + row, tile.key, row, count, seen_before, seen});
    }
  }

  // The scores of a strip, q kᵀ, -inf where the mask hides one; `scores` are those of its tile.
  ScoreTile<T> score(const Strip& strip, const PackedTranspose<T>& packed_keys, T* scores) const {
    const int64_t visible = scene.causal ? strip.query + 1 + scene.keys - scene.queries - strip.key : strip.seen;
    const ScoreTile<T> tile{strip.rows, strip.seen, visible, T(scene.scale), scores + strip.row * kTileRow, kTileRow};
    packed_keys.multiply(tile.rows, tile.keys, as_is(q.row(strip.query), q.ld), tile.scores, tile.ld);
    if (keep) tile_kernels<T>().hide(tile, keep + strip.query * keep_row + strip.key * keep_col, keep_row, keep_col);
    return tile;
  }

 private:
  // Whether the mask lets any of these queries see any of these keys.
  bool keeps_any(int64_t query, int64_t count, int64_t key, int64_t keys) const {
    if (!keep || keep_col > 1) return true;
    const bool* row = keep + query * keep_row + key * keep_col;
    for (int64_t i = 0; i < (keep_row == 0 ? 1 : count); ++i, row += keep_row) {
      if (std::memchr(row, 1, size_t(keep_col == 0 ? 1 : keys))) return true;
    }
    return false;
  }
};

}  // namespace fovea::tiles
