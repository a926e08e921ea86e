#include "nn/batch_norm.h"

#include "autograd/elementwise.h"
#include "autograd/reduce.h"
#include "autograd/views.h"
#include "tensor/elementwise.h"

namespace fovea::nn {

BatchNorm::BatchNorm(int64_t channels, int axis, int rank_, const BatchNormConfig& c)
    : weight(ones({channels})),
      bias(zeros({channels})),
      running_mean(zeros({channels})),
      running_var(ones({channels})),
      eps(c.eps),
      momentum(c.momentum),
      channel_axis(axis),
      rank(rank_) {}

Variable BatchNorm::operator()(const Variable& x) const {
  Scope scope(*this);
  const int64_t channels = weight.size(0);
  if (x.rank() < 2 || (rank > 0 && x.rank() != rank) || x.size(channel_axis) != channels)
    fail(ErrorKind::shape, "BatchNorm: takes ", rank == 4 ? "[batch, " : "[batch, …, ", channels,
         rank == 4 ? ", height, width]" : "]", ", the ", channels, " being its channels, got ", x.shape());
  const int place = channel_axis < 0 ? x.rank() + channel_axis : channel_axis;
  Axes others;
  for (int i = 0; i < x.rank(); ++i) {
    if (i != place) others.push_back(i);
  }
  Shape lined_up(x.rank(), 1);  // a channel's number beside x
  lined_up[place] = channels;
  const auto beside = [&](const auto& t) { return reshape(t, lined_up); };

  if (!training) {
    const Variable centred = x - beside(running_mean);
    return centred * beside(rsqrt(Variable(running_var) + eps) * weight) + beside(bias);
  }
  const double n = double(x.count()) / double(channels);
  if (n < 2)
    fail(ErrorKind::value, "BatchNorm: x ", x.shape(), " has one number per channel, which has no variance; train on ",
         "larger batches, or eval() first");
  const Variable batch_mean = mean(x, others, true);
  const Variable centred = x - batch_mean;
  const Variable batch_var = mean(square(centred), others, true);
  const auto moved = [&](const Tensor& running, const Tensor& now) {  // a new tensor: copies of this share the old one
    return running * (1 - momentum) + reshape(now, {channels}) * momentum;
  };
  running_mean = moved(running_mean, batch_mean.value());
  running_var = moved(running_var, batch_var.value() * (n / (n - 1)));
  return centred * (rsqrt(batch_var + eps) * beside(weight)) + beside(bias);
}

void BatchNorm::visit(Visitor& v) {
  v("weight", weight);
  v("bias", bias);
  v("running_mean", running_mean);
  v("running_var", running_var);
  v("training", training);
}

}  // namespace fovea::nn
