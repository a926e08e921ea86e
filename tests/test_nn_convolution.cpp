// Convolutions, pooling and batch norm: naive twins, what they are equal to, what they cannot see, refusals.
#include <doctest/doctest.h>

#include <cmath>

#include "autograd/gradcheck.h"
#include "autograd/indexing.h"
#include "autograd/matmul.h"
#include "autograd/reduce.h"
#include "autograd/tape.h"
#include "autograd/views.h"
#include "nn/batch_norm.h"
#include "nn/convolution.h"
#include "nn/feed_forward.h"
#include "nn/pooling.h"
#include "nn/sequential.h"
#include "tensor/elementwise.h"
#include "tests/naive.h"

using namespace fovea;
using namespace fovea::tests;

namespace {

// Seven loops, and no thought.
Tensor naive_conv2d(const Tensor& x, const Tensor& weight, const Conv2dOptions& o) {
  const int64_t part = weight.size(1), in_group = weight.size(0) / o.groups;
  const auto places = [](int64_t size, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation) {
    int64_t n = 0;
    for (int64_t first = -padding; first + (kernel - 1) * dilation < size + padding; first += stride) ++n;
    return n;
  };
  Tensor y = zeros({x.size(0), weight.size(0),
                    places(x.size(2), weight.size(2), o.stride.height, o.padding.height, o.dilation.height),
                    places(x.size(3), weight.size(3), o.stride.width, o.padding.width, o.dilation.width)},
                   DType::f64);
  for (int64_t at = 0; at < y.count(); ++at) {
    const Dims place = index_at(at, y.shape());
    double total = 0;
    for (int64_t c = 0; c < part; ++c) {
      for (int64_t k = 0; k < weight.size(2); ++k) {
        for (int64_t l = 0; l < weight.size(3); ++l) {
          const int64_t i = place[2] * o.stride.height - o.padding.height + k * o.dilation.height;
          const int64_t j = place[3] * o.stride.width - o.padding.width + l * o.dilation.width;
          if (i < 0 || i >= x.size(2) || j < 0 || j >= x.size(3)) continue;
          total += weight.at({place[1], c, k, l}) * x.at({place[0], place[1] / in_group * part + c, i, j});
        }
      }
    }
    y.set(place, total);
  }
  return y;
}

// The same in views and one product: what conv2d() is, written out.
Variable composed_conv2d(const Variable& x, const Variable& weight, const Conv2dOptions& o) {
  const int64_t outputs = weight.size(0), groups = o.groups, taps = weight.count() / outputs;
  const Variable tall = pad(x, 2, o.padding.height, o.padding.height);
  const Variable padded = pad(tall, 3, o.padding.width, o.padding.width);
  const Variable rows = unfold(padded, 2, weight.size(2), o.stride.height, o.dilation.height);  // [B, C, H', W, kh]
  const Variable windows = unfold(rows, 3, weight.size(3), o.stride.width, o.dilation.width);  // [B, C, H', W', kh, kw]
  const int64_t batch = x.size(0), height = windows.size(2), width = windows.size(3);
  const Variable patches = reshape(permute(windows, {0, 1, 4, 5, 2, 3}), {batch, groups, taps, height * width});
  const Variable y = matmul(reshape(weight, {groups, outputs / groups, taps}), patches);  // [B, G, O/G, H' W']
  return reshape(y, {batch, outputs, height, width});
}

struct Conv2dCase {
  Shape x, weight;
  Conv2dOptions options;
};

const Conv2dCase kCases[] = {
    {{2, 3, 7, 8}, {4, 3, 3, 3}, {}},
    {{2, 3, 7, 8}, {4, 3, 3, 3}, {.padding = 1}},
    {{3, 2, 9, 6}, {3, 2, 2, 4}, {.stride = {2, 1}, .padding = {0, 3}}},
    {{1, 4, 11, 9}, {6, 2, 3, 2}, {.stride = 2, .padding = 2, .dilation = {2, 4}, .groups = 2}},
    {{2, 5, 6, 6}, {5, 1, 3, 3}, {.stride = 3, .padding = 1, .groups = 5}},
    {{2, 2, 3, 3}, {3, 2, 2, 2}, {.stride = 2, .padding = 5}},  // windows that see nothing but padding
    {{20, 3, 6, 6}, {4, 3, 3, 3}, {.padding = 1}},
    {{37, 8, 24, 24}, {8, 8, 3, 3}, {.padding = 1}},  // several blocks in a piece, several pieces
};

Tensor doubles(const Shape& shape, uint64_t seed = 1) { return noise(shape, DType::f64, seed); }

}  // namespace

