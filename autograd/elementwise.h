// Elementwise operations on variables: the twins of tensor/elementwise.h, with the same names and meaning.
// Operands broadcast against each other; the tape sums the gradient back to each operand's shape.
#pragma once
#include "autograd/variable.h"
#include "tensor/elementwise.h"

namespace fovea {

Variable operator+(const Variable& a, const Variable& b);
Variable operator-(const Variable& a, const Variable& b);
Variable operator*(const Variable& a, const Variable& b);
Variable operator/(const Variable& a, const Variable& b);
Variable operator+(const Variable& x, double s);
Variable operator-(const Variable& x, double s);
Variable operator*(const Variable& x, double s);
Variable operator/(const Variable& x, double s);
Variable operator+(double s, const Variable& x);
Variable operator-(double s, const Variable& x);
Variable operator*(double s, const Variable& x);
Variable operator/(double s, const Variable& x);
Variable operator-(const Variable& x);
inline Variable& operator+=(Variable& a, const Variable& b) { return a = a + b; }  // a new variable under the old name
inline Variable& operator-=(Variable& a, const Variable& b) { return a = a - b; }
inline Variable& operator*=(Variable& a, const Variable& b) { return a = a * b; }
inline Variable& operator/=(Variable& a, const Variable& b) { return a = a / b; }

Variable neg(const Variable& x);
Variable abs(const Variable& x);  // gradient 0 at 0
Variable sign(const Variable& x);
Variable exp(const Variable& x);
Variable expm1(const Variable& x);
Variable log(const Variable& x);
Variable log1p(const Variable& x);
Variable sqrt(const Variable& x);
Variable rsqrt(const Variable& x);
Variable reciprocal(const Variable& x);
Variable square(const Variable& x);
Variable pow(const Variable& x, double p);
Variable pow(const Variable& a, const Variable& b);
Variable sin(const Variable& x);
Variable cos(const Variable& x);
Variable tanh(const Variable& x);
Variable sigmoid(const Variable& x);
Variable erf(const Variable& x);
Variable relu(const Variable& x);
Variable leaky_relu(const Variable& x, double slope = 0.01);
Variable elu(const Variable& x, double alpha = 1);
Variable gelu(const Variable& x);
Variable gelu_tanh(const Variable& x);
Variable silu(const Variable& x);
Variable softplus(const Variable& x);
Variable minimum(const Variable& a, const Variable& b);  // where both are equal, each gets half the gradient
Variable maximum(const Variable& a, const Variable& b);
Variable clamp(const Variable& x, double low, double high);
Variable where(const Tensor& condition, const Variable& a, const Variable& b);
Variable masked_fill(const Variable& x, const Tensor& mask, double value);

}  // namespace fovea
