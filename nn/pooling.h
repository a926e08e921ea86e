// Pooling: a window slides over images [B, C, H, W], and of each the largest number, or the mean, is kept. Nothing to
// learn. For the mean of a whole channel: mean(x, {2, 3}).
#pragma once
#include <optional>

#include "autograd/convolution.h"

namespace fovea::nn {

struct PoolOptions {
  std::optional<Size2d> stride = std::nullopt;  // the window's size where none is given, so that windows do not overlap
  Size2d padding = 0;                           // on each side, at most half the window
};

// [B, C, H, W] -> [B, C, H', W'] with H' = (H + 2 p − window) / stride + 1, and W' alike. The gradient goes to the
// largest element of each window, the first of several; the padding is never taken.
Variable max_pool2d(const Variable& x, Size2d window, const PoolOptions& options = {});

// The same sizes. The padding's zeros count in the mean, as in PyTorch.
Variable avg_pool2d(const Variable& x, Size2d window, const PoolOptions& options = {});

}  // namespace fovea::nn