TEST_CASE("conv2d equals seven loops, and a product of windows with every gradient") {
  for (const Conv2dCase& c : kCases) {
    CAPTURE(c.x);
    CAPTURE(c.weight);
    Parameter x(doubles(c.x)), weight(doubles(c.weight, 2)), x2(x.value().clone()), weight2(weight.value().clone());
    Tape tape;
    const Variable y = conv2d(x, weight, c.options), y2 = composed_conv2d(x2, weight2, c.options);
    if (y.count() < 10000)
      CHECK(max_abs_difference(y.value(), naive_conv2d(x.value(), weight.value(), c.options)) < 1e-12);
    CHECK(max_abs_difference(y.value(), y2.value()) < 1e-12);
    const Tensor dy = doubles(y.shape(), 3);
    tape.backward(y + y2, dy);
    CHECK(max_abs_difference(x.grad(), x2.grad()) < 1e-12);
    CHECK(max_abs_difference(weight.grad(), weight2.grad()) < 1e-12 * double(c.x[0]) * 100);
  }
}

TEST_CASE("an image's result does not depend on its batch, by a bit") {
  const Tensor x = noise({21, 3, 12, 12}), weight = noise({5, 3, 3, 3}), y = conv2d(x, weight, {.padding = 1});
  for (const int64_t i : {0, 7, 20})
    CHECK(identical(conv2d(narrow(x, 0, i, 1), weight, {.padding = 1}), narrow(y, 0, i, 1).clone()));
}

TEST_CASE("conv1d equals four loops") {
  for (const Conv1dOptions& o : std::vector<Conv1dOptions>{{},
                                                           {.stride = 2, .padding = 2},
                                                           {.padding = 1, .dilation = 3, .groups = 2},
                                                           {.dilation = 2, .causal = true}}) {
    const Tensor x = doubles({2, 9, 4}), weight = doubles({3, 4 / o.groups, 6}, 2);
    const Tensor y = conv1d(x, weight, o).value();
    const int64_t before = o.causal ? 2 * o.dilation : o.padding, part = 4 / o.groups, in_group = 6 / o.groups;
    double worst = 0;
    for (int64_t at = 0; at < y.count(); ++at) {
      const Dims place = index_at(at, y.shape());
      double total = 0;
      for (int64_t k = 0; k < 3; ++k) {
        const int64_t t = place[1] * o.stride - before + k * o.dilation;
        for (int64_t c = 0; c < part && t >= 0 && t < 9; ++c)
          total += weight.at({k, c, place[2]}) * x.at({place[0], t, place[2] / in_group * part + c});
      }
      worst = std::max(worst, std::abs(total - y.at(place)));
    }
    CHECK(worst < 1e-12);
    CHECK(y.size(1) == (9 + (o.causal ? before : 2 * o.padding) - 2 * o.dilation - 1) / o.stride + 1);
  }
}

TEST_CASE("conv2d is conv1d of a picture with one row") {
  const Tensor x = doubles({2, 9, 4}), weight = doubles({3, 4, 5}, 2);
  const Tensor y = conv1d(x, weight, {.padding = 1}).value();                  // [B, T, O]
  const Tensor as_row = unsqueeze(transpose(x), 2);                            // [B, C, 1, T]
  const Tensor kernel = unsqueeze(permute(weight, {2, 1, 0}), 2);              // [O, C, 1, K]
  const Tensor row = squeeze(conv2d(as_row, kernel, {.padding = {0, 1}}), 2);  // [B, O, T]
  CHECK(max_abs_difference(transpose(row), y) < 1e-12);
}

