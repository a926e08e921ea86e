#include "tensor/rows.h"

#include <algorithm>

#include "tensor/dispatch.h"
#include "tensor/kernels/rows.h"
#include "tensor/loop.h"
#include "tensor/reduce.h"
#include "tensor/views.h"

namespace fovea {
namespace {

// The rows that share one partial sum of dweight: few enough for f32, enough to make that sum cheap.
constexpr int64_t kRowsPerPartial = 32;

template <class T> const RowTable<T>& row_table() { return table_of<T>(*kernels().rows); }

void require_rows(const char* name, const char* role, const Tensor& x) {
  if (x.rank() == 0) fail(ErrorKind::shape, name, ": ", role, " is a single number []; it needs at least one axis");
}
void require_like(const char* name, const char* role, const Tensor& x, const char* like_role, const Tensor& like) {
  if (x.shape() != like.shape() || x.dtype() != like.dtype())
    fail(x.dtype() != like.dtype() ? ErrorKind::dtype : ErrorKind::shape, name, ": ", role, " ", x.shape(), " ",
         x.dtype(), " does not fit ", like_role, " ", like.shape(), " ", like.dtype());
}
// Something with one element for each of the n of a row.
void require_per_column(const char* name, const char* role, const Tensor& w, const Tensor& x) {
  if (!w.defined()) return;
  if (w.shape() != Shape{x.shape().back()})
    fail(ErrorKind::shape, name, ": ", role, " ", w.shape(), " does not fit x ", x.shape(), "; it must be [",
         x.shape().back(), "]");
  if (w.dtype() != x.dtype())
    fail(ErrorKind::dtype, name, ": ", role, " is ", w.dtype(), ", x is ", x.dtype(), "; convert one with .to()");
}

Shape row_shape(const Tensor& x) { return reduced_shape(x.shape(), {x.rank() - 1}, false); }
int64_t row_count(const Tensor& x) { return x.count() == 0 ? 0 : x.count() / x.shape().back(); }

// Calls fn(first, last) for pieces of the rows of x.
template <class Fn> void each_piece(const Tensor& x, Fn fn) {
  if (x.count() > 0) parallel_for(row_count(x), std::max<int64_t>(1, kGrain / x.shape().back()), fn);
}

// out = kernel(in…) along an axis, for kernels that map rows to rows: another axis than the last is swapped with it.
// call(kernel table, rows, n, in…, out) works on the pointers of one piece.
template <class Call, class... In>
Tensor along_axis(const char* name, int some_axis, Call call, const Tensor& x, const In&... more) {
  const int axis = normalize_axis(name, some_axis, x.rank());
  if (axis != x.rank() - 1) {
    return transpose(along_axis(name, -1, call, transpose(x, axis, -1), transpose(more, axis, -1)...), axis, -1)
        .contiguous();
  }
  Tensor out = empty(x.shape(), x.dtype());
  with_floating(x.dtype(), name, [&]<class T>(T) {
    const auto run = [&](const auto&... in) {  // all contiguous
      each_piece(x, [&](int64_t first, int64_t last) {
        const int64_t n = x.shape().back(), at = first * n;
        call(row_table<T>(), last - first, n, in.template data<T>() + at..., out.data<T>() + at);
      });
    };
    run(std::as_const(x).contiguous(), more.contiguous()...);
  });
  return out;
}

// The mask of a row: where it begins, or null where the row is seen whole.
class MaskRows {
 public:
  MaskRows(const Tensor& mask, const Tensor& x) {
    if (!mask.defined()) return;
    if (mask.dtype() != DType::boolean)
      fail(ErrorKind::dtype, "masked_softmax: the mask is ", mask.dtype(), "; it must be bool, true = keep");
    if (broadcast_shapes("masked_softmax", x.shape(), mask.shape()) != x.shape())
      fail(ErrorKind::shape, "masked_softmax: the mask ", mask.shape(), " is larger than x ", x.shape());
    const bool whole = mask.rank() > 0 && mask.shape().back() == x.shape().back();
    Shape stretched = mask.shape();  // the last axis in full and without gaps, the others as they are
    if (!whole && !stretched.empty()) stretched.back() = x.shape().back();
    if (stretched.empty()) stretched.push_back(x.shape().back());
    mask_ = expand(mask, stretched).contiguous();
    rows_ = expand(mask_, x.shape());
  }
  const bool* of(int64_t row) const {
    if (!mask_.defined()) return nullptr;
    int64_t offset = 0;
    for (int axis = rows_.rank() - 2; axis >= 0; --axis) {
      offset += row % rows_.shape()[axis] * rows_.strides()[axis];
      row /= rows_.shape()[axis];
    }
    return mask_.data<bool>() + offset;
  }

