// Attention between the pixels of an image, each of them a token that says what it shows and where it stands. A small
// model to look at: with weights that have learned it, a pixel's query finds the pixels of its own contour.
#pragma once
#include "nn/attention.h"

namespace fovea::nn {

// Images [B, 3, H, W] -> tokens [B, H · W, 6], row by row: red, green, blue, x and y from −1 (left, top) to 1, and
// brightness, 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601).
Variable pixel_tokens(const Variable& images);

struct PixelAttentionConfig {
  int64_t dim = 32;
  int64_t heads = 1;
  bool bias = true;
};

struct PixelAttention : Module {
  Linear embedding;  // [6] -> [dim]
  MultiHeadAttention attention;

  PixelAttention(const PixelAttentionConfig& config, Rng& rng);
  // [B, 3, H, W] -> the output [B, H · W, dim] and the weights [B, heads, H · W, H · W].
  Attention operator()(const Variable& images) const;
  void visit(Visitor& v) override;
};

}  // namespace fovea::nn
