// Attention backward. Each tile's weights are computed again; they add to dq along a row of squares and to dk and dv
// along a column. Squares that share neither can be worked on at once, so they are taken in rounds, one diagonal after
// another: every sum has its order, whatever the number of threads, and nothing is stored twice.
#include "tensor/attention_tiles.h"

namespace fovea {
namespace tiles {
namespace {

template <class T> struct Gradients {  // of one head
  Rows<const T> dout, out;
  const T* stats;
  T* dots;             // Σ dout ∘ out of each query
  Rows<T> dq, dk, dv;  // null where not needed
};

// Before anything is added to them: the gradients of the i-th square's queries and keys are 0.
template <class T> void begin_square(const Scene& scene, int64_t square, const Gradients<T>& g) {
  const int64_t first = square * kSquare, queries = std::min(kSquare, scene.queries - first),
                keys = std::min(kSquare, scene.keys - first);
  clear(g.dq, first, queries, scene.d_k);
  clear(g.dk, first, keys, scene.d_k);
  clear(g.dv, first, keys, scene.d_v);
  if (queries > 0)
    tile_kernels<T>().dot_rows(queries, scene.d_v, g.dout.row(first), g.dout.ld, g.out.row(first), g.out.ld,
                               g.dots + first);
}

// dq, and in `weights` and `dscores` what dk and dv are made of.
template <class T>
void attend_strip(const Head<T>& head, const Gradients<T>& g, const Strip& strip, const PackedTranspose<T>& packed_keys,
                  const PackedTranspose<T>& packed_values, T* weights, T* dscores) {
  const Scene& scene = head.scene;
  const ScoreTile<T> scores = head.score(strip, packed_keys, weights);
  T* d = dscores + strip.row * kTileRow;
  packed_values.multiply(strip.rows, strip.seen, as_is(g.dout.row(strip.query), g.dout.ld), d, kTileRow);
  tile_kernels<T>().weigh_backward(scores, g.stats + 2 * strip.query, g.dots + strip.query, d);
  if (!g.dq.data) return;
  add_product(strip.rows, scene.d_k, strip.seen, as_is<T>(d, kTileRow), as_is(head.k.row(strip.key), head.k.ld),
              g.dq.row(strip.query), g.dq.ld);
}

// dk and dv of the keys that this strip is the first to see, from all queries of its tile from there on.
template <class T>
void attend_keys(const Head<T>& head, const Gradients<T>& g, const Tile& tile, const Strip& strip, const T* weights,
                 const T* dscores) {
  const int64_t key = tile.key + strip.seen_before, keys = strip.seen - strip.seen_before,
                queries = tile.rows - strip.row, at = strip.row * kTileRow + strip.seen_before;
  if (keys == 0) return;
  if (g.dv.data)
    add_product(keys, head.scene.d_v, queries, transposed(weights + at, kTileRow),
                as_is(g.dout.row(strip.query), g.dout.ld), g.dv.row(key), g.dv.ld);
  if (g.dk.data)
    add_product(keys, head.scene.d_k, queries, transposed(dscores + at, kTileRow),
                as_is(head.q.row(strip.query), head.q.ld), g.dk.row(key), g.dk.ld);
}

// Adds what the queries [first, last) and the keys [first_key, last_key) have to do with each other.
template <class T>
void attend(const Head<T>& head, const Gradients<T>& g, int64_t first, int64_t last, int64_t first_key,
            int64_t last_key, T* space) {
  const Scene& scene = head.scene;
  T *weights = space, *dscores = weights + kTileSpace, *packed = dscores + kTileSpace;
  for (int64_t key = first_key; key < last_key; key += kTileKeys) {
    const int64_t keys = std::min(kTileKeys, last_key - key);
    const PackedTranspose<T> packed_keys(head.k, key, keys, scene.d_k, packed);
    const PackedTranspose<T> packed_values(head.v, key, keys, scene.d_v, packed + PackedTranspose<T>::space(scene.d_k));
    head.each_tile(first, last, key, keys, [&](const Tile& tile) {
      head.each_strip(tile, [&](const Strip& strip) {
        attend_strip(head, g, strip, packed_keys, packed_values, weights, dscores);
      });
      head.each_strip(tile, [&](const Strip& strip) { attend_keys<T>(head, g, tile, strip, weights, dscores); });
    });
  }
}

}  // namespace
}  // namespace tiles

AttentionGradients attention_backward(const Tensor& dout, const Tensor& q, const Tensor& k, const Tensor& v,
                                      const AttentionOptions& options, const AttentionResult& result,
                                      AttentionNeeds needs) {
  using namespace tiles;
  const Scene scene(q, k, v, options);
  if (dout.shape() != result.out.shape() || dout.dtype() != result.out.dtype())
    fail(ErrorKind::shape, "attention: dout ", dout.shape(), " ", dout.dtype(), " does not fit the result ",
         result.out.shape(), " ", result.out.dtype());
  const Tensor douts = with_adjacent_rows(dout, dout.shape());
  Tensor dots = empty({scene.heads, scene.queries}, q.dtype());
  const auto like = [](bool need, const Tensor& x) { return need ? empty_in_order_of(x, x.shape()) : Tensor(); };
  AttentionGradients g{like(needs.dq, scene.q), like(needs.dk, scene.k), like(needs.dv, scene.v)};

  const int64_t rounds = std::max(squares(scene.queries), squares(scene.keys));
  with_floating(q.dtype(), "attention", [&]<class T>(T) {
    const int64_t space = 2 * kTileSpace + PackedTranspose<T>::space(scene.d_k) + PackedTranspose<T>::space(scene.d_v);
    const auto of_head = [&](int64_t head) {
      return Gradients<T>{.dout = rows_of<const T>(douts, head),
                          .out = rows_of<const T>(result.out, head),
                          .stats = result.stats.data<T>() + head * scene.queries * 2,
                          .dots = dots.data<T>() + head * scene.queries,
                          .dq = rows_of<T>(g.dq, head),
                          .dk = rows_of<T>(g.dk, head),
                          .dv = rows_of<T>(g.dv, head)};
    };
    for (int64_t round = 0; round < rounds; ++round) {
      each_square<T>(scene, rounds, space, [&](int64_t head, int64_t square, T* scratch) {
        const Gradients<T> gradients = of_head(head);
        if (round == 0) begin_square(scene, square, gradients);
        const int64_t first = (square + round) % rounds * kSquare, last = std::min(first + kSquare, scene.queries);
        const int64_t key = square * kSquare, last_key = std::min(key + kSquare, scene.keys);
        if (first < last && key < std::min(last_key, scene.seen(last - 1)))
          attend(Head<T>(scene, head), gradients, first, last, key, last_key, scratch);
      });
    }
  });
  return g;
}

}  // namespace fovea
