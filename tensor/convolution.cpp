// The patches of a few images at a time are copied out into a matrix that stays in the cache, and multiplied there; for
// the whole batch they would be kh · kw times the input, and wait for memory. Threads share the images.
#include "tensor/convolution.h"

#include <algorithm>

#include "tensor/elementwise.h"
#include "tensor/matmul.h"
#include "tensor/parallel.h"
#include "tensor/reduce.h"
#include "tensor/views.h"

namespace fovea {
namespace {

// One axis of the image. Output o and tap k meet at o · stride − padding + k · dilation.
struct ConvAxis {
  int64_t input, kernel, stride, padding, dilation, output;
};

ConvAxis checked_axis(const char* axis, int64_t input, int64_t kernel, int64_t stride, int64_t padding,
                      int64_t dilation) {
  if (stride < 1 || dilation < 1 || padding < 0)
    fail(ErrorKind::value, "conv2d: stride and dilation must be at least 1 and padding at least 0, along the ", axis,
         " they are ", stride, ", ", dilation, " and ", padding);
  const int64_t padded = input + 2 * padding, span = (kernel - 1) * dilation + 1;
  if (kernel < 1 || span > padded)
    fail(ErrorKind::shape, "conv2d: a kernel of ", kernel, " taps, dilation ", dilation, ", spans ", span,
         " pixels, but the ", axis, " is ", input, " + 2 · ", padding, " = ", padded,
         "; pad more, or take a smaller kernel");
  return {input, kernel, stride, padding, dilation, (padded - span) / stride + 1};
}

struct ConvPlan {
  int64_t batch, channels, outputs, groups;
  ConvAxis down, across;  // H and W

  ConvPlan(const Shape& x, const Shape& weight, const Conv2dOptions& o)
      : batch(ranks_checked(x, weight)[0]),
        channels(x[1]),
        outputs(weight[0]),
        groups(o.groups),
        down(checked_axis("height", x[2], weight[2], o.stride.height, o.padding.height, o.dilation.height)),
        across(checked_axis("width", x[3], weight[3], o.stride.width, o.padding.width, o.dilation.width)) {
    if (groups < 1 || channels % groups != 0 || outputs % groups != 0)
      fail(ErrorKind::shape, "conv2d: ", groups, " groups do not divide the channels: x ", x, " has ", channels,
           ", weight ", weight, " gives ", outputs);
    if (weight[1] != channels / groups)
      fail(ErrorKind::shape, "conv2d: channels differ: x ", x, " has ", channels, " in ", groups, " groups, ",
           channels / groups, " in each; weight ", weight, " takes ", weight[1]);
  }

  Shape result() const { return {batch, outputs, down.output, across.output}; }
  Shape patches(int64_t images) const {
    return {images, channels, down.kernel, across.kernel, down.output, across.output};
  }
  int64_t pixels() const { return down.output * across.output; }
  int64_t taps() const { return channels / groups * down.kernel * across.kernel; }  // that a pixel of the result sees

  // The same memory as matrices, for one product per image and group.
  Tensor patch_matrices(const Tensor& t) const { return reshape(t, {t.size(0), groups, taps(), pixels()}); }
  Tensor weight_matrices(const Tensor& t) const { return reshape(t, {groups, outputs / groups, taps()}); }
  Tensor result_matrices(const Tensor& t) const { return reshape(t, {t.size(0), groups, outputs / groups, pixels()}); }

  // Images in a piece of parallel work (at most 16 pieces), and of those that are in patches at a time. Sizes alone
  // decide, so that any number of threads gives the same bits.
  int64_t piece() const {
    const int64_t enough = (int64_t(1) << 18) / std::max<int64_t>(outputs * taps() * pixels(), 1) + 1;
    return std::max(enough, (batch + 15) / 16);
  }
  int64_t block() const { return (int64_t(1) << 15) / std::max<int64_t>(groups * taps() * pixels(), 1) + 1; }

