// Elementwise operations: one result element per element, shapes broadcast against each other (NumPy's rule).
// Arithmetic takes f32, f64 and i64 (both operands of one dtype: mixing is an error, never a silent
// promotion), functions take f32 and f64. The formulas stand in functors.h.
#pragma once
#include "tensor/functors.h"
#include "tensor/tensor.h"

namespace fovea {

// --- the general form
// -------------------------------------------------------------------------------------------- A functor of
// functors.h applied to every element; these are what each name below stands for.
namespace detail {
Tensor map_unary(size_t functor_index, const void* functor, const char* name, const Tensor& x);
Tensor map_with_slope(size_t functor_index, const void* functor, const char* name, const Tensor& x, Tensor& slope);
Tensor map_gradient(size_t functor_index, const void* functor, const char* name, const Tensor& dy, const Tensor& saved);
Tensor map_binary(size_t functor_index, const void* functor, const char* name, const Tensor& a, const Tensor& b);
void map_binary_into(size_t functor_index, const void* functor, const char* name, const Tensor& a, const Tensor& b,
                     Tensor& out);
}  // namespace detail

template <class F> Tensor map(const F& f, const Tensor& x) {
  return detail::map_unary(functor::UnaryFunctors::index_of<F>(), &f, F::name, x);
}
template <class F> Tensor map(const F& f, const Tensor& a, const Tensor& b) {
  return detail::map_binary(functor::BinaryFunctors::index_of<F>(), &f, F::name, a, b);
}
// f(x), and into slope f'(x); for the functors that save it.
template <class F> Tensor map_with_slope(const F& f, const Tensor& x, Tensor& slope) {
  return detail::map_with_slope(functor::UnaryFunctors::index_of<F>(), &f, F::name, x, slope);
}
// dx = f.gradient(dy, saved)
template <class F> Tensor map_gradient(const F& f, const Tensor& dy, const Tensor& saved) {
  return detail::map_gradient(functor::UnaryFunctors::index_of<F>(), &f, F::name, dy, saved);
}
// out = f(a, b), where a and b broadcast to out's shape; out may be a.
template <class F> void map_into(const F& f, const Tensor& a, const Tensor& b, Tensor& out) {
  detail::map_binary_into(functor::BinaryFunctors::index_of<F>(), &f, F::name, a, b, out);
}

// --- arithmetic
// --------------------------------------------------------------------------------------------------
inline Tensor operator+(const Tensor& a, const Tensor& b) { return map(functor::Add{}, a, b); }
inline Tensor operator-(const Tensor& a, const Tensor& b) { return map(functor::Sub{}, a, b); }
inline Tensor operator*(const Tensor& a, const Tensor& b) { return map(functor::Mul{}, a, b); }
inline Tensor operator/(const Tensor& a, const Tensor& b) { return map(functor::Div{}, a, b); }  // f32, f64
inline Tensor operator+(const Tensor& x, double s) { return map(functor::AddScalar{s}, x); }
inline Tensor operator-(const Tensor& x, double s) { return map(functor::AddScalar{-s}, x); }
inline Tensor operator*(const Tensor& x, double s) { return map(functor::MulScalar{s}, x); }
inline Tensor operator/(const Tensor& x, double s) { return map(functor::DivScalar{s}, x); }
inline Tensor operator+(double s, const Tensor& x) { return map(functor::AddScalar{s}, x); }
inline Tensor operator-(double s, const Tensor& x) { return map(functor::SubFromScalar{s}, x); }
inline Tensor operator*(double s, const Tensor& x) { return map(functor::MulScalar{s}, x); }
inline Tensor operator/(double s, const Tensor& x) { return map(functor::DivFromScalar{s}, x); }
inline Tensor operator-(const Tensor& x) { return map(functor::Neg{}, x); }
inline Tensor& operator+=(Tensor& a, const Tensor& b) { return map_into(functor::Add{}, a, b, a), a; }  // in place
inline Tensor& operator-=(Tensor& a, const Tensor& b) { return map_into(functor::Sub{}, a, b, a), a; }
inline Tensor& operator*=(Tensor& a, const Tensor& b) { return map_into(functor::Mul{}, a, b, a), a; }
inline Tensor& operator/=(Tensor& a, const Tensor& b) { return map_into(functor::Div{}, a, b, a), a; }

// --- functions
// ---------------------------------------------------------------------------------------------------
inline Tensor neg(const Tensor& x) { return map(functor::Neg{}, x); }
inline Tensor abs(const Tensor& x) { return map(functor::Abs{}, x); }
inline Tensor sign(const Tensor& x) { return map(functor::Sign{}, x); }
inline Tensor exp(const Tensor& x) { return map(functor::Exp{}, x); }
inline Tensor expm1(const Tensor& x) { return map(functor::Expm1{}, x); }
inline Tensor log(const Tensor& x) { return map(functor::Log{}, x); }
inline Tensor log1p(const Tensor& x) { return map(functor::Log1p{}, x); }
inline Tensor sqrt(const Tensor& x) { return map(functor::Sqrt{}, x); }
inline Tensor rsqrt(const Tensor& x) { return map(functor::Rsqrt{}, x); }
inline Tensor reciprocal(const Tensor& x) { return map(functor::Reciprocal{}, x); }
inline Tensor square(const Tensor& x) { return map(functor::Square{}, x); }
inline Tensor pow(const Tensor& x, double p) { return map(functor::PowScalar{p}, x); }
inline Tensor pow(const Tensor& a, const Tensor& b) { return map(functor::Pow{}, a, b); }
inline Tensor sin(const Tensor& x) { return map(functor::Sin{}, x); }
inline Tensor cos(const Tensor& x) { return map(functor::Cos{}, x); }
inline Tensor tanh(const Tensor& x) { return map(functor::Tanh{}, x); }
inline Tensor sigmoid(const Tensor& x) { return map(functor::Sigmoid{}, x); }
inline Tensor erf(const Tensor& x) { return map(functor::Erf{}, x); }
inline Tensor relu(const Tensor& x) { return map(functor::Relu{}, x); }
inline Tensor leaky_relu(const Tensor& x, double slope = 0.01) { return map(functor::LeakyRelu{slope}, x); }
inline Tensor elu(const Tensor& x, double alpha = 1) { return map(functor::Elu{alpha}, x); }
inline Tensor gelu(const Tensor& x) { return map(functor::Gelu{}, x); }           // exact, with the normal distribution
inline Tensor gelu_tanh(const Tensor& x) { return map(functor::GeluTanh{}, x); }  // the tanh approximation
inline Tensor silu(const Tensor& x) { return map(functor::Silu{}, x); }
inline Tensor softplus(const Tensor& x) { return map(functor::Softplus{}, x); }
inline Tensor minimum(const Tensor& a, const Tensor& b) { return map(functor::Minimum{}, a, b); }
inline Tensor maximum(const Tensor& a, const Tensor& b) { return map(functor::Maximum{}, a, b); }
Tensor clamp(const Tensor& x, double low, double high);  // low > high is an error

// --- choices: bool results and bool operands
// -----------------------------------------------------------------------
Tensor operator<(const Tensor& a, const Tensor& b);
Tensor operator<=(const Tensor& a, const Tensor& b);
Tensor operator>(const Tensor& a, const Tensor& b);
Tensor operator>=(const Tensor& a, const Tensor& b);
Tensor equal(const Tensor& a, const Tensor& b);  // elementwise; for tensors as a whole see identical()
Tensor not_equal(const Tensor& a, const Tensor& b);
Tensor operator<(const Tensor& a, double s);
Tensor operator<=(const Tensor& a, double s);
Tensor operator>(const Tensor& a, double s);
Tensor operator>=(const Tensor& a, double s);
Tensor equal(const Tensor& a, double s);
Tensor not_equal(const Tensor& a, double s);
Tensor is_nan(const Tensor& x);
Tensor is_finite(const Tensor& x);
Tensor logical_and(const Tensor& a, const Tensor& b);  // of bool
Tensor logical_or(const Tensor& a, const Tensor& b);
Tensor logical_xor(const Tensor& a, const Tensor& b);
Tensor logical_not(const Tensor& x);
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);  // condition ? a : b; all broadcast
Tensor masked_fill(const Tensor& x, const Tensor& mask, double value);    // value where the mask is true

}  // namespace fovea