 private:
  Tensor mask_, rows_;
};

}  // namespace

// --- softmax ---------------------------------------------------------------------------------------------------------

Tensor softmax(const Tensor& x, int axis) {
  const auto call = [](const auto& kernel, auto... arguments) { kernel.softmax(arguments...); };
  return along_axis("softmax", axis, call, x);
}

Tensor log_softmax(const Tensor& x, int axis) {
  const auto call = [](const auto& kernel, auto... arguments) { kernel.log_softmax(arguments...); };
  return along_axis("log_softmax", axis, call, x);
}

Tensor softmax_backward(const Tensor& dy, const Tensor& y, int axis, double scale) {
  require_like("softmax_backward", "dy", dy, "y", y);
  const auto call = [scale](const auto& kernel, int64_t rows, int64_t n, auto... pointers) {
    kernel.softmax_backward(rows, n, scale, pointers...);
  };
  return along_axis("softmax_backward", axis, call, dy, y);
}

Tensor log_softmax_backward(const Tensor& dy, const Tensor& y, int axis) {
  require_like("log_softmax_backward", "dy", dy, "y", y);
  const auto call = [](const auto& kernel, auto... arguments) { kernel.log_softmax_backward(arguments...); };
  return along_axis("log_softmax_backward", axis, call, dy, y);
}

Tensor masked_softmax(const Tensor& x, double scale, const Tensor& mask, bool causal) {
  require_rows("masked_softmax", "x", x);
  if (causal && x.rank() < 2)
    fail(ErrorKind::shape, "masked_softmax: causal needs x [..., queries, keys], got ", x.shape());
  const Tensor rows = x.contiguous();
  const MaskRows masks(mask, x);
  const int64_t keys = x.shape().back(), queries = causal ? x.size(-2) : 1;
  Tensor out = empty(x.shape(), x.dtype());
  with_floating(x.dtype(), "masked_softmax", [&]<class T>(T) {
    each_piece(x, [&](int64_t first, int64_t last) {
      for (int64_t r = first; r < last; ++r) {
        const int64_t seen = causal ? std::clamp<int64_t>(r % queries + 1 + keys - queries, 0, keys) : keys;
        row_table<T>().masked_softmax(keys, seen, scale, rows.data<T>() + r * keys, masks.of(r),
                                      out.data<T>() + r * keys);
      }
    });
  });
  return out;
}

// --- layer norm and RMS norm -----------------------------------------------------------------------------------------

namespace {

NormResult norm(const char* name, bool centred, const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  require_rows(name, "x", x);
  require_per_column(name, "weight", weight, x);
  require_per_column(name, "bias", bias, x);
  if (eps < 0) fail(ErrorKind::value, name, ": eps is ", eps, "; it must not be negative");
  const int64_t n = x.shape().back();
  const Tensor rows = x.contiguous(), w = weight.defined() ? weight.contiguous() : ones({n}, x.dtype()),
               b = bias.defined() ? bias.contiguous() : zeros({n}, x.dtype());
  Tensor rstd = empty(row_shape(x), DType::f64), mean = centred ? empty(row_shape(x), DType::f64) : Tensor{};
  Tensor out = empty(x.shape(), x.dtype());
  with_floating(x.dtype(), name, [&]<class T>(T) {
    const auto kernel = centred ? row_table<T>().layer_norm : row_table<T>().rms_norm;
    each_piece(x, [&](int64_t first, int64_t last) {
      kernel(last - first, n, rows.data<T>() + first * n, w.data<T>(), b.data<T>(), eps, out.data<T>() + first * n,
             centred ? mean.data<double>() + first : nullptr, rstd.data<double>() + first);
    });
  });
  return {out, mean, rstd};
}

NormGradients norm_backward(const char* name, bool centred, const Tensor& dy, const Tensor& x, const Tensor& mean,
                            const Tensor& rstd, const Tensor& weight, NormNeeds needs) {
  require_rows(name, "x", x);
  require_like(name, "dy", dy, "x", x);
  require_per_column(name, "weight", weight, x);
  const int64_t n = x.shape().back(), rows = row_count(x);
  const int64_t partials = (rows + kRowsPerPartial - 1) / kRowsPerPartial;
  const Tensor dys = dy.contiguous(), xs = x.contiguous(),
               w = weight.defined() ? weight.contiguous() : ones({n}, x.dtype());
  Tensor dx = empty(x.shape(), x.dtype()), dweights = empty({partials, n}, x.dtype()),
         dbiases = empty({partials, n}, x.dtype());
  with_floating(x.dtype(), name, [&]<class T>(T) {
    const auto kernel = centred ? row_table<T>().layer_norm_backward : row_table<T>().rms_norm_backward;
    parallel_for(rows, kRowsPerPartial, [&](int64_t first, int64_t last) {
      const int64_t from = first * n, partial = first / kRowsPerPartial * n;
      kernel(last - first, n, dys.data<T>() + from, xs.data<T>() + from,
             centred ? mean.data<double>() + first : nullptr, rstd.data<double>() + first, w.data<T>(),
             dx.data<T>() + from, dweights.data<T>() + partial, dbiases.data<T>() + partial);
    });
  });
  const auto total = [](bool need, const Tensor& parts) { return need ? sum(parts, {0}) : Tensor{}; };
  return {needs.dx ? dx : Tensor{}, total(needs.dweight, dweights), total(centred && needs.dbias, dbiases)};
}

}  // namespace

NormResult layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  return norm("layer_norm", true, x, weight, bias, eps);
}

