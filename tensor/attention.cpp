// How the scores [L, S] of each head are cut up. A piece of work is a square of up to 256 queries by 256 keys; in it a
// tile is up to 64 queries by 128 keys: 32 KiB of scores, which stay in the caches between the two products. What
// causality or the mask hides as a whole is skipped; along the diagonal tiles are lower, to follow it closely.
//
// The work of the forward pass is divided by heads and queries. Backward adds to dq along a row of squares and to dk
// and dv along a column; squares that share neither can be worked on at once, so they are taken in rounds, one diagonal
// after another, which fixes the order of every sum.
#include "tensor/attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tensor/dispatch.h"
#include "tensor/kernels/attention.h"
#include "tensor/kernels/gemm.h"
#include "tensor/parallel.h"
#include "tensor/views.h"

namespace fovea {
namespace {

constexpr int64_t kSquare = 256;  // queries or keys in a piece of work
constexpr int64_t kTileKeys = 128;
constexpr int64_t kTileQueries = 64;
constexpr int64_t kTileQueriesOnDiagonal = 16;
constexpr int64_t kTileRow = kTileKeys + 16;  // no power of two: its columns spread over the whole cache
constexpr double kWorthPiece = 1 << 18;       // multiplications: some ten microseconds

// --- the operands ------------------------------------------------------------------------------------------------

// Sizes, and what may be seen.
struct Scene {
  Shape batch;  // the axes in front
  int64_t heads, queries, keys, d_k, d_v;
  double scale;
  bool causal;
  Tensor keep;  // stretched to [batch..., queries, keys], or undefined

