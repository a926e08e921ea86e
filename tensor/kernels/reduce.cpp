// Reductions: one loop along rows and one along columns, for every kind of fold.
#include "tensor/kernels/reduce.h"

#include "tensor/kernels/math.h"
#include "tensor/kernels/simd.h"

namespace fovea {
namespace {

using Wide = Vec<double>;

// --- what is folded ----------------------------------------------------------------------------------------------
// identity   the fold of nothing
// fold       the accumulator with one more element
// combine    two accumulators as one, or two vectors of them

struct Sum {
  static constexpr double identity = 0;
  static FOVEA_INLINE Wide fold(Wide sum, Wide x, Wide) { return sum + x; }
  template <class V> static FOVEA_INLINE V combine(V a, V b) { return a + b; }
};
struct AbsSum : Sum {
  static FOVEA_INLINE Wide fold(Wide sum, Wide x, Wide) { return sum + abs(x); }
};
struct Squares : Sum {
  static FOVEA_INLINE Wide fold(Wide sum, Wide x, Wide centre) { return fma(x - centre, x - centre, sum); }
};
struct Product {
  static constexpr double identity = 1;
  static FOVEA_INLINE Wide fold(Wide product, Wide x, Wide) { return product * x; }
  template <class V> static FOVEA_INLINE V combine(V a, V b) { return a * b; }
};
struct Minimum {
  static constexpr double identity = __builtin_inf();
  static FOVEA_INLINE Wide fold(Wide least, Wide x, Wide) { return minimum(x, least); }
  template <class V> static FOVEA_INLINE V combine(V a, V b) { return ((a != a) | (a < b)) ? a : b; }
};
struct Maximum {
  static constexpr double identity = -__builtin_inf();
  static FOVEA_INLINE Wide fold(Wide most, Wide x, Wide) { return maximum(x, most); }
  template <class V> static FOVEA_INLINE V combine(V a, V b) { return ((a != a) | (a > b)) ? a : b; }
};

// --- the two loops -----------------------------------------------------------------------------------------------

constexpr int kParts = Lanes16<double>::parts;

// Element i goes to lane i mod 16; those after the last whole 16 one by one.
template <class Op, class T>
void rows(int64_t count, int64_t n, const T* x, int64_t row_stride, const double* centre, double* out) {
  for (int64_t r = 0; r < count; ++r) {
    const T* row = x + r * row_stride;
    const Wide c(centre ? centre[r] : 0.0);
    Lanes16<double> folded(Op::identity);
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
      FOVEA_EACH_LANE
      for (int part = 0; part < kParts; ++part)
        folded.part[part] = Op::fold(folded.part[part], widen(row + i + part * Wide::size), c);
    }
    if (i < n) {
      double lanes[16];
      for (int part = 0; part < kParts; ++part) folded.part[part].store(lanes + part * Wide::size);
      for (double* lane = lanes; i < n; ++i, ++lane) *lane = Op::fold(Wide(*lane), Wide(double(row[i])), c)[0];
      for (int part = 0; part < kParts; ++part) folded.part[part] = Wide::load(lanes + part * Wide::size);
    }
    out[r] = folded.reduce([](auto a, auto b) FOVEA_INLINE_LAMBDA { return Op::combine(a, b); });
  }
}

// 16 columns at a time, whose folds stay in registers. The last 16 may overlap those before: they are computed twice.
template <class Op, class T>
void columns(int64_t n, int64_t count, const T* x, int64_t row_stride, const double* centre, double* out) {
  for (int64_t next = 0; count >= 16 && next < count; next += 16) {
    const int64_t j = next + 16 <= count ? next : count - 16;
    Wide c[kParts], folded[kParts];
    for (int part = 0; part < kParts; ++part) {
      c[part] = centre ? Wide::load(centre + j + part * Wide::size) : Wide(0.0);
      folded[part] = Wide(Op::identity);
    }
    for (int64_t i = 0; i < n; ++i) {
      FOVEA_EACH_LANE
      for (int part = 0; part < kParts; ++part)
        folded[part] = Op::fold(folded[part], widen(x + i * row_stride + j + part * Wide::size), c[part]);
    }
    for (int part = 0; part < kParts; ++part) folded[part].store(out + j + part * Wide::size);
  }
  for (int64_t j = 0; count < 16 && j < count; ++j) {
    const Wide c(centre ? centre[j] : 0.0);
    Wide folded(Op::identity);
    for (int64_t i = 0; i < n; ++i) folded = Op::fold(folded, Wide(double(x[i * row_stride + j])), c);
    out[j] = folded[0];
  }
}

// --- Σ exp(x - centre): the exponentials in T, block by block, their sum in f64 -----------------------------------

constexpr int64_t kBlock = 512;

// e_i = exp(x_i - shift_i), n ≤ kBlock. All three are blocks of whole registers, but only n of x are there to be read.
template <class T> void exps(int64_t n, const T* x, const T* shift, T* e) {
  constexpr int lanes = Vec<T>::size;
  const int64_t whole = n / lanes * lanes;
  for (int64_t i = whole; i < n; ++i) e[i] = x[i];
  for (int64_t i = n; i % lanes != 0; ++i) e[i] = 0;
  for (int64_t i = 0; i < n; i += lanes)
    exp_not_positive(Vec<T>::load(i < whole ? x + i : e + i) - Vec<T>::load(shift + i)).store(e + i);
}

template <class T>
void exp_rows(int64_t count, int64_t n, const T* x, int64_t row_stride, const double* centre, double* out) {
  T shift[kBlock], e[kBlock];
  for (int64_t r = 0; r < count; ++r) {
    for (T& s : shift) s = T(centre[r]);
    out[r] = 0;
    for (int64_t first = 0; first < n; first += kBlock) {
      const int64_t block = n - first < kBlock ? n - first : kBlock;
      exps(block, x + r * row_stride + first, shift, e);
      double sum;
      rows<Sum>(1, block, e, 0, nullptr, &sum);
      out[r] += sum;
    }
  }
}

template <class T>
void exp_columns(int64_t n, int64_t count, const T* x, int64_t row_stride, const double* centre, double* out) {
  T shift[kBlock] = {}, e[kBlock];
  for (int64_t first = 0; first < count; first += kBlock) {
    const int64_t block = count - first < kBlock ? count - first : kBlock;
    for (int64_t j = 0; j < block; ++j) shift[j] = T(centre[first + j]), out[first + j] = 0;
    for (int64_t i = 0; i < n; ++i) {
      exps(block, x + i * row_stride + first, shift, e);
      for (int64_t j = 0; j < block; ++j) out[first + j] += double(e[j]);
    }
  }
}

template <class T> int64_t find(int64_t n, const T* x, T value) {
  constexpr int64_t block = 64;
  const auto is_value = [value](T v) { return v == value || (v != v && value != value); };
  int64_t i = 0;
  for (; i + block <= n; i += block) {  // without a way out, so that the compiler makes vectors of it
    bool found = false;
    for (int64_t k = i; k < i + block; ++k) found |= is_value(x[k]);
    if (found) break;
  }
  while (i < n && !is_value(x[i])) ++i;
  return i;
}

template <class T>
constexpr ReduceTable<T> table = {{rows<Sum, T>, rows<AbsSum, T>, rows<Squares, T>, exp_rows<T>, rows<Product, T>,
                                   rows<Minimum, T>, rows<Maximum, T>},
                                  {columns<Sum, T>, columns<AbsSum, T>, columns<Squares, T>, exp_columns<T>,
                                   columns<Product, T>, columns<Minimum, T>, columns<Maximum, T>},
                                  find<T>};

}  // namespace

namespace FOVEA_LEVEL {
extern const ReduceKernels reduce_kernels;
const ReduceKernels reduce_kernels = {table<float>, table<double>};
}  // namespace FOVEA_LEVEL
}  // namespace fovea
