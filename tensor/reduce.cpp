#include "tensor/reduce.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tensor/dispatch.h"
#include "tensor/elementwise.h"
#include "tensor/kernels/reduce.h"
#include "tensor/loop.h"
#include "tensor/views.h"

namespace fovea {
namespace {

// Long reductions are cut into pieces that threads share and that are then reduced in turn.
constexpr int64_t kRowPiece = kGrain;  // elements
constexpr int64_t kColumnPiece = 256;  // rows
constexpr int64_t kColumnBlock = 512;  // columns whose accumulators stay in the L1 cache

// --- x as [outer, n, inner], to be reduced along n ------------------------------------------------------------------
// Either rows: inner is 1 and the n elements lie side by side; or columns: the inner elements do.
struct Layout {
  Tensor x;
  int64_t outer, outer_stride, n, stride, inner;
};

Layout rows_of(const Tensor& x, int64_t outer, int64_t n) { return {x.contiguous(), outer, n, n, 1, 1}; }

// x with the kept axes in front and the reduced ones behind.
Tensor reduced_last(const Tensor& x, const Axes& axes) {
  Axes order;
  for (int i = 0; i < x.rank(); ++i) {
    if (!axes.contains(i)) order.push_back(i);
  }
  for (int64_t axis : axes) order.push_back(axis);
  return permute(x, order);
}

Layout lay_out(const Tensor& x, const Axes& axes) {
  Shape kept_shape, reduced_shape;
  Strides kept_strides, reduced_strides;
  for (int i = 0; i < x.rank(); ++i) {
    (axes.contains(i) ? reduced_shape : kept_shape).push_back(x.shape()[i]);
    (axes.contains(i) ? reduced_strides : kept_strides).push_back(x.strides()[i]);
  }
  const Loop kept(kept_shape, {kept_strides}), reduced(reduced_shape, {reduced_strides});
  if (reduced.shape.rank() == 1) {
    const int64_t n = reduced.count, stride = reduced.run_strides[0];
    const int64_t inner = kept.run_length(), inner_stride = kept.run_strides[0];
    const bool columns = inner_stride == 1 && (stride != 1 || n == 1);
    if (columns && kept.shape.rank() == 1) return {x, 1, 0, n, stride, inner};
    if (columns && kept.shape.rank() == 2) return {x, kept.shape[0], kept.strides[0][0], n, stride, inner};
    if (stride == 1 && kept.shape.rank() == 1) return {x, inner, inner_stride, n, 1, 1};
  }
  return rows_of(reduced_last(x, axes), kept.count, reduced.count);
}

// --- floating elements, folded in f64 -------------------------------------------------------------------------------

Reduction combination_of(Reduction op) {
  return op == Reduction::product || op == Reduction::minimum || op == Reduction::maximum ? op : Reduction::sum;
}

double identity_of(Reduction op) {
  if (op == Reduction::minimum) return std::numeric_limits<double>::infinity();
  if (op == Reduction::maximum) return -std::numeric_limits<double>::infinity();
  return op == Reduction::product ? 1 : 0;
}

// Each piece of each row or column into out [outer, pieces, inner].
template <class T>
void fold_pieces(Reduction op, const Layout& l, int64_t piece, int64_t pieces, const double* centre, double* out) {
  const T* x = l.x.data<T>();
  const auto& table = table_of<T>(*kernels().reduce);
  const auto rows = table.rows[int(op)];
  const auto columns = table.columns[int(op)];
  if (l.inner == 1 && l.stride == 1 && pieces == 1) {
    const int64_t grain = std::max<int64_t>(1, kGrain / l.n);
    return parallel_for(l.outer, grain, [&](int64_t first, int64_t last) {
      rows(last - first, l.n, x + first * l.outer_stride, l.outer_stride, centre ? centre + first : nullptr,
           out + first);
    });
  }
  const int64_t blocks = (l.inner + kColumnBlock - 1) / kColumnBlock;
  const int64_t grain = std::max<int64_t>(1, kGrain / (std::min(piece, l.n) * std::min(kColumnBlock, l.inner)));
  parallel_for(l.outer * pieces * blocks, grain, [&](int64_t first, int64_t last) {
    for (int64_t item = first; item < last; ++item) {
      const int64_t o = item / (pieces * blocks), p = item / blocks % pieces, j = item % blocks * kColumnBlock;
      const int64_t n = std::min(piece, l.n - p * piece), width = std::min(kColumnBlock, l.inner - j);
      const T* from = x + o * l.outer_stride + p * piece * l.stride + j;
      const double* about = centre ? centre + o * l.inner + j : nullptr;
      double* to = out + (o * pieces + p) * l.inner + j;
      if (l.inner == 1 && l.stride == 1)
        rows(1, n, from, 0, about, to);
      else
        columns(n, width, from, l.stride, about, to);
    }
  });
}

// The fold of x over (normalized) axes: f64, with the reduced axes kept as size 1. centre has that shape too.
Tensor fold(const char* name, Reduction op, const Tensor& x, const Axes& axes, const Tensor& centre = {}) {
  const Shape shape = reduced_shape(x.shape(), axes, true);
  if (x.count() == 0) return full(shape, identity_of(op), DType::f64);
  const Layout l = lay_out(x, axes);
  const bool along_rows = l.inner == 1 && l.stride == 1;
  const int64_t piece = along_rows ? kRowPiece : kColumnPiece, pieces = (l.n + piece - 1) / piece;
  Tensor out = empty({l.outer, pieces, l.inner}, DType::f64);
  const double* about = centre.defined() ? centre.data<double>() : nullptr;
  with_floating(x.dtype(), name, [&]<class T>(T) { fold_pieces<T>(op, l, piece, pieces, about, out.data<double>()); });
  if (pieces > 1) out = fold(name, combination_of(op), out, {1});
  return reshape(out, shape);
}

// A fold as the result the caller asked for: its dtype again, the reduced axes gone unless they are to stay.
Tensor finish(const Tensor& folded, const Tensor& x, const Axes& axes, bool keep_dims) {
  return reshape(folded.to(x.dtype()), reduced_shape(x.shape(), axes, keep_dims));
}

// How many elements become one.
double count_along(const Tensor& x, const Axes& axes) {
  double n = 1;
  for (int64_t axis : axes) n *= double(x.shape()[int(axis)]);
  return n;
}

// --- integers and truth values ---------------------------------------------------------------------------------------

template <class T, class Fold>
Tensor fold_integers(const Tensor& x, const Axes& axes, int64_t identity, bool keep_dims, Fold combine) {
  Tensor out = full(reduced_shape(x.shape(), axes, keep_dims), double(identity), DType::i64);
  if (x.count() == 0) return out;
  const int64_t n = x.count() / out.count();
  const Layout l = rows_of(reduced_last(x, axes), out.count(), n);
  const T* from = l.x.data<T>();
  int64_t* to = out.data<int64_t>();
  parallel_for(l.outer, std::max<int64_t>(1, kGrain / n), [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r) {
      int64_t folded = from[r * n];
      for (int64_t i = 1; i < n; ++i) folded = combine(folded, int64_t(from[r * n + i]));
      to[r] = folded;
    }
  });
  return out;
}

template <class Fold>
Tensor fold_integers(const Tensor& x, const Axes& axes, int64_t identity, bool keep_dims, Fold combine) {
  if (x.dtype() == DType::i64) return fold_integers<int64_t>(x, axes, identity, keep_dims, combine);
  return fold_integers<bool>(x, axes, identity, keep_dims, combine);
}

constexpr auto add = [](int64_t a, int64_t b) { return int64_t(uint64_t(a) + uint64_t(b)); };  // wraps
constexpr auto smaller = [](int64_t a, int64_t b) { return a < b ? a : b; };
constexpr auto larger = [](int64_t a, int64_t b) { return a > b ? a : b; };

// --- shared by pairs of operations -----------------------------------------------------------------------------------

void require_elements(const char* name, const Tensor& x, const Axes& axes) {
  for (int64_t axis : axes) {
    if (x.shape()[int(axis)] == 0)
      fail(ErrorKind::shape, name, ": x ", x.shape(), " has no elements along axis ", axis,
           "; of nothing there is no least or greatest");
  }
}

template <class Fold>
Tensor extreme(const char* name, Reduction op, const Tensor& x, const Axes& some_axes, bool keep_dims, Fold combine) {
  const Axes axes = normalize_axes(name, some_axes, x.rank());
  require_elements(name, x, axes);
  if (is_floating(x.dtype())) return finish(fold(name, op, x, axes), x, axes, keep_dims);
  return fold_integers(x, axes, 0, keep_dims, combine).to(x.dtype());
}

// The place in each row [rows, n] of that row's extreme [rows].
template <class T> void find_places(const Tensor& rows, const Tensor& extremes, int64_t n, int64_t* places) {
  const T* x = rows.data<T>();
  const T* wanted = extremes.data<T>();
  parallel_for(extremes.count(), std::max<int64_t>(1, kGrain / n), [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r) {
      if constexpr (std::is_floating_point_v<T>) {
        places[r] = table_of<T>(*kernels().reduce).find(n, x + r * n, wanted[r]);
      } else {
        places[r] = std::find(x + r * n, x + (r + 1) * n, wanted[r]) - (x + r * n);
      }
    }
  });
}

