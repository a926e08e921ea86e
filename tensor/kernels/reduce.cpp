// Reductions: one loop along rows and one along columns, for every kind of fold.
#include "tensor/kernels/reduce.h"

#include "tensor/kernels/math.h"
#include "tensor/kernels/row.h"

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
struct Exps : Sum {
  static FOVEA_INLINE Wide fold(Wide sum, Wide x, Wide centre) { return sum + exp_not_positive(x - centre); }
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

// --- elements as f64 ---------------------------------------------------------------------------------------------

template <class T> FOVEA_INLINE Wide widen(AllLanes, const T* from) {
  if constexpr (sizeof(T) == 8)
    return Wide::load(from);
  else {
    typedef float Half __attribute__((vector_size(kVectorBytes / 2)));
    Half half;
    std::memcpy(&half, from, sizeof half);
    return Wide(__builtin_convertvector(half, Wide::Raw));
  }
}
template <class T> FOVEA_INLINE Wide widen(FirstLanes lanes, const T* from) {
  T buffer[Wide::size] = {};
  for (int i = 0; i < lanes.count; ++i) buffer[i] = from[i];
  return widen(AllLanes{}, buffer);
}

// --- the two loops -----------------------------------------------------------------------------------------------

template <class Op, class T>
void rows(int64_t count, int64_t n, const T* x, int64_t row_stride, const double* centre, double* out) {
  for (int64_t r = 0; r < count; ++r) {
    const T* row = x + r * row_stride;
    const Wide c(centre ? centre[r] : 0.0);
    Lanes16<double> folded(Op::identity);
    along_row<double>(n, [&](int64_t i, int part, auto lanes) FOVEA_INLINE_LAMBDA {
      const Wide before = folded.part[part];
      folded.part[part] = lanes.pick(Op::fold(before, widen(lanes, row + i), c), before);
    });
    out[r] = folded.reduce([](auto a, auto b) FOVEA_INLINE_LAMBDA { return Op::combine(a, b); });
  }
}

// Folds `count` rows into out, which stays in registers meanwhile.
template <class Op, int count, class T>
FOVEA_INLINE void fold_rows(int64_t columns, const T* x, int64_t row_stride, const double* centre, double* out) {
  each_vector<double>(columns, [&](int64_t j, auto lanes) FOVEA_INLINE_LAMBDA {
    const Wide c = centre ? lanes.load(centre + j) : Wide(0.0);
    Wide folded = lanes.load(out + j);
    FOVEA_EACH_LANE
    for (int r = 0; r < count; ++r) folded = Op::fold(folded, widen(lanes, x + r * row_stride + j), c);
    lanes.store(folded, out + j);
  });
}

template <class Op, class T>
void columns(int64_t n, int64_t count, const T* x, int64_t row_stride, const double* centre, double* out) {
  for (int64_t j = 0; j < count; ++j) out[j] = Op::identity;
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) fold_rows<Op, 8>(count, x + i * row_stride, row_stride, centre, out);
  for (; i < n; ++i) fold_rows<Op, 1>(count, x + i * row_stride, row_stride, centre, out);
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

template <class T, class... Op> constexpr ReduceTable<T> make_table() {
  return {{rows<Op, T>...}, {columns<Op, T>...}, find<T>};
}
template <class T>
constexpr ReduceTable<T> all_reductions = make_table<T, Sum, AbsSum, Squares, Exps, Product, Minimum, Maximum>();

}  // namespace

namespace FOVEA_LEVEL {
extern const ReduceKernels reduce_kernels;
const ReduceKernels reduce_kernels = {all_reductions<float>, all_reductions<double>};
}  // namespace FOVEA_LEVEL
}  // namespace fovea