TEST_CASE("a 1x1 convolution is a linear layer of each place, and two of them the feed-forward network") {
  Rng rng(1);
  nn::FeedForward network({.dim = 4, .hidden = 10}, rng);
  network.expand.bias.value() = randn({10}, rng);
  nn::Conv1d expand({.in = 4, .out = 10, .kernel = 1}, rng), contract({.in = 10, .out = 4, .kernel = 1}, rng);
  const auto take = [](nn::Conv1d& to, const nn::Linear& from) {
    to.weight.value() = unsqueeze(from.weight.value(), 0).clone();
    to.bias.value() = from.bias.value().clone();
  };
  take(expand, network.expand);
  take(contract, network.contract);
  const Tensor x = randn({2, 7, 4}, rng);
  CHECK(identical(expand(x).value(), network.expand(x).value()));
  CHECK(identical(contract(gelu(expand(x))).value(), network(x).value()));

  nn::Conv2d pixels({.in = 4, .out = 10, .kernel = 1}, rng);  // the same on images, channels in front
  pixels.weight.value() = reshape(transpose(network.expand.weight.value()), {10, 4, 1, 1});
  pixels.bias.value() = network.expand.bias.value().clone();
  const Tensor image = randn({2, 4, 3, 5}, rng);
  const Tensor wanted = network.expand(permute(image, {0, 2, 3, 1})).value();  // [B, H, W, 10]
  CHECK(max_abs_difference(permute(pixels(image).value(), {0, 2, 3, 1}), wanted) < 1e-6);
}

TEST_CASE("a causal stack with dilations 1, 2, 4, 8 sees sixteen positions back and nothing ahead") {
  Rng rng(1);
  nn::Sequential net;
  for (const int64_t dilation : {1, 2, 4, 8})
    net.add(nn::Conv1d({.in = 3, .out = 3, .kernel = 2, .dilation = dilation, .causal = true}, rng))
        .add(nn::Activation::gelu);
  net.to(DType::f64);
  Parameter x(randn({1, 40, 3}, rng, DType::f64));
  Tape tape;
  const Variable y = net(x);
  CHECK(y.shape() == x.shape());
  tape.backward(sum(select(y, 1, 30)));
  for (int64_t t = 0; t < 40; ++t) CHECK((max(abs(select(x.grad(), 1, t))).item() > 0) == (t > 14 && t <= 30));
}

TEST_CASE("a stack of convolutions sees as far as its depth") {
  Rng rng(1);
  nn::Sequential net;
  for (int i = 0; i < 3; ++i) net.add(nn::Conv2d({.in = 2, .out = 2, .padding = 1}, rng)).add(nn::Activation::gelu);
  Parameter x(randn({1, 2, 11, 11}, rng));
  Tape tape;
  tape.backward(sum(select(select(net(x), 3, 5), 2, 5)));
  for (int64_t i = 0; i < 11; ++i) {
    const bool near = std::abs(i - 5) <= 3;  // 1 on each side and layer
    CHECK((max(abs(select(x.grad(), 2, i))).item() > 0) == near);
    CHECK((max(abs(select(x.grad(), 3, i))).item() > 0) == near);
  }
}

