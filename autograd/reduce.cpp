#include "autograd/reduce.h"

#include <limits>

#include "autograd/elementwise.h"
#include "autograd/operation.h"
#include "tensor/elementwise.h"
#include "tensor/indexing.h"
#include "tensor/views.h"

namespace fovea {
namespace {

// The shape with the reduced axes kept as 1: the form in which a result lines up with its input again.
Shape kept(const Tensor& x, const Axes& axes) {
  return reduced_shape(x.shape(), normalize_axes("reduce", axes, x.rank()), true);
}

// How many elements went into each result.
double group_size(const Shape& from, const Shape& kept_shape) {
  double n = 1;
  for (int i = 0; i < from.rank(); ++i) n *= double(from[i]) / double(kept_shape[i]);
  return n;
}

struct Sum {
  Axes axes;
  bool keep_dims;
  Shape from, lined_up;
  Tensor forward(const Tensor& x) {
    from = x.shape();
    lined_up = kept(x, axes);
    return sum(x, axes, keep_dims);
  }
  Grads<1> backward(const Tensor& dy, Needs<1>) const { return {expand(reshape(dy, lined_up), from)}; }
};

struct Mean {
  Axes axes;
  bool keep_dims;
  Shape from, lined_up;
  Tensor forward(const Tensor& x) {
    from = x.shape();
    lined_up = kept(x, axes);
    return mean(x, axes, keep_dims);
  }
  Grads<1> backward(const Tensor& dy, Needs<1>) const {
    return {expand(reshape(dy, lined_up) / group_size(from, lined_up), from)};
  }
};

struct Var {  // σ² = Σ (x − x̄)² / (n − correction);  dx = dσ² · 2 (x − x̄) / (n − correction)
  Axes axes;
  bool keep_dims;
  int64_t correction;
  Tensor x;
  Tensor forward(const Tensor& x_) { return var(x = x_, axes, keep_dims, correction); }
  Grads<1> backward(const Tensor& dy, Needs<1>) const {
    const Shape lined_up = kept(x, axes);
    const double n = group_size(x.shape(), lined_up);
    return {(x - mean(x, axes, true)) * (reshape(dy, lined_up) * (2 / (n - double(correction))))};
  }
};

// dy to the elements of x that equal the extreme y; where several do, each gets its share.
Tensor to_the_taken(const Tensor& dy, const Tensor& x, const Tensor& y, const Axes& axes) {
  const Shape lined_up = kept(x, axes);
  const Tensor taken = equal(x, reshape(y, lined_up)).to(dy.dtype());
  return taken * (reshape(dy, lined_up) / sum(taken, axes, true));
}

struct Min {
  Axes axes;
  bool keep_dims;
  Tensor x, y;
  Tensor forward(const Tensor& x_) { return y = min(x = x_, axes, keep_dims); }
  Grads<1> backward(const Tensor& dy, Needs<1>) const { return {to_the_taken(dy, x, y, axes)}; }
};

struct Max {
  Axes axes;
  bool keep_dims;
  Tensor x, y;
  Tensor forward(const Tensor& x_) { return y = max(x = x_, axes, keep_dims); }
  Grads<1> backward(const Tensor& dy, Needs<1>) const { return {to_the_taken(dy, x, y, axes)}; }
};

struct Logsumexp {  // y = log Σ e^x;  dx = dy e^(x − y), the softmax
  Axes axes;
  bool keep_dims;
  Tensor x, y;
  Tensor forward(const Tensor& x_) { return y = logsumexp(x = x_, axes, keep_dims); }
  Grads<1> backward(const Tensor& dy, Needs<1>) const {
    const Shape lined_up = kept(x, axes);
    return {exp(x - reshape(y, lined_up)) * reshape(dy, lined_up)};
  }
};

struct Norm {  // the Euclidean one: y = √Σx²;  dx = dy x / y
  Axes axes;
  bool keep_dims;
  Tensor x, y;
  Tensor forward(const Tensor& x_) { return y = norm(x = x_, 2, axes, keep_dims); }
  Grads<1> backward(const Tensor& dy, Needs<1>) const {
    const Shape lined_up = kept(x, axes);
    const Tensor length = reshape(y, lined_up);
    const Tensor safe = where(equal(length, 0), scalar(1, dy.dtype()), length);  // x is 0 there, and so is dx
    return {x * (reshape(dy, lined_up) / safe)};
  }
};

struct Cumsum {  // y_i = Σ_{j ≤ i} x_j;  dx_j = Σ_{i ≥ j} dy_i
  int axis;
  Tensor forward(const Tensor& x) { return cumsum(x, axis); }
  Grads<1> backward(const Tensor& dy, Needs<1>) const { return {flip(cumsum(flip(dy, {axis}), axis), {axis})}; }
};

}  // namespace

Variable sum(const Variable& x, const Axes& axes, bool keep_dims) { return record(Sum{axes, keep_dims, {}, {}}, x); }
Variable mean(const Variable& x, const Axes& axes, bool keep_dims) { return record(Mean{axes, keep_dims, {}, {}}, x); }
Variable var(const Variable& x, const Axes& axes, bool keep_dims, int64_t correction) {
  return record(Var{axes, keep_dims, correction, {}}, x);
}
Variable stddev(const Variable& x, const Axes& axes, bool keep_dims, int64_t correction) {
  return sqrt(var(x, axes, keep_dims, correction));
}
Variable min(const Variable& x, const Axes& axes, bool keep_dims) { return record(Min{axes, keep_dims, {}, {}}, x); }
Variable max(const Variable& x, const Axes& axes, bool keep_dims) { return record(Max{axes, keep_dims, {}, {}}, x); }
Variable logsumexp(const Variable& x, const Axes& axes, bool keep_dims) {
  return record(Logsumexp{axes, keep_dims, {}, {}}, x);
}

Variable norm(const Variable& x, double p, const Axes& axes, bool keep_dims) {
  if (p == 2) return record(Norm{axes, keep_dims, {}, {}}, x);
  if (p == 1) return sum(abs(x), axes, keep_dims);
  if (p == std::numeric_limits<double>::infinity()) return max(abs(x), axes, keep_dims);
  return pow(sum(pow(abs(x), p), axes, keep_dims), 1 / p);
}

Variable cumsum(const Variable& x, int axis) { return record(Cumsum{axis}, x); }

}  // namespace fovea
