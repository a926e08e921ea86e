// The elementwise operations: each a small struct with its value and its derivative side by side. From the
// lists at the end every kernel is generated, for each type and instruction set.
//
//   name      as the user calls it
//   saves     what the derivative is written in: the input x, the output y, the slope f'(x) itself, or nothing
//   value     y = f(x), for a vector of f32 or f64
//   gradient  dx = dy · f'(x), given dy and what was saved
//   with_slope  where `saves` is the slope: y and f'(x) at once, which costs little more than y alone
//
// To add one: write the struct, put it into the list, declare it in elementwise.h (and
// autograd/elementwise.h).
#pragma once
#include <cstddef>
#include <type_traits>

namespace fovea::functor {

enum class Saves { nothing, input, output, slope };

struct Neg {
  static constexpr const char* name = "neg";
  static constexpr Saves saves = Saves::nothing;
  template <class V> V value(V x) const { return -x; }
  template <class V> V gradient(V dy, V) const { return -dy; }
};

struct Abs {
  static constexpr const char* name = "abs";
  static constexpr Saves saves = Saves::input;
  template <class V> V value(V x) const { return abs(x); }
  template <class V> V gradient(V dy, V x) const { return dy * sign(x); }  // 0 at 0
};

struct Sign {  // -1, 0 or 1; NaN stays NaN
  static constexpr const char* name = "sign";
  static constexpr Saves saves = Saves::nothing;
  template <class V> V value(V x) const { return sign(x); }
  template <class V> V gradient(V, V) const { return V(0); }
};

struct Exp {
  static constexpr const char* name = "exp";
  static constexpr Saves saves = Saves::output;
  template <class V> V value(V x) const { return exp(x); }
  template <class V> V gradient(V dy, V y) const { return dy * y; }
};

struct Expm1 {  // e^x - 1, exact near 0
  static constexpr const char* name = "expm1";
  static constexpr Saves saves = Saves::output;
  template <class V> V value(V x) const { return expm1(x); }
  template <class V> V gradient(V dy, V y) const { return dy * (y + V(1)); }
};

struct Log {
  static constexpr const char* name = "log";
  static constexpr Saves saves = Saves::input;
  template <class V> V value(V x) const { return log(x); }
  template <class V> V gradient(V dy, V x) const { return dy / x; }
};

struct Log1p {  // log(1 + x), exact near 0
  static constexpr const char* name = "log1p";
  static constexpr Saves saves = Saves::input;
  template <class V> V value(V x) const { return log1p(x); }
  template <class V> V gradient(V dy, V x) const { return dy / (V(1) + x); }
};

struct Sqrt {
  static constexpr const char* name = "sqrt";
  static constexpr Saves saves = Saves::output;
  template <class V> V value(V x) const { return sqrt(x); }
  template <class V> V gradient(V dy, V y) const { return dy / (y + y); }
};

struct Rsqrt {  // 1 / √x
  static constexpr const char* name = "rsqrt";
  static constexpr Saves saves = Saves::output;
  template <class V> V value(V x) const { return V(1) / sqrt(x); }
  template <class V> V gradient(V dy, V y) const { return V(-0.5) * dy * y * y * y; }
};

struct Reciprocal {
  static constexpr const char* name = "reciprocal";
  static constexpr Saves saves = Saves::output;
  template <class V> V value(V x) const { return V(1) / x; }
  template <class V> V gradient(V dy, V y) const { return -dy * y * y; }
};

struct Square {
  static constexpr const char* name = "square";
  static constexpr Saves saves = Saves::input;
  template <class V> V value(V x) const { return x * x; }
  template <class V> V gradient(V dy, V x) const { return dy * (x + x); }
};

struct PowScalar {  // x^p for a fixed p
  static constexpr const char* name = "pow";
  static constexpr Saves saves = Saves::input;
  double p;
  template <class V> V value(V x) const { return pow(x, V(p)); }
  template <class V> V gradient(V dy, V x) const { return p == 0 ? V(0) * dy : dy * V(p) * pow(x, V(p - 1)); }
};

struct Sin {
  static constexpr const char* name = "sin";
  static constexpr Saves saves = Saves::input;
  template <class V> V value(V x) const { return sin(x); }
  template <class V> V gradient(V dy, V x) const { return dy * cos(x); }
};

struct Cos {
  static constexpr const char* name = "cos";
  static constexpr Saves saves = Saves::input;
  template <class V> V value(V x) const { return cos(x); }
  template <class V> V gradient(V dy, V x) const { return -dy * sin(x); }
};

struct Tanh {
  static constexpr const char* name = "tanh";
  static constexpr Saves saves = Saves::output;
  template <class V> V value(V x) const { return tanh(x); }
  template <class V> V gradient(V dy, V y) const { return dy * (V(1) - y * y); }
};

struct Sigmoid {  // 1 / (1 + e^-x)
  static constexpr const char* name = "sigmoid";
  static constexpr Saves saves = Saves::output;
  template <class V> V value(V x) const { return sigmoid(x); }
  template <class V> V gradient(V dy, V y) const { return dy * y * (V(1) - y); }
};

struct Erf {
  static constexpr const char* name = "erf";
  static constexpr Saves saves = Saves::input;
  template <class V> V value(V x) const { return erf(x); }
  template <class V> V gradient(V dy, V x) const { return dy * V(1.1283791670955126) * exp(-x * x); }  // 2/√π e^-x²
};

struct Relu {
  static constexpr const char* name = "relu";
  static constexpr Saves saves = Saves::output;
  template <class V> V value(V x) const { return maximum(x, V(0)); }
  template <class V> V gradient(V dy, V y) const { return select(y > V(0), dy, V(0)); }
};

struct LeakyRelu {
  static constexpr const char* name = "leaky_relu";
  static constexpr Saves saves = Saves::input;
  double slope;  // for x < 0
  template <class V> V value(V x) const { return select(x < V(0), x * V(slope), x); }
  template <class V> V gradient(V dy, V x) const { return select(x < V(0), dy * V(slope), dy); }
};

struct Elu {  // x where x > 0, else α (e^x - 1)
  static constexpr const char* name = "elu";
  static constexpr Saves saves = Saves::input;
  double alpha;
  template <class V> V value(V x) const { return select(x > V(0), x, V(alpha) * expm1(x)); }
  template <class V> V gradient(V dy, V x) const { return select(x > V(0), dy, dy * V(alpha) * exp(x)); }
};

struct Gelu {  // x Φ(x), Φ the normal distribution function (Hendrycks & Gimpel 2016, the exact form)
  static constexpr const char* name = "gelu";
  static constexpr Saves saves = Saves::slope;
  template <class V> V value(V x) const { return gelu(x); }
  template <class V> auto with_slope(V x) const { return gelu_with_slope(x); }  // Φ(x) + x φ(x)
  template <class V> V gradient(V dy, V slope) const { return dy * slope; }
};

struct GeluTanh {  // x/2 (1 + tanh u), u = √(2/π) (x + 0.044715 x³); equal to x σ(2u), which keeps the tail
  static constexpr const char* name = "gelu_tanh";
  static constexpr Saves saves = Saves::slope;
  template <class V> V value(V x) const { return gelu_tanh(x); }
  template <class V> auto with_slope(V x) const { return gelu_tanh_with_slope(x); }  // σ(2u) + x σ(2u) σ(-2u) 2u'
  template <class V> V gradient(V dy, V slope) const { return dy * slope; }
};

struct Silu {  // x σ(x), also called swish
  static constexpr const char* name = "silu";
  static constexpr Saves saves = Saves::slope;
  template <class V> V value(V x) const { return silu(x); }
  template <class V> auto with_slope(V x) const { return silu_with_slope(x); }  // σ(x) + x σ(x) σ(-x)
  template <class V> V gradient(V dy, V slope) const { return dy * slope; }
};

struct Softplus {  // log(1 + e^x)
  static constexpr const char* name = "softplus";
  static constexpr Saves saves = Saves::input;
  template <class V> V value(V x) const { return softplus(x); }
  template <class V> V gradient(V dy, V x) const { return dy * sigmoid(x); }
};

struct Clamp {  // into [low, high]; the gradient passes where x lies inside
  static constexpr const char* name = "clamp";
  static constexpr Saves saves = Saves::input;
  double low, high;
  template <class V> V value(V x) const { return minimum(maximum(x, V(low)), V(high)); }
  template <class V> V gradient(V dy, V x) const { return select(x >= V(low), select(x <= V(high), dy, V(0)), V(0)); }
};

struct AddScalar {
  static constexpr const char* name = "add";
  static constexpr Saves saves = Saves::nothing;
  double s;
  template <class V> V value(V x) const { return x + V(s); }
  template <class V> V gradient(V dy, V) const { return dy; }
};

struct MulScalar {
  static constexpr const char* name = "mul";
  static constexpr Saves saves = Saves::nothing;
  double s;
  template <class V> V value(V x) const { return x * V(s); }
  template <class V> V gradient(V dy, V) const { return dy * V(s); }
};

struct DivScalar {
  static constexpr const char* name = "div";
  static constexpr Saves saves = Saves::nothing;
  double s;
  template <class V> V value(V x) const { return x / V(s); }
  template <class V> V gradient(V dy, V) const { return dy / V(s); }
};

struct SubFromScalar {  // s - x
  static constexpr const char* name = "sub";
  static constexpr Saves saves = Saves::nothing;
  double s;
  template <class V> V value(V x) const { return V(s) - x; }
  template <class V> V gradient(V dy, V) const { return -dy; }
};

struct DivFromScalar {  // s / x
  static constexpr const char* name = "div";
  static constexpr Saves saves = Saves::input;
  double s;
  template <class V> V value(V x) const { return V(s) / x; }
  template <class V> V gradient(V dy, V x) const { return -dy * V(s) / (x * x); }
};

// Two operands; their derivatives are written with tensors, in autograd/elementwise.cpp.

struct Add {
  static constexpr const char* name = "add";
  template <class V> V value(V a, V b) const { return a + b; }
};
struct Sub {
  static constexpr const char* name = "sub";
  template <class V> V value(V a, V b) const { return a - b; }
};
struct Mul {
  static constexpr const char* name = "mul";
  template <class V> V value(V a, V b) const { return a * b; }
};
struct Div {
  static constexpr const char* name = "div";
  template <class V> V value(V a, V b) const { return a / b; }
};
struct Minimum {
  static constexpr const char* name = "minimum";
  template <class V> V value(V a, V b) const { return minimum(a, b); }
};
struct Maximum {
  static constexpr const char* name = "maximum";
  template <class V> V value(V a, V b) const { return maximum(a, b); }
};
struct Pow {
  static constexpr const char* name = "pow";
  template <class V> V value(V a, V b) const { return pow(a, b); }
};
struct AddScaled {  // a + s·b, rounded once
  static constexpr const char* name = "add_";
  double s;
  template <class V> V value(V a, V b) const { return fma(b, V(s), a); }
};

// --- the lists
// --------------------------------------------------------------------------------------------------

template <class... F> struct FunctorList {
  static constexpr size_t size = sizeof...(F);
  template <class Wanted> static constexpr size_t index_of() {
    size_t index = 0;
    const bool found = ((std::is_same_v<F, Wanted> || (++index, false)) || ...);
    return found ? index : size;
  }
};

using UnaryFunctors = FunctorList<Neg, Abs, Sign, Exp, Expm1, Log, Log1p, Sqrt, Rsqrt, Reciprocal, Square, PowScalar,
                                  Sin, Cos, Tanh, Sigmoid, Erf, Relu, LeakyRelu, Elu, Gelu, GeluTanh, Silu, Softplus,
                                  Clamp, AddScalar, MulScalar, DivScalar, SubFromScalar, DivFromScalar>;
using BinaryFunctors = FunctorList<Add, Sub, Mul, Div, Minimum, Maximum, Pow, AddScaled>;

}  // namespace fovea::functor
