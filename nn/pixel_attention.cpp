#include "nn/pixel_attention.h"

#include "autograd/indexing.h"

namespace fovea::nn {

Variable pixel_tokens(const Variable& images) {
  if (images.rank() != 4 || images.size(1) != 3)
    fail(ErrorKind::shape, "pixel_tokens: takes [batch, 3, height, width], red, green and blue, got ", images.shape());
  const int64_t batch = images.size(0), height = images.size(2), width = images.size(3), pixels = height * width;
  const DType dtype = images.dtype();
  const Variable rgb = transpose(flatten(images, 2, 3));                    // [B, H W, 3]
  const Tensor x = expand(linspace(-1, 1, width, dtype), {height, width});  // [H, W]
  const Tensor y = expand(unsqueeze(linspace(-1, 1, height, dtype), 1), {height, width});
  const Tensor place = expand(reshape(stack({x, y}, 2), {pixels, 2}), {batch, pixels, 2});
  const Variable brightness = matmul(rgb, Variable(reshape(tensor({0.299, 0.587, 0.114}, dtype), {3, 1})));
  return cat({rgb, Variable(place), brightness}, 2);  // [B, H W, 6]
}

PixelAttention::PixelAttention(const PixelAttentionConfig& c, Rng& rng)
    : embedding({.in = 6, .out = c.dim, .bias = c.bias}, rng),
      attention({.dim = c.dim, .heads = c.heads, .bias = c.bias}, rng) {}

Attention PixelAttention::operator()(const Variable& images) const {
  Scope scope(*this);
  const Variable x = embedding(pixel_tokens(images));  // [B, H W, C]
  return attention.attend_with_weights(x, attention.keys_and_values(x, x));
}

void PixelAttention::visit(Visitor& v) {
  v("embedding", embedding);
  v("attention", attention);
}

}  // namespace fovea::nn
