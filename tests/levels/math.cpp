// The table of elementary functions for one instruction set; see math.h beside.
#include "tests/levels/math.h"

#include "tensor/kernels/math.h"

namespace fovea {
namespace {

template <class F, class T> void unary(const T* x, T* y, int64_t n) {
  for (int64_t i = 0; i < n; i += Vec<T>::size) F{}(Vec<T>::load(x + i)).store(y + i);
}
template <class T> void power(const T* x, const T* p, T* y, int64_t n) {
  for (int64_t i = 0; i < n; i += Vec<T>::size) pow(Vec<T>::load(x + i), Vec<T>::load(p + i)).store(y + i);
}
template <class F> constexpr MathFunction entry(const char* name, F) {
  return {name, unary<F, float>, unary<F, double>};
}

}  // namespace

namespace FOVEA_LEVEL {

#define FOVEA_STRINGIFY(level) #level
#define FOVEA_NAME_OF(level) FOVEA_STRINGIFY(level)

extern const MathLevel math_level;
const MathLevel math_level = {
    FOVEA_NAME_OF(FOVEA_LEVEL),
    kFused,
    {entry("exp", [](auto x) FOVEA_INLINE_LAMBDA { return exp(x); }),
     entry("expm1", [](auto x) FOVEA_INLINE_LAMBDA { return expm1(x); }),
     entry("sigmoid", [](auto x) FOVEA_INLINE_LAMBDA { return sigmoid(x); }),
     entry("silu", [](auto x) FOVEA_INLINE_LAMBDA { return silu(x); }),
     entry("tanh", [](auto x) FOVEA_INLINE_LAMBDA { return tanh(x); }),
     entry("log", [](auto x) FOVEA_INLINE_LAMBDA { return log(x); }),
     entry("log1p", [](auto x) FOVEA_INLINE_LAMBDA { return log1p(x); }),
     entry("softplus", [](auto x) FOVEA_INLINE_LAMBDA { return softplus(x); }),
     entry("erf", [](auto x) FOVEA_INLINE_LAMBDA { return erf(x); }),
     entry("gelu", [](auto x) FOVEA_INLINE_LAMBDA { return gelu(x); }),
     entry("gelu_derivative", [](auto x) FOVEA_INLINE_LAMBDA { return gelu_with_slope(x).slope; }),
     entry("gelu_tanh", [](auto x) FOVEA_INLINE_LAMBDA { return gelu_tanh(x); }),
     entry("silu_derivative", [](auto x) FOVEA_INLINE_LAMBDA { return silu_with_slope(x).slope; }),
     entry("gelu_tanh_derivative", [](auto x) FOVEA_INLINE_LAMBDA { return gelu_tanh_with_slope(x).slope; }),
     entry("sin", [](auto x) FOVEA_INLINE_LAMBDA { return sin(x); }),
     entry("cos", [](auto x) FOVEA_INLINE_LAMBDA { return cos(x); }),
     entry("rsqrt", [](auto x) FOVEA_INLINE_LAMBDA { return rsqrt(x); })},
    power<float>,
    power<double>};

}  // namespace FOVEA_LEVEL
}  // namespace fovea
