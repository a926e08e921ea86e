// Kernels along rows. Each is two or three walks over a row that stays in the L1 cache: one or two that find its
// maximum, sums or moments, one that writes. Short rows are taken in groups, see by_groups.
#include "tensor/kernels/rows.h"

#include "tensor/kernels/math.h"
#include "tensor/kernels/row.h"

namespace fovea {
namespace {

// --- what is found out about a row -------------------------------------------------------------------------------

// Sums are taken in T over so many elements and in f64 across them: no lane ever adds more than 32 terms.
constexpr int64_t kBlock = 512;

template <int N> struct Totals {
  double of[N] = {};
};

// N sums over a row: step(i, lanes, sums) adds the terms of the vector at i to sums[0 … N-1].
template <int N, class T, class Step> FOVEA_INLINE Totals<N> row_sums(int64_t n, Step step) {
  constexpr int parts = Lanes16<T>::parts;
  Totals<N> totals;
  for (int64_t first = 0; first < n; first += kBlock) {
    Vec<T> sums[parts][N];
    for (auto& part : sums) {
      for (auto& sum : part) sum = Vec<T>(T(0));
    }
    along_row<T>(n - first < kBlock ? n - first : kBlock,
                 [&](int64_t i, int part, auto lanes) FOVEA_INLINE_LAMBDA { step(first + i, lanes, sums[part]); });
    for (int k = 0; k < N; ++k) {
      Lanes16<T> lanes(T(0));
      for (int part = 0; part < parts; ++part) lanes.part[part] = sums[part][k];
      totals.of[k] += double(lanes.reduce([](auto a, auto b) FOVEA_INLINE_LAMBDA { return a + b; }));
    }
  }
  return totals;
}

// The steps of one row wait for each other: a sum must be known before it is used. So short rows are taken a few at a
// time, step by step, and the processor works on the next row while it waits. step(r, k): row r, the k-th of its group.
constexpr int kGroup = 4;
template <class... Step> FOVEA_INLINE void by_groups(int64_t rows, int64_t n, Step... step) {
  const int64_t group = n <= 1024 ? kGroup : 1;  // what a group reads and writes stays in the L1 cache
  for (int64_t first = 0; first < rows; first += group) {
    const int count = int(rows - first < group ? rows - first : group);
    const auto each_row = [first, count](auto one) FOVEA_INLINE_LAMBDA {
      for (int k = 0; k < count; ++k) one(first + k, k);
    };
    (each_row(step), ...);
  }
}

// The larger one; which of two if one is NaN does not matter here, because exp(NaN - max) is NaN either way.
template <class T> FOVEA_INLINE Vec<T> larger(Vec<T> a, Vec<T> b) { return Vec<T>(a.raw > b.raw ? a.raw : b.raw); }

// The largest of value(i, lanes).
template <class T, class Value> FOVEA_INLINE T row_max(int64_t n, Value value) {
  const Vec<T> lowest(T(-__builtin_inf()));
  Lanes16<T> most(T(-__builtin_inf()));
  along_row<T>(n, [&](int64_t i, int part, auto lanes) FOVEA_INLINE_LAMBDA {
    most.part[part] = larger(lanes.pick(value(i, lanes), lowest), most.part[part]);
  });
  return most.reduce([](auto a, auto b) FOVEA_INLINE_LAMBDA { return a > b ? a : b; });
}

// Σ exp(value(i, lanes) - most), most the maximum; each term is passed to keep(i, lanes, term) too.
template <class T, class Value, class Keep> FOVEA_INLINE double row_sum_exp(int64_t n, T most, Value value, Keep keep) {
  return row_sums<1, T>(n,
                        [&](int64_t i, auto lanes, Vec<T>* sums) FOVEA_INLINE_LAMBDA {
                          const Vec<T> term = exp_not_positive(value(i, lanes) - Vec<T>(most));
                          keep(i, lanes, term);
                          sums[0] = sums[0] + lanes.pick(term, Vec<T>(T(0)));
                        })
      .of[0];
}

// For exponentials of which only the sum counts.
constexpr auto kDropped = [](int64_t, auto, auto) FOVEA_INLINE_LAMBDA {};

FOVEA_INLINE double log_of(double x) { return log(Vec<double>(x))[0]; }

// A number of f64 as two of T, so that x - mean loses nothing.
template <class T> struct Split {
  Vec<T> high, low;
  explicit FOVEA_INLINE Split(double value) : high(T(value)), low(T(value - double(T(value)))) {}
  FOVEA_INLINE Vec<T> subtract_from(Vec<T> x) const { return (x - high) - low; }
};
template <> struct Split<double> {
  Vec<double> whole;
  explicit FOVEA_INLINE Split(double value) : whole(value) {}
  FOVEA_INLINE Vec<double> subtract_from(Vec<double> x) const { return x - whole; }
};

// --- softmax -----------------------------------------------------------------------------------------------------

// The elements of a row as they are.
template <class T> struct Row {
  const T* x;
  template <class L> FOVEA_INLINE Vec<T> operator()(int64_t i, L lanes) const { return lanes.load(x + i); }
};

// y_i = exp(value(i) - most); returns their sum.
template <class T, class Value> FOVEA_INLINE double exps_of_row(int64_t n, T most, Value value, T* y) {
  return row_sum_exp(n, most, value,
                     [y](int64_t i, auto lanes, Vec<T> e) FOVEA_INLINE_LAMBDA { lanes.store(e, y + i); });
}
template <class T> FOVEA_INLINE void scale_row(int64_t n, T factor, T* y) {
  each_vector<T>(
      n, [=](int64_t i, auto lanes) FOVEA_INLINE_LAMBDA { lanes.store(lanes.load(y + i) * Vec<T>(factor), y + i); });
}

// y_i = exp(x_i - max x) / Σ_j exp(x_j - max x)
template <class T> void softmax(int64_t rows, int64_t n, const T* x, T* y) {
  T most[kGroup];
  double total[kGroup];
  by_groups(
      rows, n, [&](int64_t r, int k) FOVEA_INLINE_LAMBDA { most[k] = row_max<T>(n, Row<T>{x + r * n}); },
      [&](int64_t r, int k)
          FOVEA_INLINE_LAMBDA { total[k] = exps_of_row<T>(n, most[k], Row<T>{x + r * n}, y + r * n); },
      [&](int64_t r, int k) FOVEA_INLINE_LAMBDA { scale_row(n, T(1 / total[k]), y + r * n); });
}

// y_i = (x_i - max x) - log Σ_j exp(x_j - max x)
template <class T> void log_softmax(int64_t rows, int64_t n, const T* x, T* y) {
  T most[kGroup];
  double total[kGroup];
  by_groups(
      rows, n, [&](int64_t r, int k) FOVEA_INLINE_LAMBDA { most[k] = row_max<T>(n, Row<T>{x + r * n}); },
      [&](int64_t r, int k) FOVEA_INLINE_LAMBDA { total[k] = row_sum_exp(n, most[k], Row<T>{x + r * n}, kDropped); },
      [&](int64_t r, int k) FOVEA_INLINE_LAMBDA {
        const Row<T> row{x + r * n};
        const Vec<T> shift(most[k]), log_total(T(log_of(total[k])));
        each_vector<T>(n, [&](int64_t i, auto lanes)
                              FOVEA_INLINE_LAMBDA { lanes.store((row(i, lanes) - shift) - log_total, y + r * n + i); });
      });
}

// exp(v_i - max v) / Σ_j exp(v_j - max v), v = value(i, lanes); 0 where every v is -inf.
template <class T, class Value> FOVEA_INLINE void softmax_or_zero(int64_t n, Value value, T* y) {
  T most = row_max<T>(n, value);
  if (most == T(-__builtin_inf())) most = 0;
  const double total = exps_of_row(n, most, value, y);
  scale_row(n, T(total == 0 ? 0 : 1 / total), y);
}

template <class T> void masked_softmax(int64_t n, int64_t visible, double scale, const T* x, const bool* mask, T* y) {
  const T factor = T(scale), hidden = T(-__builtin_inf());
  if (mask) {
    const auto* keep = reinterpret_cast<const unsigned char*>(mask);  // bytes, which g++ 12 can make vectors of
    for (int64_t i = 0; i < visible; ++i) {
      const T scaled = x[i] * factor;
      y[i] = keep[i] ? scaled : hidden;
    }
    softmax_or_zero(visible, Row<T>{y}, y);
  } else {
    const auto scaled = [&](int64_t i, auto lanes) FOVEA_INLINE_LAMBDA { return lanes.load(x + i) * Vec<T>(factor); };
    softmax_or_zero(visible, scaled, y);
  }
  for (int64_t i = visible; i < n; ++i) y[i] = 0;
}

// dx_i = scale · y_i (dy_i - Σ_j dy_j y_j)
template <class T> void softmax_backward(int64_t rows, int64_t n, double scale, const T* dy, const T* y, T* dx) {
  for (int64_t r = 0; r < rows; ++r, dy += n, y += n, dx += n) {
    const double dot = row_sums<1, T>(n, [&](int64_t i, auto lanes, Vec<T>* sums) FOVEA_INLINE_LAMBDA {
                         sums[0] = fma(lanes.load(dy + i), lanes.load(y + i), sums[0]);
                       }).of[0];
    const Vec<T> shift{T(dot)}, factor{T(scale)};
    each_vector<T>(n, [&](int64_t i, auto lanes) FOVEA_INLINE_LAMBDA {
      lanes.store(factor * lanes.load(y + i) * (lanes.load(dy + i) - shift), dx + i);
    });
  }
}

// dx_i = dy_i - exp(y_i) Σ_j dy_j
template <class T> void log_softmax_backward(int64_t rows, int64_t n, const T* dy, const T* y, T* dx) {
  for (int64_t r = 0; r < rows; ++r, dy += n, y += n, dx += n) {
    const double total = row_sums<1, T>(n, [&](int64_t i, auto lanes, Vec<T>* sums) FOVEA_INLINE_LAMBDA {
                           sums[0] = sums[0] + lanes.load(dy + i);
                         }).of[0];
    const Vec<T> sum{T(total)};
    each_vector<T>(n, [&](int64_t i, auto lanes) FOVEA_INLINE_LAMBDA {
      lanes.store(lanes.load(dy + i) - exp_not_positive(lanes.load(y + i)) * sum, dx + i);
    });
  }
}

// --- layer norm and RMS norm -------------------------------------------------------------------------------------

// Σ x / n
template <class T> FOVEA_INLINE double row_mean(int64_t n, const T* x) {
  return row_sums<1, T>(
             n, [x](int64_t i, auto lanes, Vec<T>* sums) FOVEA_INLINE_LAMBDA { sums[0] = sums[0] + lanes.load(x + i); })
             .of[0] /
         double(n);
}

struct Moments {
  double mean, variance;
};

// Σ x² / n
template <class T> FOVEA_INLINE double row_square(int64_t n, const T* x) {
  return row_sums<1, T>(n,
                        [x](int64_t i, auto lanes, Vec<T>* sums) FOVEA_INLINE_LAMBDA {
                          const Vec<T> v = lanes.load(x + i);
                          sums[0] = fma(v, v, sums[0]);
                        })
             .of[0] /
         double(n);
}

// Both moments about a rough mean, corrected by what that is off (Chan, Golub & LeVeque 1983): the differences are
// small, so T is wide enough for them even where it is not for the mean.
template <class T> FOVEA_INLINE Moments row_moments(int64_t n, const T* x, T rough) {
  const Totals<2> about = row_sums<2, T>(n, [x, rough](int64_t i, auto lanes, Vec<T>* sums) FOVEA_INLINE_LAMBDA {
    const Vec<T> d = lanes.pick(lanes.load(x + i) - Vec<T>(rough), Vec<T>(T(0)));
    sums[0] = sums[0] + d;
    sums[1] = fma(d, d, sums[1]);
  });
  const double off = about.of[0] / double(n);
  const double variance = about.of[1] / double(n) - off * off;
  return {double(rough) + off, variance < 0 ? 0 : variance};
}

// y = x̂ · weight + bias with x̂ = (x - mean) · rstd, rstd = 1 / √(variance + eps); without mean and bias unless centred.
template <bool centred, class T>
void norm(int64_t rows, int64_t n, const T* x, const T* weight, const T* bias, double eps, T* y, double* mean,
          double* rstd) {
  Moments moments[kGroup];
  by_groups(
      rows, n, [&](int64_t r, int k) FOVEA_INLINE_LAMBDA { moments[k].mean = centred ? row_mean(n, x + r * n) : 0; },
      [&](int64_t r, int k) FOVEA_INLINE_LAMBDA {
        moments[k] = centred ? row_moments(n, x + r * n, T(moments[k].mean)) : Moments{0, row_square(n, x + r * n)};
      },
      [&](int64_t r, int k) FOVEA_INLINE_LAMBDA {
        rstd[r] = 1 / __builtin_sqrt(moments[k].variance + eps);
        if (centred) mean[r] = moments[k].mean;
      },
      [&](int64_t r, int k) FOVEA_INLINE_LAMBDA {
        const Split<T> centre(moments[k].mean);
        const Vec<T> factor{T(rstd[r])};
        each_vector<T>(n, [&](int64_t i, auto lanes) FOVEA_INLINE_LAMBDA {
          const Vec<T> v = lanes.load(x + r * n + i), w = lanes.load(weight + i);
          lanes.store(centred ? fma(centre.subtract_from(v) * factor, w, lanes.load(bias + i)) : v * factor * w,
                      y + r * n + i);
        });
      });
}

// With g = dy · weight:  dx = rstd (g - mean(g) - x̂ mean(g x̂)),  dweight = Σ_rows dy x̂,  dbias = Σ_rows dy.
// RMS norm has no mean(g), because its x̂ does not subtract one.
template <bool centred, class T>
void norm_backward(int64_t rows, int64_t n, const T* dy, const T* x, const double* mean, const double* rstd,
                   const T* weight, T* dx, T* dweight, T* dbias) {
  const Vec<T> zero(T(0));
  for (int64_t i = 0; dweight && i < n; ++i) dweight[i] = 0;
  for (int64_t i = 0; dbias && i < n; ++i) dbias[i] = 0;
  for (int64_t r = 0; r < rows; ++r, dy += n, x += n) {
    const Split<T> centre(centred ? mean[r] : 0);
    const Vec<T> factor{T(rstd[r])};
    const auto normal = [&](int64_t i, auto lanes) FOVEA_INLINE_LAMBDA {
      const Vec<T> v = lanes.load(x + i);
      return lanes.pick((centred ? centre.subtract_from(v) : v) * factor, zero);
    };
    const Totals<2> sums = row_sums<2, T>(n, [&](int64_t i, auto lanes, Vec<T>* s) FOVEA_INLINE_LAMBDA {
      const Vec<T> d = lanes.load(dy + i), x_hat = normal(i, lanes), g = d * lanes.load(weight + i);
      if (centred) s[0] = s[0] + g;
      s[1] = fma(g, x_hat, s[1]);
      if (dweight) lanes.store(fma(d, x_hat, lanes.load(dweight + i)), dweight + i);
      if (centred && dbias) lanes.store(d + lanes.load(dbias + i), dbias + i);
    });
    if (!dx) continue;
    const Vec<T> mean_g(T(sums.of[0] / double(n))), minus_mean_gx(T(-sums.of[1] / double(n)));
    T* row = dx + r * n;
    each_vector<T>(n, [&](int64_t i, auto lanes) FOVEA_INLINE_LAMBDA {
      const Vec<T> g = lanes.load(dy + i) * lanes.load(weight + i);
      lanes.store(fma(normal(i, lanes), minus_mean_gx, centred ? g - mean_g : g) * factor, row + i);
    });
  }
}

// --- cross entropy -----------------------------------------------------------------------------------------------

// loss = (1-ε) w_t nll_t + ε/n Σ_c w_c nll_c with nll_c = log Σ_j exp(x_j) - x_c, t the target, w the class weights.
// The logarithm comes as log_total = log Σ_j exp(x_j - most), so that large logits cost no digits.
template <class T>
FOVEA_INLINE double row_loss(int64_t n, const T* x, int64_t target, T most, double log_total,
                             const CrossEntropySettings<T>& settings) {
  if (target == settings.ignore_index) return 0;
  const T* weights = settings.class_weights;
  const double nll = log_total - (double(x[target]) - double(most));
  const double loss = (1 - settings.smoothing) * (weights ? double(weights[target]) : 1.0) * nll;
  if (settings.smoothing == 0) return loss;
  const Vec<T> shift(most), term{T(log_total)}, zero(T(0));
  const double spread = row_sums<1, T>(n, [&](int64_t i, auto lanes, Vec<T>* sums) FOVEA_INLINE_LAMBDA {
                          const Vec<T> w = weights ? lanes.load(weights + i) : Vec<T>(T(1));
                          sums[0] = sums[0] + lanes.pick(w * (term - (lanes.load(x + i) - shift)), zero);
                        }).of[0];
  return loss + settings.smoothing / double(n) * spread;
}

template <class T>
void cross_entropy(int64_t rows, int64_t n, const T* x, const int64_t* targets, const CrossEntropySettings<T>& settings,
                   T* losses, double* logsumexps) {
  T most[kGroup];
  double total[kGroup];
  by_groups(
      rows, n, [&](int64_t r, int k) FOVEA_INLINE_LAMBDA { most[k] = row_max<T>(n, Row<T>{x + r * n}); },
      [&](int64_t r, int k) FOVEA_INLINE_LAMBDA { total[k] = row_sum_exp(n, most[k], Row<T>{x + r * n}, kDropped); },
      [&](int64_t r, int k) FOVEA_INLINE_LAMBDA {
        const double log_total = log_of(total[k]);
        logsumexps[r] = double(most[k]) + log_total;
        losses[r] = T(row_loss(n, x + r * n, targets[r], most[k], log_total, settings));
      });
}

// dx_c = dloss ((a + b W) p_c - b w_c - a [c = t]),  p_c = exp(x_c - logsumexp),  a = (1-ε) w_t,  b = ε/n,  W = Σ w
template <class T>
void cross_entropy_backward(int64_t rows, int64_t n, const T* dlosses, const T* x, const int64_t* targets,
                            const double* logsumexps, const CrossEntropySettings<T>& settings, T* dx) {
  const T* weights = settings.class_weights;
  const double b = settings.smoothing / double(n);
  for (int64_t r = 0; r < rows; ++r, x += n, dx += n) {
    const int64_t target = targets[r];
    if (target == settings.ignore_index) {
      for (int64_t i = 0; i < n; ++i) dx[i] = 0;
      continue;
    }
    const double g = double(dlosses[r]);
    const double a = (1 - settings.smoothing) * (weights ? double(weights[target]) : 1.0);
    const Split<T> shift(logsumexps[r]);
    const Vec<T> share(T(g * (a + b * settings.weights_total))), spread(T(-g * b));
    each_vector<T>(n, [&](int64_t i, auto lanes) FOVEA_INLINE_LAMBDA {
      const Vec<T> p = exp_not_positive(shift.subtract_from(lanes.load(x + i)));
      const Vec<T> w = weights ? lanes.load(weights + i) : Vec<T>(T(1));
      lanes.store(fma(p, share, w * spread), dx + i);
    });
    dx[target] = T(double(dx[target]) - g * a);
  }
}

template <class T>
constexpr RowTable<T> table = {softmax<T>,          log_softmax<T>,           masked_softmax<T>,
                               softmax_backward<T>, log_softmax_backward<T>,  norm<true, T>,
                               norm<false, T>,      norm_backward<true, T>,   norm_backward<false, T>,
                               cross_entropy<T>,    cross_entropy_backward<T>};

}  // namespace

namespace FOVEA_LEVEL {
extern const RowKernels row_kernels;
const RowKernels row_kernels = {table<float>, table<double>};
}  // namespace FOVEA_LEVEL
}  // namespace fovea
