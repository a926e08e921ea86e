#include "autograd/convolution.h"

#include "autograd/indexing.h"
#include "autograd/matmul.h"
#include "autograd/operation.h"
#include "autograd/views.h"

namespace fovea {
namespace {

// Patches and their products as in conv2d(): y = w P, so dP = wᵀ dy, whose pixels go back to where they came from, and
// dw = Σ_b dy Pᵀ.
struct Conv2d {
  Conv2dOptions options;
  Tensor x, weight;
  double products = 0;  // multiplications
  Tensor forward(const Tensor& x_, const Tensor& weight_) {
    Tensor y = conv2d(x = x_, weight = weight_, options);
    products = double(y.count()) * double(weight.count()) / double(weight.size(0));
    return y;
  }
  Grads<2> backward(const Tensor& dy, Needs<2> needs) const {
    Grads<2> grads;
    if (needs[0]) grads[0] = conv2d_backward_input(dy, weight, x.shape(), options);
    if (needs[1]) grads[1] = conv2d_backward_weight(dy, x, weight.shape(), options);
    return grads;
  }
  double flops() const { return 2 * products; }
  double backward_flops(Needs<2> needs) const { return 2 * products * double(needs.count()); }
};

void check_conv1d(const Variable& x, const Variable& weight, const Conv1dOptions& o) {
  if (x.rank() != 3 || weight.rank() != 3)
    fail(ErrorKind::shape, "conv1d: takes x [batch, time, channels] and weight [kernel, channels / groups, out], got ",
         x.shape(), " and ", weight.shape());
  if (o.stride < 1 || o.dilation < 1 || o.padding < 0)
    fail(ErrorKind::value, "conv1d: stride and dilation must be at least 1 and padding at least 0, they are ", o.stride,
         ", ", o.dilation, " and ", o.padding);
  if (o.causal && o.padding != 0)
    fail(ErrorKind::value, "conv1d: a causal convolution has the padding that it needs; leave out the padding of ",
         o.padding);
  const int64_t channels = x.size(2), outputs = weight.size(2);
  if (o.groups < 1 || channels % o.groups != 0 || outputs % o.groups != 0)
    fail(ErrorKind::shape, "conv1d: ", o.groups, " groups do not divide the channels: x ", x.shape(), " has ", channels,
         ", weight ", weight.shape(), " gives ", outputs);
  if (weight.size(1) != channels / o.groups)
    fail(ErrorKind::shape, "conv1d: channels differ: x ", x.shape(), " has ", channels, " in ", o.groups, " groups, ",
         channels / o.groups, " in each; weight ", weight.shape(), " takes ", weight.size(1));
}

}  // namespace

Variable conv2d(const Variable& x, const Variable& weight, const Conv2dOptions& options) {
  return record(Conv2d{options, {}, {}}, x, weight);
}

Variable conv1d(const Variable& x, const Variable& weight, const Conv1dOptions& o) {
  check_conv1d(x, weight, o);
  const int64_t kernel = weight.size(0), part = weight.size(1), groups = o.groups, outputs = weight.size(2);
  const int64_t span = (kernel - 1) * o.dilation + 1, before = o.causal ? span - 1 : o.padding;
  const Variable padded = pad(x, 1, before, o.causal ? 0 : o.padding);  // [B, T + …, C]
  if (span > padded.size(1))
    fail(ErrorKind::shape, "conv1d: a kernel of ", kernel, " taps, dilation ", o.dilation, ", spans ", span,
         " positions, but x ", x.shape(), " has ", padded.size(1), " of them, padding included; pad more, or take a ",
         "smaller kernel");

  const Variable windows = unfold(padded, 1, kernel, o.stride, o.dilation);  // [B, T', C, K]
  const int64_t batch = x.size(0), time = windows.size(1);
  const Variable apart = reshape(transpose(windows), {batch, time, kernel, groups, part});  // [B, T', K, G, C/G]
  const Variable rows = reshape(permute(apart, {3, 0, 1, 2, 4}), {groups, batch * time, kernel * part});
  const Variable by_group = reshape(weight, {kernel * part, groups, outputs / groups});
  const Variable y = matmul(rows, permute(by_group, {1, 0, 2}));  // [G, B T', O/G]
  return reshape(permute(y, {1, 0, 2}), {batch, time, outputs});  // [B, T', O]
}

}  // namespace fovea
