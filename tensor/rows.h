// Normalisations along an axis (each row to a distribution, or to mean 0 and deviation 1), their derivatives, and
// the cross entropy fused with its softmax. f32 and f64. A row's result depends on that row alone, bit for bit.
//
// The derivatives stand beside their functions, because both are kernels; autograd/rows.cpp only joins them.
#pragma once
#include "tensor/tensor.h"

namespace fovea {

// --- softmax -----------------------------------------------------------------------------------------------------

// exp(x_i) / Σ_j exp(x_j), without overflow for any finite x; -inf becomes exactly 0. A row that holds NaN or +inf, or
// nothing but -inf, is NaN, as in PyTorch.
Tensor softmax(const Tensor& x, int axis = -1);
Tensor log_softmax(const Tensor& x, int axis = -1);  // x_i - log Σ_j exp(x_j)

// The weights of attention: softmax(scale · x) along the last axis over what may be seen.
//   x     [..., queries, keys]
//   mask  bool, true = keep, broadcast to x; undefined: keep all
//   causal: query i sees the keys up to i + (keys - queries), so that the last query sees every key
// What is hidden, or -inf in x, has weight 0; a row with nothing to see is all 0.
Tensor masked_softmax(const Tensor& x, double scale, const Tensor& mask = {}, bool causal = false);

// dx = scale · y ∘ (dy - Σ dy ∘ y): of softmax, and with its scale of masked_softmax.
Tensor softmax_backward(const Tensor& dy, const Tensor& y, int axis = -1, double scale = 1);
Tensor log_softmax_backward(const Tensor& dy, const Tensor& y, int axis = -1);  // dx = dy - exp(y) Σ dy

// --- layer norm and RMS norm -------------------------------------------------------------------------------------

struct NormResult {
  Tensor out;
  Tensor mean;  // [...], one per row, f64 whatever x is; undefined for rms_norm
  Tensor rstd;  // [...], f64: 1 / √(variance + eps)
};
struct NormNeeds {
  bool dx = true, dweight = true, dbias = true;
};
struct NormGradients {
  Tensor dx, dweight, dbias;  // undefined where not needed
};

// (x - mean) / √(variance + eps) · weight + bias over the last axis, the variance with n in its denominator
// (Ba, Kiros & Hinton 2016). x [..., n]; weight and bias [n], or undefined for 1 and 0.
NormResult layer_norm(const Tensor& x, const Tensor& weight = {}, const Tensor& bias = {}, double eps = 1e-5);
NormGradients layer_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& mean, const Tensor& rstd,
                                  const Tensor& weight = {}, NormNeeds needs = {});

// x / √(mean(x²) + eps) · weight over the last axis (Zhang & Sennrich 2019).
NormResult rms_norm(const Tensor& x, const Tensor& weight = {}, double eps = 1e-5);
NormGradients rms_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& rstd, const Tensor& weight = {},
                                NormNeeds needs = {});

// --- cross entropy -----------------------------------------------------------------------------------------------

struct CrossEntropyOptions {
  Tensor class_weights = {};    // [classes], or undefined: all 1
  double label_smoothing = 0;   // ε in [0, 1]
  int64_t ignore_index = -100;  // rows with this target have loss 0 and gradient 0
};
struct CrossEntropyResult {
  Tensor losses;      // [...], one per row
  Tensor logsumexps;  // [...], f64: what backward needs in place of the whole softmax
  double weight = 0;  // Σ class_weights[target] over the rows not ignored: what the mean loss is divided by
};

// loss = (1-ε) w_t nll_t + ε/classes Σ_c w_c nll_c, nll = -log_softmax(logits): PyTorch's cross_entropy per row.
//   logits   [..., classes]
//   targets  [...], i64: in [0, classes) or ignore_index
CrossEntropyResult cross_entropy_rows(const Tensor& logits, const Tensor& targets,
                                      const CrossEntropyOptions& options = {});

// dlogits, from the gradient of each row's loss; the softmax is computed anew, not stored.
Tensor cross_entropy_rows_backward(const Tensor& dlosses, const Tensor& logits, const Tensor& targets,
                                   const Tensor& logsumexps, const CrossEntropyOptions& options = {});

}  // namespace fovea