 private:
  static const Shape& ranks_checked(const Shape& x, const Shape& weight) {
    if (x.rank() != 4 || weight.rank() != 4)
      fail(ErrorKind::shape, "conv2d: takes x [batch, channels, height, width] and weight [out, channels / groups, ",
           "height, width], got ", x, " and ", weight);
    return x;
  }
};

// The outputs whose tap k lies inside the image, and where it lies for the first of them.
struct TapReach {
  int64_t first, count, in_image;
  TapReach(const ConvAxis& line, int64_t k) {
    const int64_t start = k * line.dilation - line.padding;  // the pixel that output 0 sees
    first = start < 0 ? (-start + line.stride - 1) / line.stride : 0;
    const int64_t behind = line.input - 1 - start < 0 ? 0 : (line.input - 1 - start) / line.stride + 1;
    count = std::max<int64_t>(std::min(behind, line.output) - first, 0);
    in_image = start + first * line.stride;
  }
};

// Calls fn(part of the patches, part of the images) for each tap of the kernel: two views of one shape that hold the
// same pixels, [images, C, rows, columns]. What of the patches lies outside the images is in none of them.
template <class Fn> void for_each_tap(const ConvPlan& plan, const Tensor& patches, const Tensor& images, Fn fn) {
  const auto seen_of_image = [](const Tensor& t, int axis, const ConvAxis& line, const TapReach& seen) {
    return slice(t, axis, seen.in_image, seen.in_image + (seen.count - 1) * line.stride + 1, line.stride);
  };
  for (int64_t k = 0; k < plan.down.kernel; ++k) {
    const TapReach rows(plan.down, k);
    if (rows.count == 0) continue;
    const Tensor row_patches = narrow(select(patches, 2, k), 3, rows.first, rows.count);  // [images, C, kw, rows, W']
    const Tensor row_images = seen_of_image(images, 2, plan.down, rows);                  // [images, C, rows, W]
    for (int64_t l = 0; l < plan.across.kernel; ++l) {
      const TapReach columns(plan.across, l);
      if (columns.count == 0) continue;
      fn(narrow(select(row_patches, 2, l), 3, columns.first, columns.count),
         seen_of_image(row_images, 3, plan.across, columns));
    }
  }
}

// Calls fn(first image, patches of some images), with room for the patches that is zero at first and then as fn left
// it: reading patches never touches what lies outside the images, so the zeros there are written once.
template <class Fn> void for_each_block(const ConvPlan& plan, DType dtype, Fn fn) {
  const int64_t block = plan.block();
  parallel_for(plan.batch, plan.piece(), [&](int64_t begin, int64_t end) {
    const Tensor patches = zeros(plan.patches(std::min(block, end - begin)), dtype);
    for (int64_t first = begin; first < end; first += block)
      fn(first, narrow(patches, 0, 0, std::min(block, end - first)));
  });
}

void read_patches(const ConvPlan& plan, const Tensor& images, const Tensor& patches) {
  for_each_tap(plan, patches, images, [](Tensor patch, const Tensor& image) { patch.copy_(image); });
}

void check_conv_dtypes(const Tensor& a, const char* role_a, const Tensor& b, const char* role_b) {
  if (a.dtype() != b.dtype() || !is_floating(a.dtype()))
    fail(ErrorKind::dtype, "conv2d: takes f32 or f64, both of one kind; ", role_a, " is ", a.dtype(), ", ", role_b,
         " is ", b.dtype());
}

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& weight, const Conv2dOptions& options) {
  check_conv_dtypes(x, "x", weight, "weight");
  const ConvPlan plan(x.shape(), weight.shape(), options);
  const Tensor matrices = plan.weight_matrices(weight);
  const Tensor y = empty(plan.result(), x.dtype());
  for_each_block(plan, x.dtype(), [&](int64_t first, const Tensor& patches) {
    const int64_t images = patches.size(0);
    read_patches(plan, narrow(x, 0, first, images), patches);
    Tensor part = plan.result_matrices(narrow(y, 0, first, images));
    matmul_into(matrices, plan.patch_matrices(patches), part);
  });
  return y;
}

Tensor conv2d_backward_input(const Tensor& dy, const Tensor& weight, const Shape& x_shape,
                             const Conv2dOptions& options) {
  check_conv_dtypes(dy, "dy", weight, "weight");
  const ConvPlan plan(x_shape, weight.shape(), options);
  const Tensor matrices = transpose(plan.weight_matrices(weight)), dense = dy.contiguous();
  const Tensor dx = zeros(x_shape, dy.dtype());
  for_each_block(plan, dy.dtype(), [&](int64_t first, const Tensor& patches) {
    const int64_t images = patches.size(0);
    Tensor dpatches = plan.patch_matrices(patches);
    matmul_into(matrices, plan.result_matrices(narrow(dense, 0, first, images)), dpatches);
    for_each_tap(plan, patches, narrow(dx, 0, first, images),
                 [](const Tensor& patch, Tensor image) { image += patch; });
  });
  return dx;
}

Tensor conv2d_backward_weight(const Tensor& dy, const Tensor& x, const Shape& weight_shape,
                              const Conv2dOptions& options) {
  check_conv_dtypes(dy, "dy", x, "x");
  const ConvPlan plan(x.shape(), weight_shape, options);
  const Tensor dense = dy.contiguous();
  const int64_t piece = plan.piece(), pieces = (plan.batch + piece - 1) / piece;
  const Tensor sums =
      zeros({pieces, plan.groups, plan.outputs / plan.groups, plan.taps()}, x.dtype());  // one per piece
  for_each_block(plan, x.dtype(), [&](int64_t first, const Tensor& patches) {
    read_patches(plan, narrow(x, 0, first, patches.size(0)), patches);
    const Tensor matrices = transpose(plan.patch_matrices(patches));  // [images, groups, H' W', taps]
    const Tensor dresult = plan.result_matrices(narrow(dense, 0, first, patches.size(0)));
    Tensor dweight = select(sums, 0, first / piece);
    for (int64_t i = 0; i < patches.size(0); ++i)
      matmul_into(select(dresult, 0, i), select(matrices, 0, i), dweight, true);
  });
  return reshape(sum(sums, {0}), weight_shape);
}

}  // namespace fovea
