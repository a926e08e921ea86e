// Softmax along the rows of a tile of scores, as attention in tiles needs it: the row goes on in the next tile (Milakov
// & Gimelshein 2018, "Online normalizer calculation for softmax").
#include "tensor/kernels/attention.h"

#include "tensor/kernels/math_exp.h"
#include "tensor/kernels/row.h"

namespace fovea {
namespace {

template <class T> FOVEA_INLINE int64_t keys_seen(const ScoreTile<T>& tile, int64_t row) {
  const int64_t seen = tile.visible + row;
  return seen < 0 ? 0 : seen < tile.keys ? seen : tile.keys;
}

// Rows are walked in steps of 16, beyond their end: what lies there is made -inf, of which the exponential is 0.
FOVEA_INLINE int64_t whole_steps(int64_t n) { return (n + 15) / 16 * 16; }

template <class T> FOVEA_INLINE void fill(T* from, T* to, T value) {
  for (; from < to; ++from) *from = value;
}

// body(i, part) for each vector of the first n elements, n a multiple of 16.
template <class T, class Body> FOVEA_INLINE void each_step(int64_t n, Body body) {
  for (int64_t i = 0; i < n; i += 16) {
    FOVEA_EACH_LANE
    for (int part = 0; part < Lanes16<T>::parts; ++part) body(i + part * Vec<T>::size, part);
  }
}

constexpr auto kAdd = [](auto a, auto b) FOVEA_INLINE_LAMBDA { return a + b; };

// --- the mask ----------------------------------------------------------------------------------------------------

template <class T> FOVEA_INLINE void hide_in_row(int64_t n, const unsigned char* keep, int64_t keep_col, T* s) {
  constexpr int size = Vec<T>::size;
  typedef unsigned char Bytes __attribute__((vector_size(size)));
  int64_t i = 0;
  for (; keep_col == 1 && i + size <= n; i += size) {
    Bytes bytes;
    std::memcpy(&bytes, keep + i, size);
    const auto kept = __builtin_convertvector(bytes, typename Vec<T>::Bits) != 0;
    select(kept, Vec<T>::load(s + i), Vec<T>(-kInfinity<T>)).store(s + i);
  }
  for (; i < n; ++i) {
    if (!keep[i * keep_col]) s[i] = -kInfinity<T>;
  }
}

template <class T> void hide(const ScoreTile<T>& tile, const bool* keep, int64_t keep_row, int64_t keep_col) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(keep);
  for (int64_t r = 0; r < tile.rows; ++r)
    hide_in_row(tile.keys, bytes + r * keep_row, keep_col, tile.scores + r * tile.ld);
}

// --- forward -----------------------------------------------------------------------------------------------------

// The largest scaled score of a row that sees n keys.
template <class T> FOVEA_INLINE T largest_score(int64_t n, T scale, const T* s) {
  Lanes16<T> most(-kInfinity<T>);
  each_step<T>(whole_steps(n), [&](int64_t i, int part) FOVEA_INLINE_LAMBDA {
    const Vec<T> score = Vec<T>::load(s + i), so_far = most.part[part];
    most.part[part] = Vec<T>(score.raw > so_far.raw ? score.raw : so_far.raw);
  });
  return scale * most.reduce([](auto a, auto b) FOVEA_INLINE_LAMBDA { return a > b ? a : b; });
}

// s_i becomes e^(scale s_i - shift); returns their sum.
template <class T> FOVEA_INLINE double exps_of_scores(int64_t n, T scale, T shift, T* s) {
  const Vec<T> factor(scale), minus_shift(-shift);
  Lanes16<T> sum(T(0));
  each_step<T>(whole_steps(n), [&](int64_t i, int part) FOVEA_INLINE_LAMBDA {
    const Vec<T> e = exp_not_positive(fma(Vec<T>::load(s + i), factor, minus_shift));
    e.store(s + i);
    sum.part[part] = sum.part[part] + e;
  });
  return double(sum.reduce(kAdd));
}

template <class T> FOVEA_INLINE void scale_row(int64_t n, T factor, T* y) {
  each_vector<T>(
      n, [=](int64_t i, auto lanes) FOVEA_INLINE_LAMBDA { lanes.store(lanes.load(y + i) * Vec<T>(factor), y + i); });
}

// In two walks over all rows, so that the processor goes on to the next row while it waits for a row's maximum.
template <class T> void weigh(const ScoreTile<T>& tile, T* most, double* total, int64_t width, T* out, int64_t ld_out) {
  T now[ScoreTile<T>::max_rows];
  for (int64_t r = 0; r < tile.rows; ++r) {
    T* s = tile.scores + r * tile.ld;
    const int64_t n = keys_seen(tile, r);
    fill(s + n, s + whole_steps(n), -kInfinity<T>);
    now[r] = largest_score(n, tile.scale, s);
  }
  for (int64_t r = 0; r < tile.rows; ++r) {
    T* s = tile.scores + r * tile.ld;
    const int64_t n = keys_seen(tile, r);
    if (now[r] > most[r]) {
      if (total[r] != 0) {  // the first keys that a row sees find nothing to scale
        const T factor = exp_not_positive(Vec<T>(most[r] - now[r]))[0];
        total[r] *= double(factor);
        scale_row(width, factor, out + r * ld_out);
      }
      most[r] = now[r];
    }
    total[r] += exps_of_scores(n, tile.scale, most[r] == -kInfinity<T> ? T(0) : most[r], s);
    fill(s + whole_steps(n), s + tile.keys, T(0));
  }
}

template <class T>
void finish(int64_t rows, int64_t width, T* out, int64_t ld_out, const T* most, const double* total, T* stats) {
  for (int64_t r = 0; r < rows; ++r) {
    const T reciprocal = T(total[r] == 0 ? 0 : 1 / total[r]);
    scale_row(width, reciprocal, out + r * ld_out);
    stats[2 * r] = total[r] == 0 ? T(0) : most[r];
    stats[2 * r + 1] = reciprocal;
  }
}

// --- backward ----------------------------------------------------------------------------------------------------

template <class T>
void dot_rows(int64_t rows, int64_t width, const T* a, int64_t lda, const T* b, int64_t ldb, T* dots) {
  for (int64_t r = 0; r < rows; ++r, a += lda, b += ldb) {
    Lanes16<T> sum(T(0));
    along_row<T>(width, [&](int64_t i, int part, auto lanes) FOVEA_INLINE_LAMBDA {
      sum.part[part] = fma(lanes.load(a + i), lanes.load(b + i), sum.part[part]);
    });
    dots[r] = sum.reduce(kAdd);
  }
}

template <class T> void weigh_backward(const ScoreTile<T>& tile, const T* stats, const T* dots, T* dweights) {
  const Vec<T> scale(tile.scale);
  for (int64_t r = 0; r < tile.rows; ++r) {
    T *s = tile.scores + r * tile.ld, *d = dweights + r * tile.ld;
    const int64_t n = keys_seen(tile, r), end = whole_steps(n);
    fill(s + n, s + end, -kInfinity<T>);
    const Vec<T> minus_most(-stats[2 * r]), reciprocal(stats[2 * r + 1]), dot(dots[r]);
    each_step<T>(end, [&](int64_t i, int) FOVEA_INLINE_LAMBDA {
      const Vec<T> p = exp_not_positive(fma(Vec<T>::load(s + i), scale, minus_most)) * reciprocal;
      p.store(s + i);
      (p * scale * (Vec<T>::load(d + i) - dot)).store(d + i);
    });
    fill(s + end, s + tile.keys, T(0));
    fill(d + end, d + tile.keys, T(0));
  }
}

template <class T> constexpr AttentionTable<T> table = {hide<T>, weigh<T>, finish<T>, dot_rows<T>, weigh_backward<T>};

}  // namespace

namespace FOVEA_LEVEL {
extern const AttentionKernels attention_kernels;
const AttentionKernels attention_kernels = {table<float>, table<double>};
}  // namespace FOVEA_LEVEL
}  // namespace fovea