Tensor place_of(const char* name, Tensor (*reduce)(const Tensor&, const Axes&, bool), const Tensor& x, int some_axis,
                bool keep_dims) {
  const Axes axes = {normalize_axis(name, some_axis, x.rank())};
  require_elements(name, x, axes);
  Tensor places = empty(reduced_shape(x.shape(), axes, keep_dims), DType::i64);
  if (x.count() == 0) return places;
  const Tensor rows = reduced_last(x, axes).contiguous(), extremes = reduce(rows, {-1}, false);
  with_type(x.dtype(),
            [&]<class T>(T) { find_places<T>(rows, extremes, rows.shape().back(), places.data<int64_t>()); });
  return places;
}

}  // namespace

// --- sums ------------------------------------------------------------------------------------------------------------

Tensor sum(const Tensor& x, const Axes& some_axes, bool keep_dims) {
  const Axes axes = normalize_axes("sum", some_axes, x.rank());
  if (!is_floating(x.dtype())) return fold_integers(x, axes, 0, keep_dims, add);
  return finish(fold("sum", Reduction::sum, x, axes), x, axes, keep_dims);
}

Tensor mean(const Tensor& x, const Axes& some_axes, bool keep_dims) {
  const Axes axes = normalize_axes("mean", some_axes, x.rank());
  return finish(fold("mean", Reduction::sum, x, axes) / count_along(x, axes), x, axes, keep_dims);
}

