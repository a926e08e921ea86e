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

// N sums over a row: step(v, y, sums) adds what is found in the vectors v to sums[0 … N-1].
template <int N, class T, int R, int W, class Step>
FOVEA_INLINE Totals<N> row_sums(int64_t n, const Operands<T, R, W>& row, Step step) {
  Totals<N> totals;
  for (int64_t first = 0; first < n; first += kBlock) {
    Lanes16<T> sums[N];
    for (auto& sum : sums) sum = Lanes16<T>(T(0));
    walk_row(n - first < kBlock ? n - first : kBlock, row.from(first),
             [&](const Vec<T>* v, Vec<T>* y, int part) FOVEA_INLINE_LAMBDA {
               Vec<T> s[N];
               for (int k = 0; k < N; ++k) s[k] = sums[k].part[part];
               step(v, y, s);
               for (int k = 0; k < N; ++k) sums[k].part[part] = s[k];
             });
    for (int k = 0; k < N; ++k) totals.of[k] += double(sums[k].reduce(kAdd));
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

// y_i = exp(x_i - most), most the largest x; returns their sum. Without y only the sum is wanted. Meanwhile the row at
// `next` is fetched.
template <class T> [[gnu::noinline]] double row_exps(int64_t n, T most, const T* x, T* y, const T* next) {
  const Vec<T> shift(most);
  T dropped[kBlock];
  double total = 0;
  for (int64_t first = 0; first < n; first += kBlock) {
    const T* ahead = next + first;
    const Operands<T, 1, 1> row = {{x + first}, {y ? y + first : dropped}, {T(-__builtin_inf())}};
    total += row_sums<1>(n - first < kBlock ? n - first : kBlock, row,
                         [&](const Vec<T>* v, Vec<T>* e, Vec<T>* sum) FOVEA_INLINE_LAMBDA {
                           __builtin_prefetch(ahead);
                           ahead += Vec<T>::size;
                           e[0] = exp_not_positive(v[0] - shift);
                           sum[0] = sum[0] + e[0];
                         })
                 .of[0];
  }
  return total;
}

FOVEA_INLINE double log_of(double x) { return log(Vec<double>(x))[0]; }
// x_i becomes log x_i.
FOVEA_INLINE void take_logs(int64_t n, double* x) {
  for (int64_t i = 0; i < n; i += Vec<double>::size)
    log(Vec<double>::load_first(x + i, int(n - i), 1)).store_first(x + i, int(n - i));
}

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

// y_i = exp(x_i - max x) / Σ_j exp(x_j - max x)
template <class T> void softmax(int64_t rows, int64_t n, const T* x, T* y) {
  T most[kGroup];
  double total[kGroup];
  by_groups(
      rows, n, [&](int64_t r, int k) FOVEA_INLINE_LAMBDA { most[k] = row_max(n, x + r * n); },
      [&](int64_t r, int k)
          FOVEA_INLINE_LAMBDA { total[k] = row_exps(n, most[k], x + r * n, y + r * n, x + (r + kGroup) * n); },
      [&](int64_t r, int k) FOVEA_INLINE_LAMBDA { scale_row(n, T(1 / total[k]), y + r * n, y + r * n); });
}

// y_i = (x_i - max x) - log Σ_j exp(x_j - max x)
template <class T> void log_softmax(int64_t rows, int64_t n, const T* x, T* y) {
  T most[kGroup];
  double total[kGroup];
  by_groups(
      rows, n, [&](int64_t r, int k) FOVEA_INLINE_LAMBDA { most[k] = row_max(n, x + r * n); },
      [&](int64_t r, int k)
          FOVEA_INLINE_LAMBDA { total[k] = row_exps<T>(n, most[k], x + r * n, nullptr, x + (r + kGroup) * n); },
      [&](int64_t r, int k) FOVEA_INLINE_LAMBDA {
        const Vec<T> shift(most[k]), log_total(T(log_of(total[k])));
        map_row(n, Operands<T, 1, 1>{{x + r * n}, {y + r * n}},
                [&](const Vec<T>* v, Vec<T>* out) FOVEA_INLINE_LAMBDA { out[0] = (v[0] - shift) - log_total; });
      });
}

// exp(v_i - max v) / Σ_j exp(v_j - max v) with v = scale · x where it is seen; 0 elsewhere, or where every v is -inf.
template <class T> void masked_softmax(int64_t n, int64_t visible, double scale, const T* x, const bool* mask, T* y) {
  scale_row(visible, T(scale), x, y);
  const auto* keep = reinterpret_cast<const unsigned char*>(mask);  // bytes, which g++ 12 can make vectors of
  for (int64_t i = 0; keep && i < visible; ++i) y[i] = keep[i] ? y[i] : T(-__builtin_inf());
  T most = row_max(visible, y);
  if (most == T(-__builtin_inf())) most = 0;
  const double total = row_exps(visible, most, y, y, y);  // no other row follows
  scale_row(visible, T(total == 0 ? 0 : 1 / total), y, y);
  for (int64_t i = visible; i < n; ++i) y[i] = 0;
}

// dx_i = scale · y_i (dy_i - Σ_j dy_j y_j)
template <class T> void softmax_backward(int64_t rows, int64_t n, double scale, const T* dy, const T* y, T* dx) {
  const Vec<T> factor{T(scale)};
  double dot[kGroup];
  by_groups(
      rows, n,
      [&](int64_t r, int k) FOVEA_INLINE_LAMBDA {
        const Operands<T, 2, 0> row = {{dy + r * n, y + r * n}};
        dot[k] = row_sums<1>(n, row, [](const Vec<T>* v, Vec<T>*, Vec<T>* sum) FOVEA_INLINE_LAMBDA {
                   sum[0] = fma(v[0], v[1], sum[0]);
                 }).of[0];
      },
      [&](int64_t r, int k) FOVEA_INLINE_LAMBDA {
        const Vec<T> shift{T(dot[k])};
        map_row(n, Operands<T, 2, 1>{{dy + r * n, y + r * n}, {dx + r * n}},
                [&](const Vec<T>* v, Vec<T>* d) FOVEA_INLINE_LAMBDA { d[0] = factor * v[1] * (v[0] - shift); });
      });
}

// dx_i = dy_i - exp(y_i) Σ_j dy_j
template <class T> void log_softmax_backward(int64_t rows, int64_t n, const T* dy, const T* y, T* dx) {
  double total[kGroup];
  by_groups(
      rows, n,
      [&](int64_t r, int k) FOVEA_INLINE_LAMBDA {
        const Operands<T, 1, 0> row = {{dy + r * n}};
        total[k] = row_sums<1>(n, row, [](const Vec<T>* v, Vec<T>*, Vec<T>* sum) FOVEA_INLINE_LAMBDA {
                     sum[0] = sum[0] + v[0];
                   }).of[0];
      },
      [&](int64_t r, int k) FOVEA_INLINE_LAMBDA {
        const Vec<T> sum{T(total[k])};
        map_row(n, Operands<T, 2, 1>{{dy + r * n, y + r * n}, {dx + r * n}},
                [&](const Vec<T>* v, Vec<T>* d) FOVEA_INLINE_LAMBDA { d[0] = v[0] - exp_not_positive(v[1]) * sum; });
      });
}

// --- layer norm and RMS norm -------------------------------------------------------------------------------------

struct Moments {
  double mean, variance;
};

// The mean of a few first elements: near enough to a row's mean that the differences from it fit into T, even where the
// mean does not.
template <class T> FOVEA_INLINE T rough_mean(int64_t n, const T* x) {
  T few[16];
  if (n < 16) take_rest(x, int(n), T(0), few), x = few;
  Lanes16<T> lanes;
  for (int part = 0; part < Lanes16<T>::parts; ++part) lanes.part[part] = Vec<T>::load(x + part * Vec<T>::size);
  return lanes.reduce(kAdd) / T(n < 16 ? n : 16);
}

// Both moments in one walk, block by block: about a rough mean (for the first block it is given), corrected by what
// that is off, then joined with those of the blocks before (Chan, Golub & LeVeque 1983).
template <class T> FOVEA_INLINE Moments row_moments(int64_t n, const T* x, T rough) {
  double mean = 0, squares = 0;
  for (int64_t first = 0; first < n; first += kBlock) {
    const int64_t count = n - first < kBlock ? n - first : kBlock;
    if (first > 0) rough = rough_mean(count, x + first);
    const Vec<T> centre(rough);
    const Operands<T, 1, 0> row = {{x + first}, {}, {rough}};
    const Totals<2> about = row_sums<2>(count, row, [&](const Vec<T>* v, Vec<T>*, Vec<T>* s) FOVEA_INLINE_LAMBDA {
      const Vec<T> d = v[0] - centre;
      s[0] = s[0] + d;
      s[1] = fma(d, d, s[1]);
    });
    const double off = about.of[0] / double(count), here = double(rough) + off, step = here - mean;
    const double share = double(count) / double(first + count);
    mean = first == 0 ? here : mean + step * share;
    squares += about.of[1] - off * about.of[0];
    if (first > 0) squares += step * step * share * double(first);
  }
  return {mean, squares < 0 ? 0 : squares / double(n)};
}

// Σ x² / n
template <class T> FOVEA_INLINE Moments row_square(int64_t n, const T* x) {
  const Operands<T, 1, 0> row = {{x}};
  const Totals<1> sum = row_sums<1>(
      n, row, [](const Vec<T>* v, Vec<T>*, Vec<T>* s) FOVEA_INLINE_LAMBDA { s[0] = fma(v[0], v[0], s[0]); });
  return {0, sum.of[0] / double(n)};
}

// y = x̂ · weight + bias with x̂ = (x - mean) · rstd, rstd = 1 / √(variance + eps); without mean and bias unless centred.
template <bool centred, class T>
void norm(int64_t rows, int64_t n, const T* x, const T* weight, const T* bias, double eps, T* y, double* mean,
          double* rstd) {
  Moments moments[kGroup];
  T rough[kGroup];
  by_groups(
      rows, n, [&](int64_t r, int k) FOVEA_INLINE_LAMBDA { rough[k] = centred ? rough_mean(n, x + r * n) : T(0); },
      [&](int64_t r, int k) FOVEA_INLINE_LAMBDA {
        if constexpr (centred) {
          moments[k] = row_moments(n, x + r * n, rough[k]);
        } else {
          moments[k] = row_square(n, x + r * n);
        }
      },
      [&](int64_t r, int k) FOVEA_INLINE_LAMBDA {
        rstd[r] = 1 / __builtin_sqrt(moments[k].variance + eps);
        if (centred) mean[r] = moments[k].mean;
      },
      [&](int64_t r, int k) FOVEA_INLINE_LAMBDA {
        const Split<T> centre(moments[k].mean);
        const Vec<T> factor{T(rstd[r])};
        map_row(n, Operands<T, 3, 1>{{x + r * n, weight, centred ? bias : weight}, {y + r * n}},
                [&](const Vec<T>* v, Vec<T>* out) FOVEA_INLINE_LAMBDA {
                  out[0] = centred ? fma(centre.subtract_from(v[0]) * factor, v[1], v[2]) : v[0] * factor * v[1];
                });
      });
}

// With g = dy · weight:  dx = rstd (g - mean(g) - x̂ mean(g x̂)),  dweight = Σ_rows dy x̂,  dbias = Σ_rows dy.
// RMS norm has no mean(g), because its x̂ does not subtract one.
template <bool centred, class T>
void norm_backward(int64_t rows, int64_t n, const T* dy, const T* x, const double* mean, const double* rstd,
                   const T* weight, T* dx, T* dweight, T* dbias) {
  const auto normal = [&](int64_t r) FOVEA_INLINE_LAMBDA {
    return [centre = Split<T>(centred ? mean[r] : 0), factor = Vec<T>(T(rstd[r]))](Vec<T> v)
               FOVEA_INLINE_LAMBDA { return (centred ? centre.subtract_from(v) : v) * factor; };
  };
  for (int64_t i = 0; i < n; ++i) dweight[i] = dbias[i] = 0;
  Totals<2> sums[kGroup];
  by_groups(
      rows, n,
      [&](int64_t r, int k) FOVEA_INLINE_LAMBDA {
        const Operands<T, 5, 2> row = {{dy + r * n, x + r * n, weight, dweight, dbias}, {dweight, dbias}};
        sums[k] =
            row_sums<2>(n, row, [x_hat_of = normal(r)](const Vec<T>* v, Vec<T>* out, Vec<T>* s) FOVEA_INLINE_LAMBDA {
              const Vec<T> x_hat = x_hat_of(v[1]), g = v[0] * v[2];
              s[0] = s[0] + g;
              s[1] = fma(g, x_hat, s[1]);
              out[0] = fma(v[0], x_hat, v[3]);
              out[1] = v[0] + v[4];
            });
      },
      [&](int64_t r, int k) FOVEA_INLINE_LAMBDA {
        const Vec<T> mean_g(T(sums[k].of[0] / double(n))), minus_mean_gx(T(-sums[k].of[1] / double(n)));
        const Vec<T> factor{T(rstd[r])};
        map_row(n, Operands<T, 3, 1>{{dy + r * n, x + r * n, weight}, {dx + r * n}},
                [&, x_hat_of = normal(r)](const Vec<T>* v, Vec<T>* d) FOVEA_INLINE_LAMBDA {
                  const Vec<T> g = v[0] * v[2];
                  d[0] = fma(x_hat_of(v[1]), minus_mean_gx, centred ? g - mean_g : g) * factor;
                });
      });
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
  const double loss = (1 - settings.smoothing) * double(weights[target]) * nll;
  if (settings.smoothing == 0) return loss;
  const Vec<T> shift(most), term{T(log_total)};
  const Operands<T, 2, 0> row = {{x, weights}};
  const Totals<1> spread = row_sums<1>(n, row, [&](const Vec<T>* v, Vec<T>*, Vec<T>* sum) FOVEA_INLINE_LAMBDA {
    sum[0] = sum[0] + v[1] * (term - (v[0] - shift));
  });
  return loss + settings.smoothing / double(n) * spread.of[0];
}

template <class T>
void cross_entropy(int64_t rows, int64_t n, const T* x, const int64_t* targets, const CrossEntropySettings<T>& settings,
                   T* losses, double* logsumexps) {
  constexpr int64_t kTogether = 32;  // rows whose logarithms are taken together
  T most[kTogether];
  double totals[kTogether];
  for (int64_t first = 0; first < rows; first += kTogether) {
    const int64_t count = rows - first < kTogether ? rows - first : kTogether;
    const T* const block = x + first * n;
    by_groups(
        count, n, [&](int64_t r, int) FOVEA_INLINE_LAMBDA { most[r] = row_max(n, block + r * n); },
        [&](int64_t r, int) FOVEA_INLINE_LAMBDA {
          totals[r] = row_exps<T>(n, most[r], block + r * n, nullptr, block + (r + kGroup) * n);
        });
    take_logs(count, totals);
    for (int64_t r = 0; r < count; ++r) {
      logsumexps[first + r] = double(most[r]) + totals[r];
      losses[first + r] = T(row_loss(n, block + r * n, targets[first + r], most[r], totals[r], settings));
    }
  }
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
    const double g = double(dlosses[r]), a = (1 - settings.smoothing) * double(weights[target]);
    const Split<T> shift(logsumexps[r]);
    const Vec<T> share(T(g * (a + b * settings.weights_total))), spread(T(-g * b));
    map_row(n, Operands<T, 2, 1>{{x, weights}, {dx}}, [&](const Vec<T>* v, Vec<T>* d) FOVEA_INLINE_LAMBDA {
      d[0] = fma(exp_not_positive(shift.subtract_from(v[0])), share, v[1] * spread);
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
