// Elementwise loops: one vector loop per functor, whatever the strides. Operands that do not lie element
// after element pass through a small buffer, so the loop itself only ever sees contiguous ones.
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

// y[i] = op(source[i]…) for n elements, block by block. What does not fill a register at the end comes as a block of
// its own, padded, so that the loop over whole registers is the only one.
template <class T, class Op, class... Sources>
FOVEA_INLINE void each_block(int64_t n, T* y, int64_t y_stride, Op op, Sources... sources) {
  constexpr int lanes = Vec<T>::size;
  T buffer[kBlock];
  for (int64_t first = 0, count; first < n; first += count) {
    count = n - first < kBlock ? n - first : kBlock;
    const bool rest = count < lanes;
    if (!rest) count -= count % lanes;
    const bool direct = y_stride == 1 && !rest;
    T* out = direct ? y + first : buffer;
    const auto run = [&](auto... from) FOVEA_INLINE_LAMBDA {
      for (int64_t i = 0; i < count; i += lanes) op(Vec<T>::load(from + i)...).store(out + i);
    };
    run(sources.block(first, count, rest)...);
    if (direct) continue;
    for (int64_t i = 0; i < count; ++i) y[(first + i) * y_stride] = buffer[i];
  }
}

template <class F, class T>
void unary(const void* functor, int64_t n, const T* x, int64_t x_stride, T* y, int64_t y_stride) {
  const F f = *static_cast<const F*>(functor);
  each_block(
      n, y, y_stride, [f](Vec<T> v) FOVEA_INLINE_LAMBDA { return f.value(v); }, Source<T>(x, x_stride));
}

template <class F, class T>
void gradient(const void* functor, int64_t n, const T* dy, int64_t dy_stride, const T* saved, int64_t saved_stride,
              T* dx, int64_t dx_stride) {
  const F f = *static_cast<const F*>(functor);
  each_block(
      n, dx, dx_stride, [f](Vec<T> g, Vec<T> s) FOVEA_INLINE_LAMBDA { return f.gradient(g, s); },
      Source<T>(dy, dy_stride), Source<T>(saved, saved_stride));
}

template <class F, class T>
void binary(const void* functor, int64_t n, const T* a, int64_t a_stride, const T* b, int64_t b_stride, T* y,
            int64_t y_stride) {
  const F f = *static_cast<const F*>(functor);
  each_block(
      n, y, y_stride, [f](Vec<T> u, Vec<T> v) FOVEA_INLINE_LAMBDA { return f.value(u, v); }, Source<T>(a, a_stride),
      Source<T>(b, b_stride));
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
  return {{unary<F, T>...}, {gradient<F, T>...}, {binary<G, T>...}, where<T>};
}

}  // namespace

namespace FOVEA_LEVEL {
extern const MapKernels map_kernels;
const MapKernels map_kernels = {make_table<float>(functor::UnaryFunctors{}, functor::BinaryFunctors{}),
                                make_table<double>(functor::UnaryFunctors{}, functor::BinaryFunctors{})};
}  // namespace FOVEA_LEVEL
}  // namespace fovea
