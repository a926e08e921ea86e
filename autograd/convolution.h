// Convolutions of variables: of images (the twin of tensor/convolution.h) and of sequences.
#pragma once
#include "autograd/variable.h"
#include "tensor/convolution.h"

namespace fovea {

// x [B, C, H, W], weight [O, C / groups, kh, kw] -> [B, O, H', W']; tensor/convolution.h has the formula.
Variable conv2d(const Variable& x, const Variable& weight, const Conv2dOptions& options = {});

struct Conv1dOptions {
  int64_t stride = 1;    // from one window to the next
  int64_t padding = 0;   // zeros before and behind the sequence
  int64_t dilation = 1;  // from one tap of the kernel to the next
  int64_t groups = 1;    // C and O are cut into so many parts, and part g of O sees part g of C only
  // The zeros stand before the sequence only, (K − 1) · dilation of them in place of `padding`: output t sees inputs up
  // to t · stride and no later one (van den Oord et al. 2016, "WaveNet").
  bool causal = false;
};

// y[b, t, o] = Σ_{k, c} x[b, t s − p + k d, c] weight[k, c, o], zeros outside of x. Sequences are [batch, time,
// channel], as for every layer of sequences: x [B, T, C], weight [K, C / groups, O] -> [B, T', O] with
// T' = (T + 2 p − (K − 1) d − 1) / s + 1. With K = 1 it is a linear layer.
Variable conv1d(const Variable& x, const Variable& weight, const Conv1dOptions& options = {});

}  // namespace fovea
