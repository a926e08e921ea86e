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

// Rows are walked in whole 16s, the last of which may reach beyond the keys that are seen.
FOVEA_INLINE int64_t whole_steps(int64_t n) { return (n + 15) & ~int64_t(15); }

// There scores become -inf, whose exponential is 0: in all rows before the first is walked, else each would wait for
// it.
template <class T> FOVEA_INLINE void hide_behind_seen(const ScoreTile<T>& tile) {
  using Bits = typename Vec<T>::Bits;
  using Int = typename Vec<T>::Int;
  alignas(64) static constexpr Int kLanes[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  for (int64_t r = 0; r < tile.rows; ++r) {
    const int64_t n = keys_seen(tile, r), last = n & ~int64_t(15);
    if (n == last) continue;
    FOVEA_EACH_LANE
    for (int part = 0; part < Lanes16<T>::parts; ++part) {
      T* const at = tile.scores + r * tile.ld + last + part * Vec<T>::size;
      Bits lanes;
      std::memcpy(&lanes, kLanes + part * Vec<T>::size, sizeof lanes);
      select(lanes < Int(n - last), Vec<T>::load(at), Vec<T>(-kInfinity<T>)).store(at);
    }
  }
}

// What lies behind n whole 16s becomes 0, as far as there are keys.
template <class T> FOVEA_INLINE void clear_behind(int64_t n, int64_t keys, T* row) {
  for (int64_t i = n; i < keys; i += Vec<T>::size) Vec<T>(T(0)).store(row + i);
}

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

// row_max and scale_row for the short rows of a tile: inlined, for a call would take as long as its work. n is a
// multiple of 16.
template <class T> FOVEA_INLINE T largest_score(int64_t n, const T* s) {
  Lanes16<T> most(-kInfinity<T>);
  walk_whole(n, Operands<T, 1, 0>{{s}}, [&](const Vec<T>* v, Vec<T>*, int part) FOVEA_INLINE_LAMBDA {
    most.part[part] = larger(v[0], most.part[part]);
  });
  return most.reduce([](auto a, auto b) FOVEA_INLINE_LAMBDA { return a > b ? a : b; });
}

// Any n.
template <class T> FOVEA_INLINE void multiply_row(int64_t n, T factor, T* x) {
  int64_t i = 0;
  for (; i + Vec<T>::size <= n; i += Vec<T>::size) (Vec<T>::load(x + i) * Vec<T>(factor)).store(x + i);
  for (; i < n; ++i) x[i] *= factor;
}

// s_i becomes e^(scale s_i - shift); returns their sum.
template <class T> FOVEA_INLINE double exps_of_scores(int64_t n, T scale, T shift, T* s) {
  const Vec<T> factor(scale), minus_shift(-shift);
  Lanes16<T> sum(T(0));
  walk_whole(n, Operands<T, 1, 1>{{s}, {s}}, [&](const Vec<T>* v, Vec<T>* e, int part) FOVEA_INLINE_LAMBDA {
    e[0] = exp_not_positive(fma(v[0], factor, minus_shift));
    sum.part[part] = sum.part[part] + e[0];
  });
  return double(sum.reduce(kAdd));
}

// What a row has summed up is scaled to a new maximum, if it is one. The first keys that a row sees find nothing yet.
template <class T> FOVEA_INLINE void meet_maximum(T now, T& most, double& total, int64_t width, T* out) {
  if (!(now > most)) return;
  if (total != 0) {
    const T factor = exp_not_positive(Vec<T>(most - now))[0];
    total *= double(factor);
    multiply_row(width, factor, out);
  }
  most = now;
}

// Some rows at a time, in two walks: so the processor goes on to the next row while it waits for a row's maximum.
constexpr int64_t kGroup = 16;

template <class T> void weigh(const ScoreTile<T>& tile, T* most, double* total, int64_t width, T* out, int64_t ld_out) {
  hide_behind_seen(tile);
  for (int64_t first = 0; first < tile.rows; first += kGroup) {
    const int64_t end = first + kGroup < tile.rows ? first + kGroup : tile.rows;
    T now[kGroup];
    for (int64_t r = first; r < end; ++r)
      now[r - first] = tile.scale * largest_score(whole_steps(keys_seen(tile, r)), tile.scores + r * tile.ld);
    for (int64_t r = first; r < end; ++r) {
      T* s = tile.scores + r * tile.ld;
      const int64_t n = whole_steps(keys_seen(tile, r));
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
    multiply_row(width, reciprocal, out + r * ld_out);
    stats[2 * r] = total[r] == 0 ? T(0) : most[r];
    stats[2 * r + 1] = reciprocal;
  }
}

// --- backward ----------------------------------------------------------------------------------------------------

template <class T>
void dot_rows(int64_t rows, int64_t width, const T* a, int64_t lda, const T* b, int64_t ldb, T* dots) {
  for (int64_t r = 0; r < rows; ++r, a += lda, b += ldb) {
    Lanes16<T> sum(T(0));
    walk_row(width, Operands<T, 2, 0>{{a, b}}, [&](const Vec<T>* v, Vec<T>*, int part) FOVEA_INLINE_LAMBDA {
      sum.part[part] = fma(v[0], v[1], sum.part[part]);
    });
    dots[r] = sum.reduce(kAdd);
  }
}

template <class T> void weigh_backward(const ScoreTile<T>& tile, const T* stats, const T* dots, T* dweights) {
  hide_behind_seen(tile);
  const Vec<T> scale(tile.scale);
  for (int64_t r = 0; r < tile.rows; ++r) {
    T *s = tile.scores + r * tile.ld, *d = dweights + r * tile.ld;
    const int64_t n = whole_steps(keys_seen(tile, r));
    const Vec<T> minus_most(-stats[2 * r]), reciprocal(stats[2 * r + 1]), dot(dots[r]);
    walk_whole(n, Operands<T, 2, 2>{{s, d}, {s, d}}, [&](const Vec<T>* v, Vec<T>* out, int) FOVEA_INLINE_LAMBDA {
      const Vec<T> p = exp_not_positive(fma(v[0], scale, minus_most)) * reciprocal;
      out[0] = p;
      out[1] = p * scale * (v[1] - dot);
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
