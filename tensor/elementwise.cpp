#include "tensor/elementwise.h"

#include <cmath>

#include "tensor/dispatch.h"
#include "tensor/kernels/map.h"
#include "tensor/loop.h"

namespace fovea {
namespace {

using functor::BinaryFunctors;
using functor::UnaryFunctors;

void require_same_dtype(const char* name, const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype())
    fail(ErrorKind::dtype, name, ": dtypes differ: a ", a.shape(), " is ", a.dtype(), ", b ", b.shape(), " is ",
         b.dtype(), "; convert one with .to()");
}

// --- i64: plain loops; the functors are made for vectors of floating numbers
// --------------------------------------

// What an i64 operation of that name computes; an error for the operations that only make sense on real
// numbers.
template <class Fn> void with_integer_unary(const char* name, size_t index, const void* functor, Fn&& fn) {
  switch (index) {
    case UnaryFunctors::index_of<functor::Neg>(): return fn([](int64_t x) { return -x; });
    case UnaryFunctors::index_of<functor::Abs>(): return fn([](int64_t x) { return x < 0 ? -x : x; });
    case UnaryFunctors::index_of<functor::Sign>(): return fn([](int64_t x) { return int64_t(x > 0) - int64_t(x < 0); });
    case UnaryFunctors::index_of<functor::Square>(): return fn([](int64_t x) { return x * x; });
    case UnaryFunctors::index_of<functor::Relu>(): return fn([](int64_t x) { return x > 0 ? x : 0; });
    case UnaryFunctors::index_of<functor::AddScalar>():
      return fn([s = int64_t(static_cast<const functor::AddScalar*>(functor)->s)](int64_t x) { return x + s; });
    case UnaryFunctors::index_of<functor::MulScalar>():
      return fn([s = int64_t(static_cast<const functor::MulScalar*>(functor)->s)](int64_t x) { return x * s; });
    case UnaryFunctors::index_of<functor::SubFromScalar>():
      return fn([s = int64_t(static_cast<const functor::SubFromScalar*>(functor)->s)](int64_t x) { return s - x; });
    default: fail(ErrorKind::dtype, name, ": takes f32 or f64, got i64; convert with .to(DType::f32)");
  }
}

template <class Fn> void with_integer_binary(const char* name, size_t index, Fn&& fn) {
  switch (index) {
    case BinaryFunctors::index_of<functor::Add>(): return fn([](int64_t a, int64_t b) { return a + b; });
    case BinaryFunctors::index_of<functor::Sub>(): return fn([](int64_t a, int64_t b) { return a - b; });
    case BinaryFunctors::index_of<functor::Mul>(): return fn([](int64_t a, int64_t b) { return a * b; });
    case BinaryFunctors::index_of<functor::Minimum>(): return fn([](int64_t a, int64_t b) { return a < b ? a : b; });
    case BinaryFunctors::index_of<functor::Maximum>(): return fn([](int64_t a, int64_t b) { return a > b ? a : b; });
    default: fail(ErrorKind::dtype, name, ": takes f32 or f64, got i64; convert with .to(DType::f32)");
  }
}

void require_number(const char* name, const Tensor& x) {
  if (x.dtype() == DType::boolean)
    fail(ErrorKind::dtype, name, ": takes numbers, got bool; convert with .to(), or use logical_and, logical_or");
}

// y = op(x), element by element, for any types.
template <class X, class Y, class Op> void each(const Tensor& x, Tensor& y, Op op) {
  const Loop loop(y.shape(), {broadcast_strides(x.shape(), x.strides(), y.shape()), y.strides()});
  const X* from = x.data<X>();
  Y* to = y.data<Y>();
  loop.run([&](const int64_t* at, int64_t n) {
    for (int64_t i = 0; i < n; ++i) to[at[1] + i * loop.run_strides[1]] = op(from[at[0] + i * loop.run_strides[0]]);
  });
}

// y = op(a, b) with broadcasting.
template <class X, class Y, class Op> void each(const Tensor& a, const Tensor& b, Tensor& y, Op op) {
  const Loop loop(y.shape(), {broadcast_strides(a.shape(), a.strides(), y.shape()),
                              broadcast_strides(b.shape(), b.strides(), y.shape()), y.strides()});
  const X *from_a = a.data<X>(), *from_b = b.data<X>();
  Y* to = y.data<Y>();
  const int64_t sa = loop.run_strides[0], sb = loop.run_strides[1], sy = loop.run_strides[2];
  loop.run([&](const int64_t* at, int64_t n) {
    for (int64_t i = 0; i < n; ++i) to[at[2] + i * sy] = op(from_a[at[0] + i * sa], from_b[at[1] + i * sb]);
  });
}

template <class Op> Tensor compare(const char* name, const Tensor& a, const Tensor& b, Op op) {
  require_same_dtype(name, a, b);
  Tensor y = empty(broadcast_shapes(name, a.shape(), b.shape()), DType::boolean);
  with_type(a.dtype(), [&]<class T>(T) { each<T, bool>(a, b, y, op); });
  return y;
}

template <class Op> Tensor compare(const Tensor& a, double s, Op op) {
  Tensor y = empty(a.shape(), DType::boolean);
  with_type(a.dtype(), [&]<class T>(T) { each<T, bool>(a, y, [op, s](T x) { return op(double(x), s); }); });
  return y;
}

template <class Op> Tensor logical(const char* name, const Tensor& a, const Tensor& b, Op op) {
  if (a.dtype() != DType::boolean || b.dtype() != DType::boolean)
    fail(ErrorKind::dtype, name, ": takes bool, got ", a.dtype(), " and ", b.dtype(), "; compare first, as in x > 0");
  Tensor y = empty(broadcast_shapes(name, a.shape(), b.shape()), DType::boolean);
  each<bool, bool>(a, b, y, op);
  return y;
}

template <class T> void run_unary(typename MapTable<T>::Loop1 kernel, const void* functor, const Tensor& x, Tensor& y) {
  const auto run = table_of<T>(*kernels().map).run1;
  const T* from = x.data<T>();
  T* to = y.data<T>();
  if (x.is_contiguous() && y.is_contiguous()) {  // no walk to plan
    parallel_for(y.count(), kGrain, [&](int64_t first, int64_t last) {
      run(kernel, functor, last - first, from + first, 1, to + first, 1);
    });
    return;
  }
  const Loop loop(y.shape(), {x.strides(), y.strides()});
  loop.run([&](const int64_t* at, int64_t n) {
    run(kernel, functor, n, from + at[0], loop.run_strides[0], to + at[1], loop.run_strides[1]);
  });
}

template <class T>
void run_binary(typename MapTable<T>::Loop2 kernel, const void* functor, const Tensor& a, const Tensor& b, Tensor& y) {
  const auto run = table_of<T>(*kernels().map).run2;
  const T *from_a = a.data<T>(), *from_b = b.data<T>();
  T* to = y.data<T>();
  if (a.shape() == b.shape() && a.is_contiguous() && b.is_contiguous() && y.is_contiguous()) {  // no walk to plan
    parallel_for(y.count(), kGrain, [&](int64_t first, int64_t last) {
      run(kernel, functor, last - first, from_a + first, 1, from_b + first, 1, to + first, 1);
    });
    return;
  }
  const Loop loop(y.shape(), {broadcast_strides(a.shape(), a.strides(), y.shape()),
                              broadcast_strides(b.shape(), b.strides(), y.shape()), y.strides()});
  loop.run([&](const int64_t* at, int64_t n) {
    run(kernel, functor, n, from_a + at[0], loop.run_strides[0], from_b + at[1], loop.run_strides[1], to + at[2],
        loop.run_strides[2]);
  });
}

}  // namespace

