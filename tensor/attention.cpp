// Attention forward. The softmax of a query goes on from tile to tile: what is summed up so far is scaled whenever a
// larger score turns up, and divided by the sum of all weights at the end.
#include "tensor/attention.h"

#include <limits>

#include "tensor/attention_tiles.h"
#include "tensor/views.h"

namespace fovea {
namespace tiles {
namespace {

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

// The results of queries [first, last) of a head.
template <class T> void attend(const Head<T>& head, int64_t first, int64_t last, Rows<T> out, T* stats, T* space) {
  const Scene& scene = head.scene;
  T *scores = space, *packed = space + kTileSpace;
  T most[kSquare];
  double total[kSquare];
  std::fill_n(most, last - first, -std::numeric_limits<T>::infinity());
  std::fill_n(total, last - first, 0);
  clear(out, first, last - first, scene.d_v);

  const int64_t end = scene.seen(last - 1);
  for (int64_t key = 0; key < end; key += kTileKeys) {
    const int64_t keys = std::min(kTileKeys, end - key);
    const PackedTranspose<T> packed_keys(head.k, key, keys, scene.d_k, packed);
    head.each_tile(first, last, key, keys, [&](const Tile& tile) {
      head.each_strip(tile, [&](const Strip& strip) {
        const ScoreTile<T> weights = head.score(strip, packed_keys, scores);
        const int64_t at = strip.query - first;
        T* sums = out.row(strip.query);
        tile_kernels<T>().weigh(weights, most + at, total + at, scene.d_v, sums, out.ld);
        add_product(strip.rows, scene.d_v, strip.seen, as_is<T>(weights.scores, kTileRow),
                    as_is(head.v.row(key), head.v.ld), sums, out.ld);
      });
    });
  }
  tile_kernels<T>().finish(last - first, scene.d_v, out.row(first), out.ld, most, total, stats + 2 * first);
}

}  // namespace

Tensor with_adjacent_rows(const Tensor& x, const Shape& shape) {
  const bool adjacent = x.strides().back() == 1 || x.shape().back() == 1;
  return expand(adjacent ? x : x.clone(), shape);
}

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

Scene::Scene(const Tensor& q_, const Tensor& k_, const Tensor& v_, const AttentionOptions& options) {
  check_operands(q_, k_, v_, options);
  const auto front = [](const Tensor& x) { return Shape(std::span(x.shape().begin(), size_t(x.rank() - 2))); };
  const char* name = "attention (axes in front)";
  batch = broadcast_shapes(name, broadcast_shapes(name, front(q_), front(k_)), front(v_));
  heads = element_count("attention", batch);
  queries = q_.size(-2);
  keys = k_.size(-2);
  d_k = q_.size(-1);
  d_v = v_.size(-1);
  scale = options.scale;
  causal = options.causal;
  q = with_adjacent_rows(q_, shape(queries, d_k));
  k = with_adjacent_rows(k_, shape(keys, d_k));
  v = with_adjacent_rows(v_, shape(keys, d_v));
  if (options.keep.defined()) keep = expand(options.keep, shape(queries, keys));
}

Shape Scene::shape(int64_t rows, int64_t columns) const {
  Shape all = batch;
  all.push_back(rows);
  all.push_back(columns);
  return all;
}

}  // namespace tiles

AttentionResult attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options) {
  using namespace tiles;
  const Scene scene(q, k, v, options);
  AttentionResult result{empty_in_order_of(scene.q, scene.shape(scene.queries, scene.d_v)),
                         empty(scene.shape(scene.queries, 2), q.dtype())};
  with_floating(q.dtype(), "attention", [&]<class T>(T) {
    const int64_t space = kTileSpace + PackedTranspose<T>::space(scene.d_k);
    each_square<T>(scene, squares(scene.queries), space, [&](int64_t head, int64_t square, T* scratch) {
      const int64_t first = square * kSquare, last = std::min(first + kSquare, scene.queries);
      attend(Head<T>(scene, head), first, last, rows_of<T>(result.out, head),
             result.stats.data<T>() + head * scene.queries * 2, scratch);
    });
  });
  return result;
}

}  // namespace fovea
