#include "nn/convolution.h"

#include "autograd/elementwise.h"
#include "autograd/views.h"
#include "nn/init.h"

namespace fovea::nn {
namespace {

template <class Config> const Config& checked_conv(const char* name, const Config& c) {
  if (c.in < 1 || c.out < 1) fail(ErrorKind::value, name, ": needs channels in and out, got ", c.in, " and ", c.out);
  if (c.groups < 1 || c.in % c.groups != 0 || c.out % c.groups != 0)
    fail(ErrorKind::value, name, ": ", c.groups, " groups do not divide ", c.in, " channels in and ", c.out, " out");
  return c;
}

}  // namespace

Conv2d::Conv2d(const Conv2dConfig& c, Rng& rng)
    : options{.stride = c.stride, .padding = c.padding, .dilation = c.dilation, .groups = c.groups} {
  const int64_t part = checked_conv("Conv2d", c).in / c.groups, height = c.kernel.height, width = c.kernel.width;
  weight = Parameter(reshape(kaiming_uniform({part * height * width, c.out}, rng), {c.out, part, height, width}));
  if (c.bias) bias = Parameter(zeros({c.out}));
}

Variable Conv2d::operator()(const Variable& x) const {
  Scope scope(*this);
  const Variable y = conv2d(x, weight, options);  // [B, out, H', W']
  return bias.defined() ? y + reshape(bias, {bias.size(0), 1, 1}) : y;
}

void Conv2d::visit(Visitor& v) {
  v("weight", weight);
  if (bias.defined()) v("bias", bias);
}

Conv1d::Conv1d(const Conv1dConfig& c, Rng& rng)
    : options{
          .stride = c.stride, .padding = c.padding, .dilation = c.dilation, .groups = c.groups, .causal = c.causal} {
  const int64_t part = checked_conv("Conv1d", c).in / c.groups;
  weight = Parameter(reshape(kaiming_uniform({c.kernel * part, c.out}, rng), {c.kernel, part, c.out}));
  if (c.bias) bias = Parameter(zeros({c.out}));
}

Variable Conv1d::operator()(const Variable& x) const {
  Scope scope(*this);
  const Variable y = conv1d(x, weight, options);  // [B, T', out]
  return bias.defined() ? y + bias : y;
}

void Conv1d::visit(Visitor& v) {
  v("weight", weight);
  if (bias.defined()) v("bias", bias);
}

}  // namespace fovea::nn
