// The loops of the optimisers. Plain arithmetic without fma, so that every instruction set gives the same bits.
#include "tensor/kernels/optimizer.h"

#include "tensor/kernels/simd.h"

namespace fovea {
namespace {

// Calls op(i, lanes) vector by vector; the last one holds only what is left.
template <class T, class Op> FOVEA_INLINE void each_vector(int64_t n, Op op) {
  constexpr int lanes = Vec<T>::size;
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes)
    op([i](const T* p) FOVEA_INLINE_LAMBDA { return Vec<T>::load(p + i); },
       [i](Vec<T> v, T* p) FOVEA_INLINE_LAMBDA { v.store(p + i); });
  if (i == n) return;
  const int rest = int(n - i);
  op([i, rest](const T* p) FOVEA_INLINE_LAMBDA { return Vec<T>::load_first(p + i, rest); },
     [i, rest](Vec<T> v, T* p) FOVEA_INLINE_LAMBDA { v.store_first(p + i, rest); });
}

template <class T> void sgd(int64_t n, T* x, const T* grad, T* buffer, const SgdStep& step) {
  using V = Vec<T>;
  const V lr(T(step.lr)), momentum(T(step.momentum)), decay(T(step.decay));
  const bool first = step.first, nesterov = step.nesterov;
  each_vector<T>(n, [&](auto load, auto store) FOVEA_INLINE_LAMBDA {
    const V x_old = load(x);
    V d = load(grad) + decay * x_old;
    if (buffer) {
      const V b = first ? d : momentum * load(buffer) + d;
      store(b, buffer);
      d = nesterov ? d + momentum * b : b;
    }
    store(x_old - lr * d, x);
  });
}

template <class T>
void adam(int64_t n, T* x, const T* grad, T* m, T* v, const AdamStep& step, double rate_, double root_) {
  using V = Vec<T>;
  const V beta1(T(step.beta1)), beta2(T(step.beta2)), rest1(T(1 - step.beta1)), rest2(T(1 - step.beta2));
  const V l2(T(step.l2)), shrink(T(step.shrink)), eps(T(step.eps)), rate((T(rate_))), root((T(root_)));
  each_vector<T>(n, [&](auto load, auto store) FOVEA_INLINE_LAMBDA {
    const V x_old = load(x);
    const V g = load(grad) + l2 * x_old;
    const V m_new = beta1 * load(m) + rest1 * g;
    const V v_new = beta2 * load(v) + rest2 * g * g;
    store(m_new, m);
    store(v_new, v);
    store(shrink * x_old - rate * m_new / (sqrt(v_new) * root + eps), x);
  });
}

// Term i goes to lane i mod 16, the lanes are added as a fixed tree: the same order, and so the same bits, everywhere.
template <class T> double sum_of_squares(int64_t n, const T* x) {
  Lanes16<double> sum(0.0);
  T rest[16] = {};
  for (int64_t i = 0; i < n; i += 16) {
    for (int64_t k = i; n - i < 16 && k < n; ++k) rest[k - i] = x[k];
    const T* from = n - i < 16 ? rest : x + i;
    FOVEA_EACH_LANE
    for (int part = 0; part < Lanes16<double>::parts; ++part) {
      const auto v = widen(from + part * Vec<double>::size);
      sum.part[part] = sum.part[part] + v * v;
    }
  }
  return sum.reduce([](auto a, auto b) FOVEA_INLINE_LAMBDA { return a + b; });
}

template <class T> constexpr OptimizerTable<T> table = {sgd<T>, adam<T>, sum_of_squares<T>};

}  // namespace

namespace FOVEA_LEVEL {
extern const OptimizerKernels optimizer_kernels;
const OptimizerKernels optimizer_kernels = {table<float>, table<double>};
}  // namespace FOVEA_LEVEL
}  // namespace fovea