Tensor prod(const Tensor& x, const Axes& some_axes, bool keep_dims) {
  const Axes axes = normalize_axes("prod", some_axes, x.rank());
  return finish(fold("prod", Reduction::product, x, axes), x, axes, keep_dims);
}

Tensor var(const Tensor& x, const Axes& some_axes, bool keep_dims, int64_t correction) {
  const Axes axes = normalize_axes("var", some_axes, x.rank());
  const double n = count_along(x, axes);
  const Tensor centre = fold("var", Reduction::sum, x, axes) / n;
  const Tensor squares = fold("var", Reduction::squares, x, axes, centre);
  return finish(squares / std::max(n - double(correction), 0.0), x, axes, keep_dims);
}

Tensor stddev(const Tensor& x, const Axes& axes, bool keep_dims, int64_t correction) {
  return sqrt(var(x, axes, keep_dims, correction));
}

Tensor logsumexp(const Tensor& x, const Axes& some_axes, bool keep_dims) {
  const Axes axes = normalize_axes("logsumexp", some_axes, x.rank());
  const Tensor most = fold("logsumexp", Reduction::maximum, x, axes);
  const Tensor sums = fold("logsumexp", Reduction::exps, x, axes, most);
  return finish(where(is_finite(most), log(sums) + most, most), x, axes, keep_dims);  // inf - inf would be NaN
}

