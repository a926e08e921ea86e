#include "nn/vit.h"

#include "autograd/indexing.h"
#include "autograd/reduce.h"

namespace fovea::nn {
namespace {

const ViTConfig& checked(const ViTConfig& c) {
  if (c.channels < 1 || c.classes < 1 || c.layers < 1)
    fail(ErrorKind::value, "ViT: channels, classes and layers must be at least 1, got ", c.channels, ", ", c.classes,
         " and ", c.layers);
  if (c.patch < 1 || c.image.height % c.patch != 0 || c.image.width % c.patch != 0)
    fail(ErrorKind::value, "ViT: patches of ", c.patch, " × ", c.patch, " do not divide images of ", c.image.height,
         " × ", c.image.width);
  if (c.dim < 1 || c.heads < 1 || c.dim % c.heads != 0)
    fail(ErrorKind::value, "ViT: dim ", c.dim, " is not a multiple of heads ", c.heads);
  return c;
}

int64_t token_count(const ViTConfig& c) {
  return c.image.height / c.patch * (c.image.width / c.patch) + (c.pooling == Pooling::cls ? 1 : 0);
}

}  // namespace

Variable patchify(const Variable& images, int64_t size) {
  if (images.rank() != 4)
    fail(ErrorKind::shape, "patchify: takes [batch, channels, height, width], got ", images.shape());
  const int64_t batch = images.size(0), channels = images.size(1), height = images.size(2), width = images.size(3);
  if (size < 1 || height % size != 0 || width % size != 0)
    fail(ErrorKind::shape, "patchify: patches of ", size, " × ", size, " do not divide images ", images.shape());
  const int64_t rows = height / size, columns = width / size;
  const Variable cut = reshape(images, {batch, channels, rows, size, columns, size});
  const Variable ordered = permute(cut, {0, 2, 4, 1, 3, 5});  // [B, rows, columns, C, size, size]
  return reshape(ordered, {batch, rows * columns, channels * size * size});
}

ViT::ViT(const ViTConfig& c, Rng& rng)
    : patch_embedding(checked(c).channels * c.patch * c.patch, c.dim, rng),
      position_embedding({.positions = c.positions,
                          .dim = c.dim,
                          .context = token_count(c),
                          .size = c.positions == Positions::learned ? 0.02 : 1.0},
                         rng),
      dropout(c.dropout, rng),
      encoder({.dim = c.dim,
               .heads = c.heads,
               .hidden = c.hidden,
               .activation = Activation::gelu,
               .norm_first = true,
               .dropout = c.dropout,
               .positions = is_relative(c.positions) ? c.positions : Positions::none},
              c.layers, rng),
      head(c.dim, c.classes, rng),
      image(c.image),
      channels(c.channels),
      patch(c.patch) {
  if (c.pooling == Pooling::cls) cls_token.emplace(normal({1, 1, c.dim}, 0, 0.02, rng));
}

Variable ViT::tokens(const Variable& images) const {
  Scope scope(*this);
  if (images.rank() != 4 || images.size(1) != channels || images.size(2) != image.height ||
      images.size(3) != image.width)
    fail(ErrorKind::shape, "ViT: takes [batch, ", channels, ", ", image.height, ", ", image.width, "], got ",
         images.shape());
  Variable x = patch_embedding(patchify(images, patch));  // [B, patches, C]
  if (cls_token) x = cat({expand(*cls_token, {x.size(0), 1, x.size(2)}), x}, 1);
  return encoder(dropout(position_embedding(x)));  // [B, N, C]
}

Variable ViT::operator()(const Variable& images) const {
  Scope scope(*this);
  const Variable x = tokens(images);
  return head(cls_token ? select(x, 1, 0) : mean(x, {1}));  // [B, classes]
}

void ViT::visit(Visitor& v) {
  v("patch_embedding", patch_embedding);
  v("cls_token", cls_token);
  v("position_embedding", position_embedding);
  v("dropout", dropout);
  v("encoder", encoder);
  v("head", head);
}

}  // namespace fovea::nn
