// Convolutions as layers: one small weight slides over all places, so each output sees a neighbourhood only, and the
// same pattern is found wherever it stands. How far a stack of them sees is a matter of depth and dilation.
#pragma once
#include "autograd/convolution.h"
#include "nn/module.h"

namespace fovea::nn {

struct Conv2dConfig {
  int64_t in = 0;
  int64_t out = 0;
  Size2d kernel = 3;
  Size2d stride = 1;
  Size2d padding = 0;  // zeros on each side; kernel / 2 keeps the size where kernel is odd and stride 1
  Size2d dilation = 1;
  int64_t groups = 1;  // = in = out: each channel by itself ("depthwise")
  bool bias = true;
};

// Images [B, in, H, W] -> [B, out, H', W'], sizes and formula as in tensor/convolution.h.
struct Conv2d : Module {
  Parameter weight;  // [out, in / groups, kh, kw], Kaiming uniform at first (for a relu behind it)
  Parameter bias;    // [out], zero at first; undefined without bias
  Conv2dOptions options;

  Conv2d(const Conv2dConfig& config, Rng& rng);
  Variable operator()(const Variable& x) const;
  void visit(Visitor& v) override;
};

struct Conv1dConfig {
  int64_t in = 0;
  int64_t out = 0;
  int64_t kernel = 3;
  int64_t stride = 1;
  int64_t padding = 0;  // zeros on each side
  int64_t dilation = 1;
  int64_t groups = 1;
  bool causal = false;  // sees the past only, and keeps the length where stride is 1
  bool bias = true;
};

// Sequences [B, T, in] -> [B, T', out], sizes and formula as in autograd/convolution.h. Causal ones with dilations 1,
// 2, 4, … are WaveNet's: L of them see kernel^L positions back (kernel 2).
struct Conv1d : Module {
  Parameter weight;  // [kernel, in / groups, out], Kaiming uniform at first
  Parameter bias;    // [out], zero at first; undefined without bias
  Conv1dOptions options;

  Conv1d(const Conv1dConfig& config, Rng& rng);
  Variable operator()(const Variable& x) const;
  void visit(Visitor& v) override;
};

}  // namespace fovea::nn
