// Causal convolutions of kernel 3, one upon the other: what the experiments on distance compare attention with.
#pragma once
#include <vector>

#include "autograd/elementwise.h"
#include "nn/convolution.h"
#include "nn/norm.h"

namespace fovea::claims {

struct ConvolutionStack : nn::Module {
  std::vector<nn::Conv1d> layers;
  std::vector<nn::LayerNorm> norms;

  // A layer for each dilation.
  ConvolutionStack(int64_t channels, const std::vector<int64_t>& dilations, Rng& rng) {
    for (const int64_t dilation : dilations) {
      layers.emplace_back(
          nn::Conv1dConfig{.in = channels, .out = channels, .kernel = 3, .dilation = dilation, .causal = true}, rng);
      norms.emplace_back(channels);
    }
  }

  Variable operator()(Variable x) const {  // [B, T, C] to the same shape
    for (size_t i = 0; i < layers.size(); ++i) x = x + gelu(layers[i](norms[i](x)));
    return x;
  }

  // How many places its last output can depend on, by arithmetic.
  int64_t receptive_field() const {
    int64_t places = 1;
    for (const nn::Conv1d& layer : layers) places += (layer.weight.size(0) - 1) * layer.options.dilation;
    return places;
  }

  void visit(nn::Visitor& v) override {
    v("layers", layers);
    v("norms", norms);
  }
};

inline std::vector<int64_t> doubling(int64_t layers) {  // 1, 2, 4, …
  std::vector<int64_t> dilations;
  for (int64_t i = 0; i < layers; ++i) dilations.push_back(int64_t(1) << i);
  return dilations;
}

}  // namespace fovea::claims