namespace detail {

Tensor map_unary(size_t index, const void* functor, const char* name, const Tensor& x) {
  require_number(name, x);
  Tensor y = empty(x.shape(), x.dtype());
  if (x.dtype() == DType::i64) {
    with_integer_unary(name, index, functor, [&](auto op) { each<int64_t, int64_t>(x, y, op); });
    return y;
  }
  with_floating(x.dtype(), name,
                [&]<class T>(T) { run_unary<T>(table_of<T>(*kernels().map).unary[index], functor, x, y); });
  return y;
}

Tensor map_with_slope(size_t index, const void* functor, const char* name, const Tensor& some_x, Tensor& slope) {
  const Tensor x = some_x.contiguous();
  Tensor y = empty(x.shape(), x.dtype());
  slope = empty(x.shape(), x.dtype());
  with_floating(x.dtype(), name, [&]<class T>(T) {
    const MapTable<T>& table = table_of<T>(*kernels().map);
    const T* from = x.data<T>();
    T *to = y.data<T>(), *slopes = slope.data<T>();
    parallel_for(x.count(), kGrain, [&](int64_t first, int64_t last) {
      table.run_slope(table.with_slope[index], functor, last - first, from + first, to + first, slopes + first);
    });
  });
  return y;
}

Tensor map_gradient(size_t index, const void* functor, const char* name, const Tensor& dy, const Tensor& saved) {
  const Tensor& other = saved.defined() ? saved : dy;  // a derivative that needs nothing saved ignores it
  Tensor dx = empty(dy.shape(), dy.dtype());
  with_floating(dy.dtype(), name, [&]<class T>(T) {
    run_binary<T>(table_of<T>(*kernels().map).gradient[index], functor, dy, other, dx);
  });
  return dx;
}

Tensor map_binary(size_t index, const void* functor, const char* name, const Tensor& a, const Tensor& b) {
  Tensor y = empty(broadcast_shapes(name, a.shape(), b.shape()), a.dtype());
  map_binary_into(index, functor, name, a, b, y);
  return y;
}

void map_binary_into(size_t index, const void* functor, const char* name, const Tensor& a, const Tensor& b, Tensor& y) {
  require_same_dtype(name, a, b);
  require_number(name, a);
  if (broadcast_shapes(name, a.shape(), b.shape()) != y.shape())
    fail(ErrorKind::shape, name, ": the result of a ", a.shape(), " and b ", b.shape(), " does not fit into ",
         y.shape());
  if (a.dtype() == DType::i64) {
    with_integer_binary(name, index, [&](auto op) { each<int64_t, int64_t>(a, b, y, op); });
    return;
  }
  with_floating(a.dtype(), name,
                [&]<class T>(T) { run_binary<T>(table_of<T>(*kernels().map).binary[index], functor, a, b, y); });
}

}  // namespace detail