TEST_CASE("pooling equals loops; of equal ones the first takes the gradient; NaN is not lost") {
  const Tensor x = doubles({2, 3, 7, 8});
  const Tensor largest = nn::max_pool2d(x, {3, 2}, {.stride = 2, .padding = {1, 0}}).value();
  const Tensor means = nn::avg_pool2d(x, {3, 2}, {.stride = 2, .padding = {1, 0}}).value();
  REQUIRE(largest.shape() == Shape{2, 3, 4, 4});
  for (int64_t at = 0; at < largest.count(); ++at) {
    const Dims place = index_at(at, largest.shape());
    double most = -kInf, total = 0;
    for (int64_t i = 2 * place[2] - 1; i < 2 * place[2] + 2; ++i) {
      for (int64_t j = 2 * place[3]; j < 2 * place[3] + 2; ++j) {
        if (i < 0 || i >= 7) continue;
        most = std::max(most, x.at({place[0], place[1], i, j}));
        total += x.at({place[0], place[1], i, j});
      }
    }
    CHECK(largest.at(place) == most);
    CHECK(means.at(place) == doctest::Approx(total / 6).epsilon(1e-12));
  }

  Parameter flat(zeros({1, 1, 4, 4}));
  Tape tape;
  tape.backward(sum(nn::max_pool2d(flat, 2)));
  CHECK(identical(flat.grad(), reshape(tensor({1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0}), {1, 1, 4, 4})));
  Tensor holed = ones({1, 1, 4, 4});
  holed.set({0, 0, 1, 2}, kNaN);
  const Tensor y = nn::max_pool2d(holed, 2).value();
  CHECK(y.at({0, 0, 0, 0}) == 1);
  CHECK(std::isnan(y.at({0, 0, 0, 1})));
  const Tensor lowest = full({1, 1, 2, 2}, -kInf);
  CHECK(nn::max_pool2d(lowest, 3, {.stride = 1, .padding = 1}).value().at({0, 0, 0, 0}) == -kInf);
}

TEST_CASE("BatchNorm: what leaves it while training has mean 0 and variance 1, and estimates follow the data") {
  Rng rng(1);
  nn::BatchNorm2d layer(3);
  layer.to(DType::f64);
  const Tensor scale = reshape(tensor({1, 5, 0.2}, DType::f64), {3, 1, 1});
  const Tensor shift = reshape(tensor({0, 100, -3}, DType::f64), {3, 1, 1});
  for (int step = 0; step < 200; ++step) layer(randn({8, 3, 5, 5}, rng, DType::f64) * scale + shift);
  const Tensor x = randn({8, 3, 5, 5}, rng, DType::f64) * scale + shift;
  const Tensor y = layer(x).value();
  CHECK(max(abs(mean(y, {0, 2, 3}))).item() < 1e-12);
  CHECK(max(abs(var(y, {0, 2, 3}, false, 0) - 1.0)).item() < 1e-3);  // eps shows at the smallest variance
  CHECK(max(abs((layer.running_mean - flatten(shift)) / flatten(scale))).item() < 0.1);
  CHECK(max(abs(layer.running_var / square(flatten(scale)) - 1.0)).item() < 0.1);

  layer.eval();
  const Tensor before = layer.running_mean.clone(), alone = layer(narrow(x, 0, 3, 1)).value();
  CHECK(max_abs_difference(narrow(layer(x).value(), 0, 3, 1), alone) < 1e-12);  // no company while evaluating
  CHECK(identical(layer.running_mean, before));
}

TEST_CASE("BatchNorm: copies and files keep their own estimates") {
  Rng rng(1);
  nn::BatchNorm1d layer(2), other(2);
  const nn::BatchNorm1d copy = layer;
  layer(randn({6, 2}, rng));
  CHECK(identical(copy.running_mean, zeros({2})));
  CHECK(layer.state().size() == 4);
  const Tensor learned = layer.running_var.clone();
  other.load_state(layer.state());
  CHECK(identical(other.running_var, learned));
  nn::BatchNorm1d third = layer;
  third.load_state(nn::BatchNorm1d(2).state());
  CHECK(identical(layer.running_var, learned));
  CHECK(identical(third.running_var, ones({2})));
}

TEST_CASE("gradients of pooling and batch norm against differences") {
  const auto check = [](auto fn, const Shape& shape) {
    Rng rng(3);
    const Tensor x = reshape(randperm(element_count("x", shape), rng).to(DType::f64) * 0.07, shape);  // no ties
    const GradcheckReport report = gradcheck([&](std::span<const Variable> in) { return fn(in[0]); }, {x});
    CHECK_MESSAGE(report.ok, report);
  };
  check([](const Variable& x) { return nn::max_pool2d(x, 2); }, {2, 2, 4, 5});
  check([](const Variable& x) { return nn::max_pool2d(x, 3, {.stride = 1, .padding = 1}); }, {1, 2, 4, 3});
  check([](const Variable& x) { return nn::avg_pool2d(x, {2, 3}, {.stride = 1, .padding = 1}); }, {1, 2, 4, 5});
  nn::BatchNorm2d images(3);
  nn::BatchNorm1d vectors(3);
  images.to(DType::f64);
  vectors.to(DType::f64);
  check(images, {2, 3, 2, 2});
  check(vectors, {5, 3});
  images.eval();
  check(images, {2, 3, 2, 2});
}

