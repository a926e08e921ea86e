#include "tensor/optimizer_step.h"

#include <algorithm>
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

// Calls fn(piece, k, first, last) for the elements [first, last) of tensor k; a piece of parallel work may hold several
// tensors, and one tensor lie in several pieces. sizes: the elements of each.
template <class Fn> void over_all(const std::vector<int64_t>& sizes, Fn fn) {
  std::vector<int64_t> begins = {0};
  for (int64_t size : sizes) begins.push_back(begins.back() + size);
  parallel_for(begins.back(), kGrain, [&](int64_t first, int64_t last) {
    size_t k = size_t(std::upper_bound(begins.begin(), begins.end(), first) - begins.begin()) - 1;
    for (const int64_t piece = first / kGrain; first < last; first = begins[++k])
      fn(piece, k, first - begins[k], std::min(last, begins[k + 1]) - begins[k]);
  });
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
  const AdamTensors one = {&x, &m, &v, &grad, step};
  adam_steps({&one, 1});
}

void adam_steps(std::span<const AdamTensors> all) {
  std::vector<Tensor> xs, grads;  // laid out without gaps
  std::vector<int64_t> sizes;
  for (const AdamTensors& t : all) {
    require_like("adam_step", "gradient", *t.x, *t.grad);
    require_like("adam_step", "first moment", *t.x, *t.m);
    require_like("adam_step", "second moment", *t.x, *t.v);
    with_floating(t.x->dtype(), "adam_step", [](auto) {});
    xs.push_back(t.x->contiguous());
    grads.push_back(t.grad->contiguous());
    sizes.push_back(t.x->count());
  }
  over_all(sizes, [&](int64_t, size_t k, int64_t first, int64_t last) {
    const AdamTensors& t = all[k];
    // lr m̂ / (√v̂ + eps) with the corrections taken out of the loop: rate · m / (√v · root + eps).
    const double rate = t.step.lr / (1 - std::pow(t.step.beta1, double(t.step.t)));
    const double root = 1 / std::sqrt(1 - std::pow(t.step.beta2, double(t.step.t)));
    with_floating(t.x->dtype(), "adam_step", [&]<class T>(T) {
      table_of<T>(*kernels().optimizer)
          .adam(last - first, xs[k].data<T>() + first, std::as_const(grads[k]).data<T>() + first,
                t.m->data<T>() + first, t.v->data<T>() + first, t.step, rate, root);
    });
  });
  for (size_t k = 0; k < all.size(); ++k) {
    if (!all[k].x->is_contiguous()) all[k].x->copy_(xs[k]);
  }
}

double sum_of_squares(std::span<const Tensor> all) {
  std::vector<Tensor> flat;
  std::vector<int64_t> sizes;
  for (const Tensor& x : all) {
    with_floating(x.dtype(), "sum_of_squares", [](auto) {});
    flat.push_back(x.contiguous());
    sizes.push_back(x.count());
  }
  int64_t count = 0;
  for (int64_t size : sizes) count += size;
  std::vector<double> parts(size_t((count + kGrain - 1) / kGrain));  // one per piece, added up in order
  over_all(sizes, [&](int64_t piece, size_t k, int64_t first, int64_t last) {
    with_floating(flat[k].dtype(), "sum_of_squares", [&]<class T>(T) {
      const T* from = std::as_const(flat[k]).data<T>();
      parts[size_t(piece)] += table_of<T>(*kernels().optimizer).sum_of_squares(last - first, from + first);
    });
  });
  double sum = 0;
  for (const double part : parts) sum += part;
  return sum;
}

}  // namespace fovea
