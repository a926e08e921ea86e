// Elementwise loops: one per functor, over whole registers of contiguous elements. Operands that do not lie so, and
// what does not fill a register at the end, pass through a small buffer, in code that all functors share.
#include "tensor/kernels/map.h"

#include "tensor/kernels/math.h"
#include "tensor/kernels/simd.h"

namespace fovea {
namespace {

constexpr int64_t kBlock = 512;  // elements in a buffer: 2 to 4 KiB, well inside the L1 cache

// An operand as a contiguous run of at most kBlock elements at a time.
template <class T> class Source {
 public:
  FOVEA_INLINE Source(const T* from, int64_t stride) : from_(from), stride_(stride) {}

  // Elements first … first + count - 1; `padded`: followed by zeros up to a whole register.
  FOVEA_INLINE const T* block(int64_t first, int64_t count, bool padded) {
    if (stride_ == 1 && !padded) return from_ + first;
    if (stride_ == 0 && filled_ >= count) return buffer_;
    for (int64_t i = 0; i < count; ++i) buffer_[i] = from_[(first + i) * stride_];
    for (int64_t i = count; i < Vec<T>::size; ++i) buffer_[i] = 0;
    filled_ = count;
    return buffer_;
  }

 private:
  const T* from_;
  int64_t stride_;
  int64_t filled_ = 0;
  T buffer_[kBlock];
};

// Cuts n elements into blocks: all at once where every operand is contiguous, else what fits into the buffers; what
// does not fill a register comes last. body(out, count, first, padded) computes `count` elements, rounded up to
// registers.
template <class T, class Body>
FOVEA_INLINE void each_block(int64_t n, bool contiguous, T* y, int64_t y_stride, Body body) {
  constexpr int lanes = Vec<T>::size;
  T buffer[kBlock];
  for (int64_t first = 0, count; first < n; first += count) {
    count = contiguous || n - first < kBlock ? n - first : kBlock;
    const bool rest = count < lanes;
    if (!rest) count -= count % lanes;
    const bool direct = y_stride == 1 && !rest;
    body(direct ? y + first : buffer, (count + lanes - 1) / lanes * lanes, first, count, rest);
    if (direct) continue;
    for (int64_t i = 0; i < count; ++i) y[(first + i) * y_stride] = buffer[i];
  }
}

template <class T>
void run1(typename MapTable<T>::Loop1 loop, const void* functor, int64_t n, const T* x, int64_t x_stride, T* y,
          int64_t y_stride) {
  Source<T> from(x, x_stride);
  each_block(n, x_stride == 1 && y_stride == 1, y, y_stride,
             [&](T* out, int64_t whole, int64_t first, int64_t count, bool rest) {
               loop(functor, whole, from.block(first, count, rest), out);
             });
}

template <class T>
void run2(typename MapTable<T>::Loop2 loop, const void* functor, int64_t n, const T* a, int64_t a_stride, const T* b,
          int64_t b_stride, T* y, int64_t y_stride) {
  Source<T> from_a(a, a_stride), from_b(b, b_stride);
  each_block(n, a_stride == 1 && b_stride == 1 && y_stride == 1, y, y_stride,
             [&](T* out, int64_t whole, int64_t first, int64_t count, bool rest) {
               loop(functor, whole, from_a.block(first, count, rest), from_b.block(first, count, rest), out);
             });
}

template <class T>
void run_slope(typename MapTable<T>::SlopeLoop loop, const void* functor, int64_t n, const T* x, T* y, T* slope) {
  constexpr int lanes = Vec<T>::size;
  const int64_t rest = n % lanes, whole = n - rest;
  loop(functor, whole, x, y, slope);
  if (!rest) return;
  T from[lanes] = {}, value[lanes], derivative[lanes];
  for (int64_t i = 0; i < rest; ++i) from[i] = x[whole + i];
  loop(functor, lanes, from, value, derivative);
  for (int64_t i = 0; i < rest; ++i) y[whole + i] = value[i], slope[whole + i] = derivative[i];
}

// flatten: the functor is inlined whole, however long; else its constants are loaded anew for each vector.
template <class F, class T> [[gnu::flatten]] void unary(const void* functor, int64_t n, const T* x, T* y) {
  const F f = *static_cast<const F*>(functor);
  for (int64_t i = 0; i < n; i += Vec<T>::size) f.value(Vec<T>::load(x + i)).store(y + i);
}

template <class F, class T>
[[gnu::flatten]] void value_and_slope(const void* functor, int64_t n, const T* x, T* y, T* slope) {
  const F f = *static_cast<const F*>(functor);
  for (int64_t i = 0; i < n; i += Vec<T>::size) {
    const auto both = f.with_slope(Vec<T>::load(x + i));
    both.value.store(y + i);
    both.slope.store(slope + i);
  }
}
template <class F, class T> constexpr typename MapTable<T>::SlopeLoop slope_loop() {
  if constexpr (F::saves == functor::Saves::slope) return value_and_slope<F, T>;
  return nullptr;
}

template <class F, class T>
[[gnu::flatten]] void gradient(const void* functor, int64_t n, const T* dy, const T* saved, T* dx) {
  const F f = *static_cast<const F*>(functor);
  for (int64_t i = 0; i < n; i += Vec<T>::size) f.gradient(Vec<T>::load(dy + i), Vec<T>::load(saved + i)).store(dx + i);
}

template <class F, class T> [[gnu::flatten]] void binary(const void* functor, int64_t n, const T* a, const T* b, T* y) {
  const F f = *static_cast<const F*>(functor);
  for (int64_t i = 0; i < n; i += Vec<T>::size) f.value(Vec<T>::load(a + i), Vec<T>::load(b + i)).store(y + i);
}

template <class T>
void where(int64_t n, const bool* c, int64_t c_stride, const T* a, int64_t a_stride, const T* b, int64_t b_stride,
           T* y) {
  if (c_stride == 1 && a_stride == 1 && b_stride == 1) {
    for (int64_t i = 0; i < n; ++i) y[i] = c[i] ? a[i] : b[i];
  } else if (c_stride == 1 && a_stride == 0 && b_stride == 1) {  // masked_fill
    const T value = *a;
    for (int64_t i = 0; i < n; ++i) y[i] = c[i] ? value : b[i];
  } else {
    for (int64_t i = 0; i < n; ++i) y[i] = c[i * c_stride] ? a[i * a_stride] : b[i * b_stride];
  }
}

template <class T, class... F, class... G>
constexpr MapTable<T> make_table(functor::FunctorList<F...>, functor::FunctorList<G...>) {
  return {
      {unary<F, T>...}, {slope_loop<F, T>()...}, {gradient<F, T>...}, {binary<G, T>...}, run1<T>, run2<T>, run_slope<T>,
      where<T>};
}

}  // namespace

namespace FOVEA_LEVEL {
extern const MapKernels map_kernels;
const MapKernels map_kernels = {make_table<float>(functor::UnaryFunctors{}, functor::BinaryFunctors{}),
                                make_table<double>(functor::UnaryFunctors{}, functor::BinaryFunctors{})};
}  // namespace FOVEA_LEVEL
}  // namespace fovea