NormGradients layer_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& mean, const Tensor& rstd,
                                  const Tensor& weight, NormNeeds needs) {
  return norm_backward("layer_norm_backward", true, dy, x, mean, rstd, weight, needs);
}

NormResult rms_norm(const Tensor& x, const Tensor& weight, double eps) {
  return norm("rms_norm", false, x, weight, {}, eps);
}

NormGradients rms_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& rstd, const Tensor& weight,
                                NormNeeds needs) {
  return norm_backward("rms_norm_backward", false, dy, x, {}, rstd, weight, needs);
}

// --- cross entropy ---------------------------------------------------------------------------------------------------

namespace {

void check_cross_entropy(const Tensor& logits, const Tensor& targets, const CrossEntropyOptions& options) {
  const char* name = "cross_entropy";
  require_rows(name, "logits", logits);
  if (targets.dtype() != DType::i64)
    fail(ErrorKind::dtype, name, ": targets are ", targets.dtype(), "; they must be i64");
  if (targets.shape() != row_shape(logits))
    fail(ErrorKind::shape, name, ": targets ", targets.shape(), " do not fit logits ", logits.shape(),
         "; there must be one for each row, ", row_shape(logits));
  require_per_column(name, "class_weights", options.class_weights, logits);
  if (!(options.label_smoothing >= 0 && options.label_smoothing <= 1))
    fail(ErrorKind::value, name, ": label_smoothing is ", options.label_smoothing, "; it must lie in [0, 1]");
  const int64_t classes = logits.shape().back();
  for (int64_t r = 0; r < targets.count(); ++r) {
    const int64_t target = targets.data<int64_t>()[r];
    if (target != options.ignore_index && (target < 0 || target >= classes))
      fail(ErrorKind::index, name, ": target ", target, " of row ", r, " lies outside the ", classes,
           " classes of logits ", logits.shape(), " and is not ignore_index ", options.ignore_index);
  }
}

template <class T> CrossEntropySettings<T> settings_of(const CrossEntropyOptions& options) {
  const Tensor& weights = options.class_weights;
  return {weights.data<T>(), sum(weights.to(DType::f64)).item(), options.label_smoothing, options.ignore_index};
}

// Of the targets that are not ignored: their number, or the sum of their classes' weights.
template <class T> double total_weight(const Tensor& targets, const CrossEntropyOptions& options) {
  const auto* target = targets.data<int64_t>();
  const Tensor& weights = options.class_weights;
  int64_t number = 0;
  for (int64_t r = 0; r < targets.count(); ++r) number += target[r] != options.ignore_index;
  if (!weights.defined()) return double(number);
  double sum = 0;
  for (int64_t r = 0; r < targets.count(); ++r) {
    if (target[r] != options.ignore_index) sum += double(weights.data<T>()[target[r] * weights.strides()[0]]);
  }
  return sum;
}

// With the class weights side by side, as the kernels want them.
CrossEntropyOptions with_weights(const Tensor& logits, CrossEntropyOptions options) {
  Tensor& weights = options.class_weights;
  weights = weights.defined() ? weights.contiguous() : ones({logits.shape().back()}, logits.dtype());
  return options;
}

}  // namespace