TEST_CASE("convolutions refuse what they cannot do, with the numbers that clash") {
  const Tensor x = zeros({2, 4, 5, 6});
  CHECK_THROWS_WITH_AS(conv2d(x, zeros({3, 4, 7, 3})),
                       "conv2d: a kernel of 7 taps, dilation 1, spans 7 pixels, but the height is 5 + 2 · 0 = 5; pad "
                       "more, or take a smaller kernel",
                       ShapeError);
  CHECK_THROWS_WITH_AS(conv2d(x, zeros({3, 4, 1, 3}), {.padding = 1, .dilation = 4}),
                       "conv2d: a kernel of 3 taps, dilation 4, spans 9 pixels, but the width is 6 + 2 · 1 = 8; pad "
                       "more, or take a smaller kernel",
                       ShapeError);
  CHECK_THROWS_WITH_AS(conv2d(x, zeros({3, 2, 3, 3}), {.groups = 2}),
                       "conv2d: 2 groups do not divide the channels: x [2, 4, 5, 6] has 4, weight [3, 2, 3, 3] gives 3",
                       ShapeError);
  CHECK_THROWS_WITH_AS(
      conv2d(x, zeros({3, 5, 3, 3})),
      "conv2d: channels differ: x [2, 4, 5, 6] has 4 in 1 groups, 4 in each; weight [3, 5, 3, 3] takes 5", ShapeError);
  CHECK_THROWS_AS(conv2d(x, zeros({3, 4, 3, 3}), {.stride = 0}), ValueError);
  CHECK_THROWS_AS(conv2d(x, zeros({3, 4, 3, 3}), {.padding = {0, -1}}), ValueError);
  CHECK_THROWS_AS(conv2d(zeros({4, 5, 6}), zeros({3, 4, 3, 3})), ShapeError);
  CHECK_THROWS_AS(conv2d(x, zeros({3, 4, 3, 3}, DType::f64)), DTypeError);
  CHECK_THROWS_WITH_AS(
      conv1d(zeros({2, 5, 4}), zeros({3, 4, 2}), {.dilation = 3}),
      "conv1d: a kernel of 3 taps, dilation 3, spans 7 positions, but x [2, 5, 4] has 5 of them, padding "
      "included; pad more, or take a smaller kernel",
      ShapeError);
  CHECK_THROWS_AS(conv1d(zeros({2, 5, 4}), zeros({3, 3, 2})), ShapeError);
  CHECK_THROWS_AS(conv1d(zeros({2, 5, 4}), zeros({3, 4, 2}), {.padding = 1, .causal = true}), ValueError);
  Rng rng(1);
  CHECK_THROWS_WITH_AS(nn::Conv2d({.in = 4, .out = 6, .groups = 3}, rng),
                       "Conv2d: 3 groups do not divide 4 channels in and 6 out", ValueError);
  const nn::Sequential net(nn::Conv2d({.in = 4, .out = 6}, rng), nn::Conv2d({.in = 4, .out = 6}, rng));
  CHECK(message_of<ShapeError>([&] { net(x); }).ends_with("(in model.1)"));
  CHECK_THROWS_WITH_AS(nn::max_pool2d(x, 8),
                       "max_pool2d: a window of 8 on x [2, 4, 5, 6], whose height is 5 + 2 · 0 = 5", ShapeError);
  CHECK_THROWS_AS(nn::avg_pool2d(x, 2, {.padding = 2}), ValueError);
  CHECK_THROWS_AS(nn::BatchNorm2d(3)(x), ShapeError);
  CHECK_THROWS_AS(nn::BatchNorm1d(3)(ones({1, 3})), ValueError);
  CHECK_THROWS_AS(pad(x, 0, -1, 0), ValueError);
}
