// Rows of the table: convolutions.
#include "autograd/convolution.h"
#include "autograd/elementwise.h"
#include "op_cases.h"

namespace fovea::tests {

std::vector<OpCase> convolution_cases() {
  std::vector<OpCase> rows;
  const auto add = [&](const char* name, const Shape& x, const Shape& weight, const Conv2dOptions& options) {
    rows.push_back(
        {name, Sizes::fixed, {normal(x), normal(weight)}, [options](In in) { return conv2d(in[0], in[1], options); }});
  };
  add("conv2d", {2, 3, 4, 5}, {4, 3, 3, 2}, {});
  add("conv2d 1x1", {2, 3, 4, 3}, {2, 3, 1, 1}, {});
  add("conv2d padded", {2, 2, 4, 3}, {3, 2, 3, 3}, {.padding = {1, 2}});
  add("conv2d with stride and dilation", {1, 2, 7, 8}, {3, 2, 2, 3}, {.stride = {2, 3}, .dilation = {3, 2}});
  add("conv2d in groups", {2, 4, 4, 3}, {6, 2, 2, 2}, {.padding = 1, .groups = 2});
  add("conv2d depthwise", {2, 3, 4, 4}, {3, 1, 3, 3}, {.stride = 2, .padding = 1, .groups = 3});
  add("conv2d of no images", {0, 2, 4, 4}, {3, 2, 3, 3}, {});
  rows.push_back({"conv2d of several pieces", Sizes::fixed, {normal({9, 16, 4, 4}), normal({48, 16, 3, 3})}, [](In in) {
                    return conv2d(in[0], in[1], {.padding = 1}) * 0.1;  // sums of many: larger ones round coarser
                  }});

  rows.push_back({"conv1d", Sizes::fixed, {normal({2, 8, 4}), normal({3, 2, 6})}, [](In in) {
                    return conv1d(in[0], in[1], {.stride = 2, .padding = 1, .dilation = 2, .groups = 2});
                  }});
  rows.push_back({"conv1d causal", Sizes::fixed, {normal({2, 5, 3}), normal({2, 3, 2})}, [](In in) {
                    return conv1d(in[0], in[1], {.dilation = 2, .causal = true});
                  }});
  return rows;
}

}  // namespace fovea::tests
