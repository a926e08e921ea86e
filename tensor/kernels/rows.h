// The table of kernels that work along rows (rows.cpp): normalisations, and the loss on top of one. A row is n
// elements side by side, rows follow one another without a gap; n >= 1.
#pragma once
#include <cstdint>

namespace fovea {

// What a cross entropy is taken against, apart from the targets.
template <class T> struct CrossEntropySettings {
  const T* class_weights;  // [n]
  double weights_total;    // Σ class_weights
  double smoothing;        // ε, the share of the target that is spread over all classes
  int64_t ignore_index;    // rows with this target count for nothing
};

template <class T> struct RowTable {
  using Map = void (*)(int64_t rows, int64_t n, const T* x, T* y);
  Map softmax;
  Map log_softmax;
  // One row, of which the first `visible` elements and of those the ones with mask[i] (null: all) count.
  void (*masked_softmax)(int64_t n, int64_t visible, double scale, const T* x, const bool* mask, T* y);

  void (*softmax_backward)(int64_t rows, int64_t n, double scale, const T* dy, const T* y, T* dx);
  void (*log_softmax_backward)(int64_t rows, int64_t n, const T* dy, const T* y, T* dx);

  // mean and rstd, one per row, are kept in f64: rounded to f32 a mean of 1e6 would be off by 0.03. rms_norm neither
  // takes bias nor gives mean. dweight and dbias are sums over the rows.
  using Norm = void (*)(int64_t rows, int64_t n, const T* x, const T* weight, const T* bias, double eps, T* y,
                        double* mean, double* rstd);
  using NormBackward = void (*)(int64_t rows, int64_t n, const T* dy, const T* x, const double* mean,
                                const double* rstd, const T* weight, T* dx, T* dweight, T* dbias);
  Norm layer_norm, rms_norm;
  NormBackward layer_norm_backward, rms_norm_backward;

  void (*cross_entropy)(int64_t rows, int64_t n, const T* logits, const int64_t* targets,
                        const CrossEntropySettings<T>& settings, T* losses, double* logsumexps);
  void (*cross_entropy_backward)(int64_t rows, int64_t n, const T* dlosses, const T* logits, const int64_t* targets,
                                 const double* logsumexps, const CrossEntropySettings<T>& settings, T* dlogits);
};

struct RowKernels {
  RowTable<float> f32;
  RowTable<double> f64;
};

}  // namespace fovea