CrossEntropyResult cross_entropy_rows(const Tensor& logits, const Tensor& targets, const CrossEntropyOptions& given) {
  const Tensor rows = logits.contiguous(), classes = targets.contiguous();
  check_cross_entropy(rows, classes, given);
  const CrossEntropyOptions options = with_weights(rows, given);
  const int64_t n = logits.shape().back();
  const int64_t* target = classes.data<int64_t>();
  CrossEntropyResult result = {empty(targets.shape(), logits.dtype()), empty(targets.shape(), DType::f64)};
  with_floating(logits.dtype(), "cross_entropy", [&]<class T>(T) {
    const CrossEntropySettings<T> settings = settings_of<T>(options);
    each_piece(logits, [&](int64_t first, int64_t last) {
      row_table<T>().cross_entropy(last - first, n, rows.data<T>() + first * n, target + first, settings,
                                   result.losses.data<T>() + first, result.logsumexps.data<double>() + first);
    });
    result.weight = total_weight<T>(classes, given);
  });
  return result;
}

Tensor cross_entropy_rows_backward(const Tensor& dlosses, const Tensor& logits, const Tensor& targets,
                                   const Tensor& logsumexps, const CrossEntropyOptions& given) {
  const Tensor rows = logits.contiguous(), classes = targets.contiguous(), gradients = dlosses.contiguous();
  check_cross_entropy(rows, classes, given);
  const CrossEntropyOptions options = with_weights(rows, given);
  if (dlosses.shape() != targets.shape())
    fail(ErrorKind::shape, "cross_entropy: dlosses ", dlosses.shape(), " do not fit targets ", targets.shape());
  const int64_t n = logits.shape().back();
  Tensor out = empty(logits.shape(), logits.dtype());
  with_floating(logits.dtype(), "cross_entropy", [&]<class T>(T) {
    const CrossEntropySettings<T> settings = settings_of<T>(options);
    each_piece(logits, [&](int64_t first, int64_t last) {
      row_table<T>().cross_entropy_backward(last - first, n, gradients.data<T>() + first, rows.data<T>() + first * n,
                                            classes.data<int64_t>() + first, logsumexps.data<double>() + first,
                                            settings, out.data<T>() + first * n);
    });
  });
  return out;
}

}  // namespace fovea