  int64_t seen(int64_t query) const {  // this many keys, by causality
    return causal ? std::clamp<int64_t>(query + 1 + keys - queries, 0, keys) : keys;
  }
  Shape shape(int64_t rows, int64_t columns) const {
    Shape all = batch;
    all.push_back(rows);
    all.push_back(columns);
    return all;
  }
};

// The matrix of one head: rows of adjacent elements, ld apart.
template <class T> struct RowsOf {
  T* data = nullptr;
  int64_t ld = 0;
  T* row(int64_t i) const { return data + i * ld; }
};

template <class T> RowsOf<T> rows_of(const Tensor& x, int64_t head) {
  if (!x.defined()) return {};
  int64_t offset = 0;
  for (int axis = x.rank() - 3; axis >= 0; --axis) {
    offset += head % x.shape()[axis] * x.strides()[axis];
    head /= x.shape()[axis];
  }
  return {const_cast<T*>(x.data<std::remove_const_t<T>>()) + offset, x.strides()[x.rank() - 2]};
}

// Stretched to the batch; copied only where the elements of a row are not adjacent.
Tensor with_adjacent_rows(const Tensor& x, const Shape& shape) {
  const bool adjacent = x.strides().back() == 1 || x.shape().back() == 1;
  return expand(adjacent ? x : x.clone(), shape);
}

// A new tensor whose axes lie in memory in the order of those of x, the last one innermost.
Tensor empty_in_order_of(const Tensor& x, const Shape& shape) {
  const int inner = shape.rank() - 1;
  int order[Shape::max_rank];
  for (int i = 0; i < inner; ++i) order[i] = i;
  std::stable_sort(order, order + inner, [&](int a, int b) { return x.strides()[a] < x.strides()[b]; });
  Strides strides(shape.rank(), 1);
  int64_t stride = shape[inner];
  for (int i = 0; i < inner; ++i) {
    strides[order[i]] = stride;
    stride *= shape[order[i]];
  }
  return empty(shape, x.dtype()).view(shape, strides);
}

void check_operands(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options) {
  const auto complain = [&](ErrorKind kind, const char* what) {
    fail(kind, "attention: ", what, ": q ", q.shape(), " ", q.dtype(), ", k ", k.shape(), " ", k.dtype(), ", v ",
         v.shape(), " ", v.dtype());
  };
  if (q.rank() < 2 || k.rank() < 2 || v.rank() < 2)
    complain(ErrorKind::shape, "each needs the axes [..., positions, channels]");
  if (q.dtype() != k.dtype() || q.dtype() != v.dtype()) complain(ErrorKind::dtype, "the dtypes differ");
  if (q.size(-1) != k.size(-1)) complain(ErrorKind::shape, "q and k differ in their channels");
  if (k.size(-2) != v.size(-2)) complain(ErrorKind::shape, "k and v differ in their positions");
  if (options.keep.defined() && options.keep.dtype() != DType::boolean)
    fail(ErrorKind::dtype, "attention: the mask must be bool, got ", options.keep.dtype());
  if (!(options.scale > 0)) fail(ErrorKind::value, "attention: the scale must be positive, got ", options.scale);
}

Scene scene_of(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options) {
  check_operands(q, k, v, options);
  const auto front = [](const Tensor& x) { return Shape(std::span(x.shape().begin(), size_t(x.rank() - 2))); };
  const char* name = "attention (axes in front)";
  Scene s{.batch = broadcast_shapes(name, broadcast_shapes(name, front(q), front(k)), front(v)),
          .heads = 0,
          .queries = q.size(-2),
          .keys = k.size(-2),
          .d_k = q.size(-1),
          .d_v = v.size(-1),
          .scale = options.scale,
          .causal = options.causal,
          .keep = {}};
  s.heads = element_count("attention", s.batch);
  if (options.keep.defined()) s.keep = expand(options.keep, s.shape(s.queries, s.keys));
  return s;
}

// --- products of tiles -------------------------------------------------------------------------------------------

template <class T> using Operand = typename GemmTable<T>::Operand;
template <class T> Operand<T> as_is(const T* data, int64_t ld) { return {data, ld, 1, false}; }
template <class T> Operand<T> transposed(const T* data, int64_t ld) { return {data, 1, ld, false}; }

template <class T> const GemmTable<T>& products() {
  if constexpr (sizeof(T) == 4)
    return kernels().gemm->f32;
  else
    return kernels().gemm->f64;
}
template <class T> const AttentionTable<T>& row_kernels() {
  if constexpr (sizeof(T) == 4)
    return kernels().attention->f32;
  else
    return kernels().attention->f64;
}

// c += a b
template <class T> void add_product(int64_t m, int64_t n, int64_t k, Operand<T> a, Operand<T> b, T* c, int64_t ldc) {
  const auto& table = products<T>();
  for (int64_t l = 0; l < k; l += table.kc) {
    table.block(m, n, std::min(table.kc, k - l), a, b, T(1), c, ldc);
    a.data += table.kc * a.col;
    b.data += table.kc * b.row;
  }
}

// The transpose of some rows of a matrix, copied into the order in which products read it.
template <class T> class PackedTranspose {
 public:
  static int64_t space(int64_t depth) {
    return (depth + depth / products<T>().kc + 1) * (kTileKeys + products<T>().nr);
  }

  PackedTranspose(RowsOf<const T> x, int64_t first, int64_t rows, int64_t depth, T* space)
      : packed_(space), rows_(rows), depth_(depth) {
    const auto& table = products<T>();
    for (int64_t l = 0; l < depth; l += table.kc)
      table.pack_b(std::min(table.kc, depth - l), rows, x.row(first) + l, 1, x.ld, at(l));
  }

  // c = a xᵀ, [m, n or a little more], of the first n rows of x.
  void multiply(int64_t m, int64_t n, Operand<T> a, T* c, int64_t ldc) const {
    const auto& table = products<T>();
    const int64_t columns = std::min((n + table.nr - 1) / table.nr * table.nr, rows_);  // whole panels
    for (int64_t l = 0; l < std::max<int64_t>(depth_, 1); l += table.kc) {
      const Operand<T> b{at(l), 0, 0, true};
      table.block(m, columns, std::min(table.kc, depth_ - l), a, b, T(l == 0 ? 0 : 1), c, ldc);
      a.data += table.kc * a.col;
    }
  }

 private:
  T* at(int64_t l) const {
    const int64_t rows = l + l / products<T>().kc;  // pack_b adds one to each kc
    return packed_ + rows * ((rows_ + products<T>().nr - 1) / products<T>().nr * products<T>().nr);
  }
  T* packed_;
  int64_t rows_, depth_;
};

// --- the walk over the tiles -------------------------------------------------------------------------------------

// One head.
template <class T> struct Head {
  const Scene& scene;
  RowsOf<const T> q, k, v;
  const bool* keep;  // of the first query and key, or null

  Head(const Scene& s, int64_t head, const Tensor& q_, const Tensor& k_, const Tensor& v_)
      : scene(s),
        q(rows_of<const T>(q_, head)),
        k(rows_of<const T>(k_, head)),
        v(rows_of<const T>(v_, head)),
        keep(rows_of<const bool>(s.keep, head).data) {}

  int64_t keep_row() const { return scene.keep.strides()[scene.keep.rank() - 2]; }
  int64_t keep_col() const { return scene.keep.strides().back(); }

  // Whether the mask lets any of these queries see any of these keys.
  bool keeps_any(int64_t query, int64_t queries, int64_t key, int64_t keys) const {
    if (!keep || keep_col() > 1) return true;
    const bool* row = keep + query * keep_row() + key * keep_col();
    for (int64_t i = 0; i < (keep_row() == 0 ? 1 : queries); ++i, row += keep_row()) {
      if (std::memchr(row, 1, size_t(keep_col() == 0 ? 1 : keys))) return true;
    }
    return false;
  }

  // fn(query, tile) for the tiles of queries [query, last) that see some of the keys [key, key + keys).
  template <class Fn> void each_tile(int64_t query, int64_t last, int64_t key, int64_t keys, T* scores, Fn fn) const {
    for (int64_t rows; query < last; query += rows) {
      const bool on_diagonal = scene.seen(query) < key + keys;
      rows = std::min(on_diagonal ? kTileQueriesOnDiagonal : kTileQueries, last - query);
      const int64_t seen = std::min(scene.seen(query + rows - 1) - key, keys);
      if (seen <= 0 || !keeps_any(query, rows, key, seen)) continue;
      const int64_t visible = scene.causal ? query + 1 + scene.keys - scene.queries - key : keys;
      fn(query, ScoreTile<T>{rows, seen, visible, T(scene.scale), scores, kTileRow});
    }
  }

  // The scores of a tile: q kᵀ, hidden ones -inf.
  void score(int64_t query, int64_t key, const ScoreTile<T>& tile, const PackedTranspose<T>& packed_keys) const {
    packed_keys.multiply(tile.rows, tile.keys, as_is(q.row(query), q.ld), tile.scores, tile.ld);
    if (keep) row_kernels<T>().hide(tile, keep + query * keep_row() + key * keep_col(), keep_row(), keep_col());
  }
};

// --- forward -----------------------------------------------------------------------------------------------------

// The results of queries [first, last) of a head.
template <class T> void attend(const Head<T>& head, int64_t first, int64_t last, RowsOf<T> out, T* stats) {
  const Scene& scene = head.scene;
  const auto& kernel = row_kernels<T>();
  Tensor space = empty({kTileQueries * kTileRow + PackedTranspose<T>::space(scene.d_k)}, dtype_of<T>());
  T *scores = space.data<T>(), *packed = scores + kTileQueries * kTileRow;
  T most[kSquare];
  double total[kSquare] = {};
  std::fill(most, most + kSquare, -std::numeric_limits<T>::infinity());
  for (int64_t i = first; i < last; ++i) std::fill(out.row(i), out.row(i) + scene.d_v, T(0));

  const int64_t end = scene.seen(last - 1);
  for (int64_t key = 0; key < end; key += kTileKeys) {
    const int64_t keys = std::min(kTileKeys, end - key);
    const PackedTranspose<T> packed_keys(head.k, key, keys, scene.d_k, packed);
    head.each_tile(first, last, key, keys, scores, [&](int64_t query, const ScoreTile<T>& tile) {
      head.score(query, key, tile, packed_keys);
      kernel.weigh(tile, most + (query - first), total + (query - first), scene.d_v, out.row(query), out.ld);
      add_product(tile.rows, scene.d_v, tile.keys, as_is<T>(scores, kTileRow), as_is(head.v.row(key), head.v.ld),
                  out.row(query), out.ld);
    });
  }
  kernel.finish(last - first, scene.d_v, out.row(first), out.ld, most, total, stats + 2 * first);
}

// --- backward ----------------------------------------------------------------------------------------------------

template <class T> struct HeadGradients {
  RowsOf<const T> dout, out;
  const T* stats;
  T* dots;               // Σ dout ∘ out of each query
  RowsOf<T> dq, dk, dv;  // null where not needed
};

// Before anything is added to them: the gradients of the square's queries and of its keys are 0.
template <class T> void begin_square(const Scene& scene, int64_t square, const HeadGradients<T>& g) {
  const int64_t first = square * kSquare, queries = std::min(kSquare, scene.queries - first),
                keys = std::min(kSquare, scene.keys - first);
  const auto clear = [&](const RowsOf<T>& x, int64_t rows, int64_t width) {
    for (int64_t i = 0; x.data && i < rows; ++i) std::fill(x.row(first + i), x.row(first + i) + width, T(0));
  };
  clear(g.dq, queries, scene.d_k);
  clear(g.dk, keys, scene.d_k);
  clear(g.dv, keys, scene.d_v);
  if (queries > 0)
    row_kernels<T>().dot_rows(queries, scene.d_v, g.dout.row(first), g.dout.ld, g.out.row(first), g.out.ld,
                              g.dots + first);
}

// Adds what the queries [first, last) and the keys [first_key, last_key) have to do with each other.
template <class T>
void attend_backward(const Head<T>& head, const HeadGradients<T>& g, int64_t first, int64_t last, int64_t first_key,
                     int64_t last_key) {
  const Scene& scene = head.scene;
  const int64_t tile_space = kTileQueries * kTileRow, key_space = PackedTranspose<T>::space(scene.d_k);
  Tensor space = empty({2 * tile_space + key_space + PackedTranspose<T>::space(scene.d_v)}, dtype_of<T>());
  T *scores = space.data<T>(), *dscores = scores + tile_space, *packed = dscores + tile_space;

  for (int64_t key = first_key; key < last_key; key += kTileKeys) {
    const int64_t keys = std::min(kTileKeys, last_key - key);
    const PackedTranspose<T> packed_keys(head.k, key, keys, scene.d_k, packed);
    const PackedTranspose<T> packed_values(head.v, key, keys, scene.d_v, packed + key_space);
    head.each_tile(first, last, key, keys, scores, [&](int64_t query, const ScoreTile<T>& tile) {
      head.score(query, key, tile, packed_keys);
      packed_values.multiply(tile.rows, tile.keys, as_is(g.dout.row(query), g.dout.ld), dscores, kTileRow);
      row_kernels<T>().weigh_backward(tile, g.stats + 2 * query, g.dots + query, dscores);
      const auto weights_t = transposed<T>(scores, kTileRow), dscores_t = transposed<T>(dscores, kTileRow);
      if (g.dv.data)
        add_product(tile.keys, scene.d_v, tile.rows, weights_t, as_is(g.dout.row(query), g.dout.ld), g.dv.row(key),
                    g.dv.ld);
      if (g.dk.data)
        add_product(tile.keys, scene.d_k, tile.rows, dscores_t, as_is(head.q.row(query), head.q.ld), g.dk.row(key),
                    g.dk.ld);
      if (g.dq.data)
        add_product(tile.rows, scene.d_k, tile.keys, as_is<T>(dscores, kTileRow), as_is(head.k.row(key), head.k.ld),
                    g.dq.row(query), g.dq.ld);
    });
  }
}

int64_t squares(int64_t n) { return (n + kSquare - 1) / kSquare; }

// fn(head, square) for all heads and `count` squares of each, shared among the threads.
template <class Fn> void each_square(const Scene& scene, int64_t count, Fn fn) {
  const double work =
      double(std::min(scene.queries, kSquare)) * double(std::min(scene.keys, kSquare)) * double(scene.d_k + scene.d_v);
  parallel_for(scene.heads * count, 1 + int64_t(kWorthPiece / (work + 1)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) fn(i / count, i % count);
  });
}

}  // namespace

