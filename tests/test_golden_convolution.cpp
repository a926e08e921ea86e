// Convolutions, pooling and batch norm against PyTorch's numbers: values, every gradient, running estimates.
#include <functional>

#include "autograd/tape.h"
#include "nn/batch_norm.h"
#include "nn/convolution.h"
#include "nn/pooling.h"
#include "tests/golden_file.h"

using namespace fovea;

namespace {

// y and the gradients of x and of the layer's parameters.
template <class Layer> void check_layer(GoldenFile& golden, const std::string& name, Layer layer) {
  CAPTURE(name);
  golden.load_into(layer, name + ".");
  Parameter x(golden[name + ".x"]);
  Tape tape;
  const Variable y = layer(x);
  golden.check(name + ".y", y.value());
  tape.backward(y, golden[name + ".g"]);
  golden.check(name + ".x.grad", x.grad());
  golden.check_parameters(layer, name + ".", ".grad");
  if constexpr (std::derived_from<Layer, nn::BatchNorm>) {
    golden.check(name + ".running_mean.final", layer.running_mean);
    golden.check(name + ".running_var.final", layer.running_var);
  }
}

// A function as a layer without parameters.
struct Function : nn::Module {
  std::function<Variable(const Variable&)> fn;
  explicit Function(std::function<Variable(const Variable&)> f) : fn(std::move(f)) {}
  Variable operator()(const Variable& x) const { return fn(x); }
  void visit(nn::Visitor&) override {}
};

const std::vector<std::pair<std::string, nn::Conv1dConfig>> kConv1d = {
    {"plain", {.in = 3, .out = 4}},
    {"kernel1", {.in = 3, .out = 5, .kernel = 1}},
    {"stride", {.in = 2, .out = 3, .stride = 2}},
    {"padding", {.in = 2, .out = 3, .kernel = 4, .padding = 2}},
    {"dilation", {.in = 2, .out = 3, .dilation = 3}},
    {"groups", {.in = 4, .out = 6, .groups = 2}},
    {"depthwise", {.in = 4, .out = 4, .padding = 1, .groups = 4}},
    {"all", {.in = 4, .out = 6, .stride = 2, .padding = 3, .dilation = 2, .groups = 2}},
    {"causal", {.in = 3, .out = 4, .kernel = 2, .dilation = 3, .causal = true}},
};

const std::vector<std::pair<std::string, nn::Conv2dConfig>> kConv2d = {
    {"plain", {.in = 3, .out = 4}},
    {"kernel1", {.in = 3, .out = 5, .kernel = 1}},
    {"oblong", {.in = 2, .out = 3, .kernel = {2, 3}}},
    {"stride", {.in = 2, .out = 3, .stride = {2, 3}}},
    {"padding", {.in = 2, .out = 3, .kernel = {3, 2}, .padding = {2, 1}}},
    {"dilation", {.in = 2, .out = 3, .kernel = {3, 2}, .dilation = {2, 3}}},
    {"groups", {.in = 4, .out = 6, .groups = 2}},
    {"depthwise", {.in = 4, .out = 4, .padding = 1, .groups = 4}},
    {"patches", {.in = 3, .out = 4, .kernel = 4, .stride = 4}},
    {"far_padding", {.in = 2, .out = 3, .kernel = 2, .stride = 3, .padding = 4}},
    {"all",
     {.in = 4, .out = 6, .kernel = {3, 2}, .stride = {2, 1}, .padding = {3, 2}, .dilation = {2, 3}, .groups = 2}},
};

const std::tuple<std::string, Size2d, nn::PoolOptions> kPool2d[] = {
    {"plain", 2, {}},
    {"overlapping", 3, {.stride = 2}},
    {"padding", 3, {.stride = 2, .padding = 1}},
    {"oblong", {2, 3}, {.stride = Size2d(1, 2), .padding = {1, 0}}},
    {"ties", 3, {.stride = 2, .padding = 1}},
};

void check_batch_norms(GoldenFile& golden) {
  for (const bool training : {true, false}) {
    const auto check = [&](const char* name, auto layer) {
      layer.train(training);
      check_layer(golden, std::string("batch_norm_") + name + (training ? "_train" : "_eval"), layer);
    };
    check("1d", nn::BatchNorm1d(4));
    check("1d_sequence", nn::BatchNorm1d(4));
    check("2d", nn::BatchNorm2d(4));
    check("2d_options", nn::BatchNorm2d(4, {.eps = 1e-3, .momentum = 0.3}));
  }
}

}  // namespace

TEST_CASE("convolutions, pooling and batch norm equal PyTorch's numbers") {
  for (const DType dtype : {DType::f64, DType::f32}) {
    GoldenFile golden("convolution", dtype);
    Rng rng(1);
    for (const auto& [name, config] : kConv1d) check_layer(golden, "conv1d_" + name, nn::Conv1d(config, rng));
    for (const auto& [name, config] : kConv2d) check_layer(golden, "conv2d_" + name, nn::Conv2d(config, rng));
    for (const auto& pool : kPool2d) {
      const auto& name = std::get<0>(pool);
      const Size2d window = std::get<1>(pool);
      const nn::PoolOptions options = std::get<2>(pool);
      check_layer(golden, "max_pool2d_" + name,
                  Function([&](const Variable& x) { return nn::max_pool2d(x, window, options); }));
      if (name == "ties") continue;  // a mean has none
      check_layer(golden, "avg_pool2d_" + name,
                  Function([&](const Variable& x) { return nn::avg_pool2d(x, window, options); }));
    }
    check_batch_norms(golden);
    CHECK(golden.unused() == "");
  }
}