Tensor clamp(const Tensor& x, double low, double high) {
  if (!(low <= high)) fail(ErrorKind::value, "clamp: the lower bound ", low, " lies above the upper, ", high);
  return map(functor::Clamp{low, high}, x);
}

Tensor operator<(const Tensor& a, const Tensor& b) { return compare("less", a, b, std::less<>{}); }
Tensor operator<=(const Tensor& a, const Tensor& b) { return compare("less_equal", a, b, std::less_equal<>{}); }
Tensor operator>(const Tensor& a, const Tensor& b) { return compare("greater", a, b, std::greater<>{}); }
Tensor operator>=(const Tensor& a, const Tensor& b) { return compare("greater_equal", a, b, std::greater_equal<>{}); }
Tensor equal(const Tensor& a, const Tensor& b) { return compare("equal", a, b, std::equal_to<>{}); }
Tensor not_equal(const Tensor& a, const Tensor& b) { return compare("not_equal", a, b, std::not_equal_to<>{}); }
Tensor operator<(const Tensor& a, double s) { return compare(a, s, std::less<>{}); }
Tensor operator<=(const Tensor& a, double s) { return compare(a, s, std::less_equal<>{}); }
Tensor operator>(const Tensor& a, double s) { return compare(a, s, std::greater<>{}); }
Tensor operator>=(const Tensor& a, double s) { return compare(a, s, std::greater_equal<>{}); }
Tensor equal(const Tensor& a, double s) { return compare(a, s, std::equal_to<>{}); }
Tensor not_equal(const Tensor& a, double s) { return compare(a, s, std::not_equal_to<>{}); }

Tensor is_nan(const Tensor& x) { return not_equal(x, x); }

Tensor is_finite(const Tensor& x) {
  Tensor y = empty(x.shape(), DType::boolean);
  with_type(x.dtype(), [&]<class T>(T) { each<T, bool>(x, y, [](T v) { return std::isfinite(double(v)); }); });
  return y;
}

Tensor logical_and(const Tensor& a, const Tensor& b) { return logical("logical_and", a, b, std::logical_and<>{}); }
Tensor logical_or(const Tensor& a, const Tensor& b) { return logical("logical_or", a, b, std::logical_or<>{}); }
Tensor logical_xor(const Tensor& a, const Tensor& b) { return logical("logical_xor", a, b, std::not_equal_to<>{}); }

Tensor logical_not(const Tensor& x) {
  if (x.dtype() != DType::boolean) fail(ErrorKind::dtype, "logical_not: takes bool, got ", x.dtype());
  Tensor y = empty(x.shape(), DType::boolean);
  each<bool, bool>(x, y, std::logical_not<>{});
  return y;
}

Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  if (condition.dtype() != DType::boolean)
    fail(ErrorKind::dtype, "where: the condition must be bool, got ", condition.dtype(),
         "; compare first, as in x > 0");
  require_same_dtype("where", a, b);
  const Shape shape = broadcast_shapes("where", condition.shape(), broadcast_shapes("where", a.shape(), b.shape()));
  Tensor y = empty(shape, a.dtype());
  const Loop loop(shape, {broadcast_strides(condition.shape(), condition.strides(), shape),
                          broadcast_strides(a.shape(), a.strides(), shape),
                          broadcast_strides(b.shape(), b.strides(), shape), y.strides()});
  const bool* c = condition.data<bool>();
  const auto& stride = loop.run_strides;
  with_type(a.dtype(), [&]<class T>(T) {
    const T *from_a = a.data<T>(), *from_b = b.data<T>();
    T* to = y.data<T>();
    loop.run([&](const int64_t* at, int64_t n) {
      if constexpr (is_floating(dtype_of<T>())) {  // y is new, so its elements lie one after another
        table_of<T>(*kernels().map)
            .where(n, c + at[0], stride[0], from_a + at[1], stride[1], from_b + at[2], stride[2], to + at[3]);
      } else {
        for (int64_t i = 0; i < n; ++i)
          to[at[3] + i] = c[at[0] + i * stride[0]] ? from_a[at[1] + i * stride[1]] : from_b[at[2] + i * stride[2]];
      }
    });
  });
  return y;
}

Tensor masked_fill(const Tensor& x, const Tensor& mask, double value) {
  return where(mask, scalar(value, x.dtype()), x);
}

// --- the in-place members of Tensor
// ------------------------------------------------------------------------------

Tensor& Tensor::add_(const Tensor& other, double scale) {
  map_into(functor::AddScaled{scale}, *this, other, *this);
  return *this;
}

Tensor& Tensor::mul_(double factor) {
  map_into(functor::Mul{}, *this, full({}, factor, dtype_), *this);
  return *this;
}

}  // namespace fovea
