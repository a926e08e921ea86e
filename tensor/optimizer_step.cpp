#include "tensor/optimizer_step.h"

#include <cmath>
#include <vector>

#include "tensor/dispatch.h"
#include "tensor/kernels/optimizer.h"
#include "tensor/loop.h"

namespace fovea {
namespace {

void require_like(const char* name, const char* role, const Tensor& x, const Tensor& other) {
  if (other.shape() != x.shape() || other.dtype() != x.dtype())
    fail(ErrorKind::shape, name, ": the tensor is ", x.shape(), " ", x.dtype(), ", its ", role, " ", other.shape(), " ",
         other.dtype());
}

// Runs fn on x laid out without gaps, and writes the result back where x is not.
template <class Fn> void on_contiguous(Tensor& x, Fn&& fn) {
  Tensor flat = x.contiguous();
  fn(flat);
  if (!x.is_contiguous()) x.copy_(flat);
}

}  // namespace

void sgd_step(Tensor& x, const Tensor& grad, Tensor* buffer, const SgdStep& step) {
  require_like("sgd_step", "gradient", x, grad);
  if (buffer) require_like("sgd_step", "momentum buffer", x, *buffer);
  const Tensor g = grad.contiguous();
  on_contiguous(x, [&](Tensor& flat) {
    with_floating(x.dtype(), "sgd_step", [&]<class T>(T) {
      const auto kernel = table_of<T>(*kernels().optimizer).sgd;
      const T* from = g.data<T>();
      T *to = flat.data<T>(), *b = buffer ? buffer->data<T>() : nullptr;
      parallel_for(x.count(), kGrain, [&](int64_t first, int64_t last) {
        kernel(last - first, to + first, from + first, b ? b + first : nullptr, step);
      });
    });
  });
}

void adam_step(Tensor& x, const Tensor& grad, Tensor& m, Tensor& v, const AdamStep& step) {
  require_like("adam_step", "gradient", x, grad);
  require_like("adam_step", "first moment", x, m);
  require_like("adam_step", "second moment", x, v);
  // lr m̂ / (√v̂ + eps) with the corrections taken out of the loop: rate · m / (√v · root + eps).
  const double rate = step.lr / (1 - std::pow(step.beta1, double(step.t)));
  const double root = 1 / std::sqrt(1 - std::pow(step.beta2, double(step.t)));
  const Tensor g = grad.contiguous();
  on_contiguous(x, [&](Tensor& flat) {
    with_floating(x.dtype(), "adam_step", [&]<class T>(T) {
      const auto kernel = table_of<T>(*kernels().optimizer).adam;
      const T* from = g.data<T>();
      T *to = flat.data<T>(), *m_data = m.data<T>(), *v_data = v.data<T>();
      parallel_for(x.count(), kGrain, [&](int64_t first, int64_t last) {
        kernel(last - first, to + first, from + first, m_data + first, v_data + first, step, rate, root);
      });
    });
  });
}

double sum_of_squares(const Tensor& x) {
  const Tensor flat = x.contiguous();
  std::vector<double> parts(size_t((x.count() + kGrain - 1) / kGrain));  // one per piece, added up in order
  with_floating(x.dtype(), "sum_of_squares", [&]<class T>(T) {
    const auto kernel = table_of<T>(*kernels().optimizer).sum_of_squares;
    const T* from = flat.data<T>();
    parallel_for(x.count(), kGrain, [&](int64_t first, int64_t last) {
      parts[size_t(first / kGrain)] = kernel(last - first, from + first);
    });
  });
  double sum = 0;
  for (const double part : parts) sum += part;
  return sum;
}

}  // namespace fovea