Tensor norm(const Tensor& x, double p, const Axes& some_axes, bool keep_dims) {
  const Axes axes = normalize_axes("norm", some_axes, x.rank());
  if (!(p > 0)) fail(ErrorKind::value, "norm: p is ", p, "; it must be positive, infinity included");
  const auto folded = [&](Reduction op, const Tensor& of) { return fold("norm", op, of, axes); };
  const auto result = [&](const Tensor& f64) { return finish(f64, x, axes, keep_dims); };
  if (p == 1) return result(folded(Reduction::abs_sum, x));
  if (p == 2) return result(sqrt(folded(Reduction::squares, x)));
  if (std::isinf(p)) return result(abs(maximum(folded(Reduction::maximum, x), -folded(Reduction::minimum, x))));
  return result(pow(folded(Reduction::sum, pow(abs(x.to(DType::f64)), p)), 1 / p));
}

// --- extremes --------------------------------------------------------------------------------------------------------

Tensor min(const Tensor& x, const Axes& axes, bool keep_dims) {
  return extreme("min", Reduction::minimum, x, axes, keep_dims, smaller);
}
Tensor max(const Tensor& x, const Axes& axes, bool keep_dims) {
  return extreme("max", Reduction::maximum, x, axes, keep_dims, larger);
}
Tensor argmin(const Tensor& x, int axis, bool keep_dims) { return place_of("argmin", min, x, axis, keep_dims); }
Tensor argmax(const Tensor& x, int axis, bool keep_dims) { return place_of("argmax", max, x, axis, keep_dims); }

// --- truth values ----------------------------------------------------------------------------------------------------

Tensor any(const Tensor& x, const Axes& axes, bool keep_dims) {
  return fold_integers(x.to(DType::boolean), normalize_axes("any", axes, x.rank()), 0, keep_dims, larger)
      .to(DType::boolean);
}
Tensor all(const Tensor& x, const Axes& axes, bool keep_dims) {
  return fold_integers(x.to(DType::boolean), normalize_axes("all", axes, x.rank()), 1, keep_dims, smaller)
      .to(DType::boolean);
}
Tensor count_nonzero(const Tensor& x, const Axes& axes, bool keep_dims) {
  return sum(x.to(DType::boolean), axes, keep_dims);
}

// --- along an axis and back ------------------------------------------------------------------------------------------

Tensor cumsum(const Tensor& x, int some_axis) {
  const int axis = normalize_axis("cumsum", some_axis, x.rank());
  if (x.dtype() == DType::boolean) return cumsum(x.to(DType::i64), axis);
  const Tensor rows = transpose(x, axis, -1).contiguous();
  Tensor sums = empty(rows.shape(), x.dtype());
  const int64_t n = rows.shape().back();
  with_type(x.dtype(), [&]<class T>(T) {
    using Total = std::conditional_t<std::is_floating_point_v<T>, double, uint64_t>;
    const T* from = rows.data<T>();
    T* to = sums.data<T>();
    parallel_for(n == 0 ? 0 : x.count() / n, std::max<int64_t>(1, kGrain / std::max<int64_t>(n, 1)),
                 [&](int64_t first, int64_t last) {
                   for (int64_t r = first; r < last; ++r) {
                     Total total = 0;
                     for (int64_t i = r * n; i < (r + 1) * n; ++i) to[i] = T(total += Total(from[i]));
                   }
                 });
  });
  return transpose(sums, axis, -1).contiguous();
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  const int added = x.rank() - shape.rank();
  Axes axes;
  for (int i = 0; i < x.rank(); ++i) {
    const int64_t wanted = i < added ? 1 : shape[i - added];
    if (added < 0 || (wanted != 1 && wanted != x.shape()[i]))
      fail(ErrorKind::shape, "sum_to: x ", x.shape(), " does not come from broadcasting ", shape);
    if (i < added || x.shape()[i] != wanted) axes.push_back(i);
  }
  if (added < 0) fail(ErrorKind::shape, "sum_to: x ", x.shape(), " does not come from broadcasting ", shape);
  return reshape(axes.empty() ? x : sum(x, axes), shape);
}

}  // namespace fovea
