// Softmax along the rows of a tile of scores, as attention in tiles needs it: a row goes on in the next tile (Milakov &
// Gimelshein 2018, "Online normalizer calculation for softmax").
#include "tensor/kernels/attention.h"

#include "tensor/kernels/math_exp.h"
#include "tensor/kernels/row.h"

namespace fovea {
namespace {

template <class T> FOVEA_INLINE int64_t keys_seen(const ScoreTile<T>& tile, int64_t row) {
  const int64_t seen = tile.visible + row;
  return seen < 0 ? 0 : seen < tile.keys ? seen : tile.keys;
}

// Rows are walked in steps of 16 elements, the last of which may reach beyond the keys that are seen: hide() makes -inf
// of what is not, and the exponential of that is 0.
struct AllSeen {
  template <class T> static FOVEA_INLINE Vec<T> hide(Vec<T> x) { return x; }
};
template <class T> struct FirstSeen {
  typename Vec<T>::Bits seen;

  explicit FOVEA_INLINE FirstSeen(int64_t count) {
    alignas(64) static constexpr typename Vec<T>::Int lanes[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    std::memcpy(&seen, lanes, sizeof seen);
    seen = seen < typename Vec<T>::Int(count);
  }
  FOVEA_INLINE Vec<T> hide(Vec<T> x) const { return select(seen, x, Vec<T>(-kInfinity<T>)); }
};

// body(i, part, lanes) for each vector of the steps that hold the first n elements.
template <class T, class Body> FOVEA_INLINE void each_step(int64_t n, Body body) {
  constexpr int size = Vec<T>::size, parts = Lanes16<T>::parts;
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    FOVEA_EACH_LANE
    for (int part = 0; part < parts; ++part) body(i + part * size, part, AllSeen{});
  }
  if (i == n) return;
  FOVEA_EACH_LANE
  for (int part = 0; part < parts; ++part) body(i + part * size, part, FirstSeen<T>(n - i - part * size));
}

// The steps behind those become 0, as far as there are keys.
template <class T> FOVEA_INLINE void clear_behind(int64_t n, int64_t keys, T* row) {
  for (int64_t i = (n + 15) / 16 * 16; i < keys; i += 16) {
    FOVEA_EACH_LANE
    for (int part = 0; part < Lanes16<T>::parts; ++part) Vec<T>(T(0)).store(row + i + part * Vec<T>::size);
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
  each_step<T>(n, [&](int64_t i, int part, auto lanes) FOVEA_INLINE_LAMBDA {
    const Vec<T> score = lanes.hide(Vec<T>::load(s + i)), so_far = most.part[part];
    most.part[part] = Vec<T>(score.raw > so_far.raw ? score.raw : so_far.raw);
  });
  return scale * most.reduce([](auto a, auto b) FOVEA_INLINE_LAMBDA { return a > b ? a : b; });
}

// s_i becomes e^(scale s_i - shift); returns their sum.
template <class T> FOVEA_INLINE double exps_of_scores(int64_t n, T scale, T shift, T* s) {
  const Vec<T> factor(scale), minus_shift(-shift);
  Lanes16<T> sum(T(0));
  each_step<T>(n, [&](int64_t i, int part, auto lanes) FOVEA_INLINE_LAMBDA {
    const Vec<T> e = exp_not_positive(fma(lanes.hide(Vec<T>::load(s + i)), factor, minus_shift));
    e.store(s + i);
    sum.part[part] = sum.part[part] + e;
  });
  return double(sum.reduce(kAdd));
}

template <class T> FOVEA_INLINE void scale_row(int64_t n, T factor, T* y) {
  each_vector<T>(
      n, [=](int64_t i, auto lanes) FOVEA_INLINE_LAMBDA { lanes.store(lanes.load(y + i) * Vec<T>(factor), y + i); });
}

// What a row has summed up is scaled to a new maximum, if it is one. The first keys that a row sees find nothing yet.
template <class T> FOVEA_INLINE void meet_maximum(T now, T& most, double& total, int64_t width, T* out) {
  if (!(now > most)) return;
  if (total != 0) {
    const T factor = exp_not_positive(Vec<T>(most - now))[0];
    total *= double(factor);
    scale_row(width, factor, out);
  }
  most = now;
}

// Some rows at a time, in two walks: so the processor goes on to the next row while it waits for a row's maximum.
constexpr int64_t kGroup = 16;

template <class T> void weigh(const ScoreTile<T>& tile, T* most, double* total, int64_t width, T* out, int64_t ld_out) {
  for (int64_t first = 0; first < tile.rows; first += kGroup) {
    const int64_t end = first + kGroup < tile.rows ? first + kGroup : tile.rows;
    T now[kGroup];
    for (int64_t r = first; r < end; ++r)
      now[r - first] = largest_score(keys_seen(tile, r), tile.scale, tile.scores + r * tile.ld);
    for (int64_t r = first; r < end; ++r) {
      T* s = tile.scores + r * tile.ld;
      const int64_t n = keys_seen(tile, r);
      meet_maximum(now[r - first], most[r], total[r], width, out + r * ld_out);
      total[r] += exps_of_scores(n, tile.scale, most[r] == -kInfinity<T> ? T(0) : most[r], s);
      clear_behind(n, tile.keys, s);
    }
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
    const int64_t n = keys_seen(tile, r);
    const Vec<T> minus_most(-stats[2 * r]), reciprocal(stats[2 * r + 1]), dot(dots[r]);
    each_step<T>(n, [&](int64_t i, int, auto lanes) FOVEA_INLINE_LAMBDA {
      const Vec<T> p = exp_not_positive(fma(lanes.hide(Vec<T>::load(s + i)), scale, minus_most)) * reciprocal;
      p.store(s + i);
      (p * scale * (Vec<T>::load(d + i) - dot)).store(d + i);
    });
    clear_behind(n, tile.keys, s);
    clear_behind(n, tile.keys, d);
  }
}

template <class T> constexpr AttentionTable<T> table = {hide<T>, weigh<T>, finish<T>, dot_rows<T>, weigh_backward<T>};

}  // namespace

namespace FOVEA_LEVEL {
extern const AttentionKernels attention_kernels;
const AttentionKernels attention_kernels = {table<float>, table<double>};
}  // namespace FOVEA_LEVEL
}  // namespace fovea