AttentionResult attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options) {
  const Scene scene = scene_of(q, k, v, options);
  const Tensor queries = with_adjacent_rows(q, scene.shape(scene.queries, scene.d_k)),
               keys = with_adjacent_rows(k, scene.shape(scene.keys, scene.d_k)),
               values = with_adjacent_rows(v, scene.shape(scene.keys, scene.d_v));
  AttentionResult result{empty_in_order_of(queries, scene.shape(scene.queries, scene.d_v)),
                         empty(scene.shape(scene.queries, 2), q.dtype())};
  with_floating(q.dtype(), "attention", [&]<class T>(T) {
    each_square(scene, squares(scene.queries), [&](int64_t h, int64_t square) {
      const int64_t first = square * kSquare, last = std::min(first + kSquare, scene.queries);
      attend(Head<T>(scene, h, queries, keys, values), first, last, rows_of<T>(result.out, h),
             result.stats.data<T>() + h * scene.queries * 2);
    });
  });
  return result;
}

AttentionGradients attention_backward(const Tensor& dout, const Tensor& q, const Tensor& k, const Tensor& v,
                                      const AttentionOptions& options, const AttentionResult& result,
                                      AttentionNeeds needs) {
  const Scene scene = scene_of(q, k, v, options);
  if (dout.shape() != result.out.shape() || dout.dtype() != result.out.dtype())
    fail(ErrorKind::shape, "attention: dout ", dout.shape(), " ", dout.dtype(), " does not fit the result ",
         result.out.shape(), " ", result.out.dtype());
  const Tensor queries = with_adjacent_rows(q, scene.shape(scene.queries, scene.d_k)),
               keys = with_adjacent_rows(k, scene.shape(scene.keys, scene.d_k)),
               values = with_adjacent_rows(v, scene.shape(scene.keys, scene.d_v)),
               douts = with_adjacent_rows(dout, dout.shape());
  Tensor dots = empty({scene.heads, scene.queries}, q.dtype());
  const auto like = [](bool need, const Tensor& x) { return need ? empty_in_order_of(x, x.shape()) : Tensor(); };
  AttentionGradients g{like(needs.dq, queries), like(needs.dk, keys), like(needs.dv, values)};

  const int64_t down = squares(scene.queries), right = squares(scene.keys), rounds = std::max(down, right);
  with_floating(q.dtype(), "attention", [&]<class T>(T) {
    for (int64_t round = 0; round < rounds; ++round) {
      each_square(scene, rounds, [&](int64_t h, int64_t square) {
        const HeadGradients<T> of_head{rows_of<const T>(douts, h),
                                       rows_of<const T>(result.out, h),
                                       result.stats.data<T>() + h * scene.queries * 2,
                                       dots.data<T>() + h * scene.queries,
                                       rows_of<T>(g.dq, h),
                                       rows_of<T>(g.dk, h),
                                       rows_of<T>(g.dv, h)};
        if (round == 0) begin_square(scene, square, of_head);
        const int64_t first = (square + round) % rounds * kSquare, last = std::min(first + kSquare, scene.queries),
                      first_key = square * kSquare, last_key = std::min(first_key + kSquare, scene.keys);
        if (first < last && first_key < std::min(last_key, scene.seen(last - 1)))
          attend_backward(Head<T>(scene, h, queries, keys, values), of_head, first, last, first_key, last_key);
      });
    }
  });
  return g;
}

}  // namespace fovea
