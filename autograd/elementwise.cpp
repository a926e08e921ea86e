#include "autograd/elementwise.h"

#include "autograd/operation.h"

namespace fovea {
namespace {

// Any functor of one operand: value and derivative stand in tensor/functors.h.
template <class F> struct Map {
  F f;
  Tensor saved;
  Tensor forward(const Tensor& x) {
    if constexpr (F::saves == functor::Saves::slope) {
      if (Tape::recording()) return map_with_slope(f, x, saved);
    }
    Tensor y = map(f, x);
    if constexpr (F::saves == functor::Saves::input) saved = x;
    if constexpr (F::saves == functor::Saves::output) saved = y;
    return y;
  }
  Grads<1> backward(const Tensor& dy, Needs<1>) const { return {map_gradient(f, dy, saved)}; }
};

struct Add {
  Tensor forward(const Tensor& a, const Tensor& b) { return a + b; }
  Grads<2> backward(const Tensor& dy, Needs<2>) const { return {dy, dy}; }
};

struct Sub {
  Tensor forward(const Tensor& a, const Tensor& b) { return a - b; }
  Grads<2> backward(const Tensor& dy, Needs<2> needs) const { return {dy, needs[1] ? -dy : Tensor()}; }
};

struct Mul {
  Tensor a, b;
  Tensor forward(const Tensor& a_, const Tensor& b_) { return (a = a_) * (b = b_); }
  Grads<2> backward(const Tensor& dy, Needs<2> needs) const {
    return {needs[0] ? dy * b : Tensor(), needs[1] ? dy * a : Tensor()};
  }
};

struct Div {  // d(a/b) = da/b − a db/b²
  Tensor b, y;
  Tensor forward(const Tensor& a, const Tensor& b_) { return y = a / (b = b_); }
  Grads<2> backward(const Tensor& dy, Needs<2> needs) const {
    const Tensor da = dy / b;
    return {da, needs[1] ? -da * y : Tensor()};
  }
};

struct Pow {  // d(a^b) = b a^(b−1) da + log(a) a^b db; 0^0 has no slope
  Tensor a, b, y;
  Tensor forward(const Tensor& a_, const Tensor& b_) { return y = pow(a = a_, b = b_); }
  Grads<2> backward(const Tensor& dy, Needs<2> needs) const {
    const Tensor zero = scalar(0, dy.dtype());
    Grads<2> grads;
    if (needs[0]) grads[0] = where(equal(b, 0), zero, dy * b * pow(a, b - 1));
    if (needs[1]) grads[1] = where(equal(a, 0), zero, dy * y * log(a));
    return grads;
  }
};

// The gradient goes to whichever operand was taken; half to each where they are equal.
Grads<2> to_the_taken(const Tensor& dy, const Tensor& a_taken, const Tensor& b_taken) {
  const Tensor zero = scalar(0, dy.dtype());
  const Tensor shared = where(logical_or(a_taken, b_taken), zero, dy * 0.5);
  return {where(a_taken, dy, shared), where(b_taken, dy, shared)};
}

struct Minimum {
  Tensor a, b;
  Tensor forward(const Tensor& a_, const Tensor& b_) { return minimum(a = a_, b = b_); }
  Grads<2> backward(const Tensor& dy, Needs<2>) const { return to_the_taken(dy, a<b, a> b); }
};

struct Maximum {
  Tensor a, b;
  Tensor forward(const Tensor& a_, const Tensor& b_) { return maximum(a = a_, b = b_); }
  Grads<2> backward(const Tensor& dy, Needs<2>) const { return to_the_taken(dy, a > b, a < b); }
};

struct Where {
  Tensor condition;
  Tensor forward(const Tensor& a, const Tensor& b) { return where(condition, a, b); }
  Grads<2> backward(const Tensor& dy, Needs<2> needs) const {
    const Tensor zero = scalar(0, dy.dtype());
    return {needs[0] ? where(condition, dy, zero) : Tensor(), needs[1] ? where(condition, zero, dy) : Tensor()};
  }
};

struct MaskedFill {
  Tensor mask;
  double fill;
  Tensor forward(const Tensor& x) { return masked_fill(x, mask, fill); }
  Grads<1> backward(const Tensor& dy, Needs<1>) const { return {masked_fill(dy, mask, 0)}; }
};

template <class F> Variable apply(const F& f, const Variable& x) { return record(Map<F>{f, {}}, x); }

}  // namespace

Variable operator+(const Variable& a, const Variable& b) { return record(Add{}, a, b); }
Variable operator-(const Variable& a, const Variable& b) { return record(Sub{}, a, b); }
Variable operator*(const Variable& a, const Variable& b) { return record(Mul{}, a, b); }
Variable operator/(const Variable& a, const Variable& b) { return record(Div{}, a, b); }
Variable operator+(const Variable& x, double s) { return apply(functor::AddScalar{s}, x); }
Variable operator-(const Variable& x, double s) { return apply(functor::AddScalar{-s}, x); }
Variable operator*(const Variable& x, double s) { return apply(functor::MulScalar{s}, x); }
Variable operator/(const Variable& x, double s) { return apply(functor::DivScalar{s}, x); }
Variable operator+(double s, const Variable& x) { return apply(functor::AddScalar{s}, x); }
Variable operator-(double s, const Variable& x) { return apply(functor::SubFromScalar{s}, x); }
Variable operator*(double s, const Variable& x) { return apply(functor::MulScalar{s}, x); }
Variable operator/(double s, const Variable& x) { return apply(functor::DivFromScalar{s}, x); }
Variable operator-(const Variable& x) { return apply(functor::Neg{}, x); }

Variable neg(const Variable& x) { return apply(functor::Neg{}, x); }
Variable abs(const Variable& x) { return apply(functor::Abs{}, x); }
Variable sign(const Variable& x) { return apply(functor::Sign{}, x); }
Variable exp(const Variable& x) { return apply(functor::Exp{}, x); }
Variable expm1(const Variable& x) { return apply(functor::Expm1{}, x); }
Variable log(const Variable& x) { return apply(functor::Log{}, x); }
Variable log1p(const Variable& x) { return apply(functor::Log1p{}, x); }
Variable sqrt(const Variable& x) { return apply(functor::Sqrt{}, x); }
Variable rsqrt(const Variable& x) { return apply(functor::Rsqrt{}, x); }
Variable reciprocal(const Variable& x) { return apply(functor::Reciprocal{}, x); }
Variable square(const Variable& x) { return apply(functor::Square{}, x); }
Variable pow(const Variable& x, double p) { return apply(functor::PowScalar{p}, x); }
Variable pow(const Variable& a, const Variable& b) { return record(Pow{}, a, b); }
Variable sin(const Variable& x) { return apply(functor::Sin{}, x); }
Variable cos(const Variable& x) { return apply(functor::Cos{}, x); }
Variable tanh(const Variable& x) { return apply(functor::Tanh{}, x); }
Variable sigmoid(const Variable& x) { return apply(functor::Sigmoid{}, x); }
Variable erf(const Variable& x) { return apply(functor::Erf{}, x); }
Variable relu(const Variable& x) { return apply(functor::Relu{}, x); }
Variable leaky_relu(const Variable& x, double slope) { return apply(functor::LeakyRelu{slope}, x); }
Variable elu(const Variable& x, double alpha) { return apply(functor::Elu{alpha}, x); }
Variable gelu(const Variable& x) { return apply(functor::Gelu{}, x); }
Variable gelu_tanh(const Variable& x) { return apply(functor::GeluTanh{}, x); }
Variable silu(const Variable& x) { return apply(functor::Silu{}, x); }
Variable softplus(const Variable& x) { return apply(functor::Softplus{}, x); }
Variable minimum(const Variable& a, const Variable& b) { return record(Minimum{}, a, b); }
Variable maximum(const Variable& a, const Variable& b) { return record(Maximum{}, a, b); }
Variable where(const Tensor& condition, const Variable& a, const Variable& b) { return record(Where{condition}, a, b); }
Variable masked_fill(const Variable& x, const Tensor& mask, double value) { return record(MaskedFill{mask, value}, x); }

Variable clamp(const Variable& x, double low, double high) {
  if (!(low <= high)) fail(ErrorKind::value, "clamp: the lower bound ", low, " lies above the upper, ", high);
  return apply(functor::Clamp{low, high}, x);
}

}  // namespace fovea
