// ViT: an image cut into patches, and each patch a token of a Transformer's encoder (Dosovitskiy et al. 2021, "An image
// is worth 16x16 words").
#pragma once
#include "nn/encoder.h"
#include "tensor/convolution.h"

namespace fovea::nn {

// The patches of images [B, C, H, W], row by row: [B, (H/size) · (W/size), C · size · size]. A linear layer behind it
// is a convolution of that kernel and stride.
Variable patchify(const Variable& images, int64_t size);

enum class Pooling {
  cls,   // a learned token in front of the patches, [CLS], whose last state stands for the image
  mean,  // of the last states of all patches
};

struct ViTConfig {
  Size2d image = 28;  // height and width
  int64_t channels = 3;
  int64_t patch = 7;  // side of a patch; must divide height and width
  int64_t classes = 10;
  int64_t layers = 4;
  int64_t heads = 4;
  int64_t dim = 64;
  int64_t hidden = 0;  // width inside the feed-forward networks; 0: 4 · dim
  Pooling pooling = Pooling::cls;
  double dropout = 0;
  Positions positions = Positions::learned;  // of the tokens in their order, [CLS] at place 0
};

struct ViT : Module {
  Linear patch_embedding;              // [C · patch · patch] -> [dim]
  std::optional<Parameter> cls_token;  // [1, 1, dim]; with Pooling::cls
  PositionEmbedding position_embedding;
  Dropout dropout;
  Encoder encoder;  // pre-norm, gelu
  Linear head;
  Size2d image;
  int64_t channels, patch;

  ViT(const ViTConfig& config, Rng& rng);

  Variable operator()(const Variable& images) const;  // [B, C, H, W] -> logits [B, classes]
  // The last states of all tokens: [B, N, dim], with [CLS] as number 0 where there is one. The weights of the attention
  // inside come from an AttentionRecord, [B, heads, N, N]; row 0 of them says where [CLS] looks.
  Variable tokens(const Variable& images) const;

  void visit(Visitor& v) override;
};

}  // namespace fovea::nn
