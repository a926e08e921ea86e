// Attention over images and BERT: PyTorch's numbers, what each model is equal to and indifferent to, live parameters,
// refusals.
#include <doctest/doctest.h>

#include <cmath>
#include <functional>

#include "autograd/gradcheck.h"
#include "autograd/indexing.h"
#include "autograd/reduce.h"
#include "autograd/tape.h"
#include "nn/bert.h"
#include "nn/convolution.h"
#include "nn/losses.h"
#include "nn/pixel_attention.h"
#include "nn/self_attention_2d.h"
#include "nn/vit.h"
#include "optim/adam.h"
#include "tensor/elementwise.h"
#include "tests/golden_file.h"

using namespace fovea;

namespace {

nn::ViTConfig small_vit(nn::Pooling pooling = nn::Pooling::cls) {
  return {
      .image = {4, 6}, .patch = 2, .classes = 5, .layers = 2, .heads = 2, .dim = 8, .hidden = 12, .pooling = pooling};
}

nn::BertConfig small_bert() { return {.vocab = 11, .layers = 2, .heads = 2, .dim = 8, .context = 7, .hidden = 12}; }

Tensor doubles(const Shape& shape, uint64_t seed = 1) {
  Rng rng(seed);
  return randn(shape, rng, DType::f64);
}

Tensor words(int64_t batch, int64_t time, uint64_t seed = 5) {
  Rng rng(seed);
  return randint(0, 11, {batch, time}, rng);
}

// Larger weights than those a model starts with, so that attention and every parameter matter.
void stir(nn::Module& model) {
  Rng rng(7);
  model.to(DType::f64);
  for (const auto& [path, p] : model.parameters()) p->value() += randn(p->shape(), rng, DType::f64) * 0.3;
}

// Every listed parameter gets a gradient, no other leaf takes part, and a projection of it all agrees with differences.
void check_gradients(nn::Module& model, const std::function<Variable()>& forward) {
  {
    Tape tape;
    const Variable y = forward();
    size_t leaves = 0;
    for (size_t i = 0; i < tape.size(); ++i) leaves += std::string(tape.node(i).name) == "leaf";
    CHECK(leaves == model.parameters().size());
    tape.backward(y, doubles(y.shape(), 9));
  }
  for (const NamedParameter& named : model.parameters()) {
    const std::string& path = named.name;
    REQUIRE_MESSAGE(named.parameter->has_grad(), path);
    const double largest = max(abs(named.parameter->grad())).item();
    if (path.ends_with("key.bias"))
      CHECK_MESSAGE(largest < 1e-12, path);  // softmax does not see that all scores of a row shift
    else
      CHECK_MESSAGE(largest > 1e-7, path);
  }
  model.zero_grad();
  GradcheckOptions options;
  options.full_inputs = 0;
  options.full_outputs = 0;
  const GradcheckReport report = gradcheck(model.parameters(), forward, options);
  CHECK_MESSAGE(report.ok, report);
}

// The pixels of [B, C, H, W] in another order: pixel i of the result is pixel order[i].
Tensor reordered(const Tensor& x, const Tensor& order) {
  return reshape(index_select(flatten(x, 2, 3), 2, order), x.shape());
}

}  // namespace

TEST_CASE("self-attention between pixels equals PyTorch's numbers") {
  for (const DType dtype : {DType::f64, DType::f32}) {
    GoldenFile golden("vision", dtype);
    Rng rng(1);
    nn::SelfAttention2d layer({.channels = 4, .inner = 3}, rng);
    golden.load_into(layer, "self_attention_2d.");
    Parameter x(golden["self_attention_2d.x"]);
    {
      Tape tape;
      const Variable y = layer(x);
      golden.check("self_attention_2d.y", y.value());
      tape.backward(y, golden["self_attention_2d.g"]);
    }
    golden.check("self_attention_2d.x.grad", x.grad());
    golden.check_parameters(layer, "self_attention_2d.", ".grad");
    const nn::AttentionRecord record;
    golden.check("self_attention_2d.y", layer(x).value());
    REQUIRE(record.entries().size() == 1);
    golden.check("self_attention_2d.weights", record.entries()[0].weights);
  }
}

TEST_CASE("ViT and BERT equal PyTorch's numbers: logits, loss and every gradient") {
  for (const DType dtype : {DType::f64, DType::f32}) {
    GoldenFile golden("vision", dtype);
    Rng rng(1);
    const auto check = [&](const std::string& name, auto model, const std::string& targets, auto forward) {
      CAPTURE(name);
      golden.load_into(model, name + ".");
      Tape tape;
      const Variable logits = forward(model, name + ".");
      golden.check(name + ".logits", logits.value());
      const Variable loss = nn::cross_entropy(logits, golden[name + "." + targets]);
      golden.check(name + ".loss", loss.value());
      tape.backward(loss);
      golden.check_parameters(model, name + ".", ".grad");
    };
    const auto see = [&](const nn::ViT& model, const std::string& at) { return model(golden[at + "images"]); };
    check("vit_cls", nn::ViT(small_vit(nn::Pooling::cls), rng), "labels", see);
    check("vit_mean", nn::ViT(small_vit(nn::Pooling::mean), rng), "labels", see);
    const auto read = [&](const auto& model, const std::string& at) {
      return model(golden[at + "tokens"], golden[at + "segments"], nn::Mask::keep_keys(golden[at + "keep"]));
    };
    check("bert_masked", nn::MaskedTokenModel(small_bert(), rng), "targets", read);
    check("bert_classifier", nn::TextClassifier(small_bert(), 4, rng), "labels", read);
    CHECK(golden.unused().starts_with("self_attention_2d"));  // the test above has those
  }
}

TEST_CASE("patches and a linear layer are a strided convolution") {
  Rng rng(1);
  const int64_t patch = 4, channels = 3, dim = 7;
  nn::Linear linear(channels * patch * patch, dim, rng);
  linear.bias.value() = randn({dim}, rng);
  nn::Conv2d convolution({.in = channels, .out = dim, .kernel = patch, .stride = patch}, rng);
  convolution.weight.value() = reshape(transpose(linear.weight.value()), {dim, channels, patch, patch});
  convolution.bias.value() = linear.bias.value().clone();
  linear.to(DType::f64);
  convolution.to(DType::f64);
  const Tensor images = doubles({2, channels, 8, 12});
  const Tensor as_grid = convolution(images).value();                    // [B, dim, 2, 3]
  const Tensor as_tokens = linear(nn::patchify(images, patch)).value();  // [B, 6, dim]
  CHECK(max_abs_difference(transpose(flatten(as_grid, 2, 3)), as_tokens) < 1e-12);
  CHECK(nn::patchify(images, patch).value().at({1, 4, 17}) == images.at({1, 1, 4, 5}));  // row 1, column 1 of patches
  CHECK_THROWS_WITH_AS(nn::patchify(images, 5), "patchify: patches of 5 × 5 do not divide images [2, 3, 8, 12]",
                       ShapeError);
}

TEST_CASE("SelfAttention2d begins as the identity, then pixels find each other wherever they are") {
  Rng rng(1);
  nn::SelfAttention2d layer({.channels = 16}, rng);
  CHECK(layer.query.weight.shape() == Shape{16, 2});
  layer.to(DType::f64);
  const Tensor x = doubles({2, 16, 3, 5});
  CHECK(identical(layer(x).value(), x));
  CHECK(nn::SelfAttention2d({.channels = 16, .gamma = 0.5}, rng).gamma.item() == 0.5);

  layer.gamma.value().fill_(0.7);
  const Tensor order = randperm(15, rng);  // equivariant: pixels in another order give the same, in that order
  const Tensor y = layer(x).value();
  CHECK(max_abs_difference(layer(reordered(x, order)).value(), reordered(y, order)) < 1e-12);
  Parameter input(x);  // a corner sees the corner across
  Tape tape;
  tape.backward(sum(select(select(layer(input), 3, 0), 2, 0)));
  CHECK(max(abs(select(select(input.grad(), 3, 4), 2, 2))).item() > 1e-6);
  CHECK_THROWS_WITH_AS(layer(zeros({2, 4, 3, 5})),
                       "SelfAttention2d: takes [batch, 16, height, width], got [2, 4, 3, 5] (in model)", ShapeError);
}

TEST_CASE("gradients of every model, along random directions, and no parameter without one") {
  Rng rng(1);
  const Tensor images = doubles({2, 3, 4, 6}), tokens = words(2, 6),
               segments = from_vector<int64_t>({0, 0, 0, 1, 1, 1});
  const Tensor parts = expand(segments, {2, 6});
  SUBCASE("SelfAttention2d") {
    nn::SelfAttention2d layer({.channels = 3, .inner = 2}, rng);
    stir(layer);
    check_gradients(layer, [&] { return layer(images); });
  }
  SUBCASE("PixelAttention") {
    nn::PixelAttention model({.dim = 6, .heads = 2}, rng);
    stir(model);
    check_gradients(model, [&] { return model(images).output; });
  }
  SUBCASE("ViT") {
    for (const nn::Pooling pooling : {nn::Pooling::cls, nn::Pooling::mean}) {
      nn::ViT model(small_vit(pooling), rng);
      stir(model);
      check_gradients(model, [&] { return model(images); });
    }
  }
  SUBCASE("MaskedTokenModel") {
    nn::MaskedTokenModel model(small_bert(), rng);
    stir(model);
    check_gradients(model, [&] { return model(tokens, parts); });
  }
  SUBCASE("TextClassifier") {
    nn::TextClassifier model(small_bert(), 3, rng);
    stir(model);
    check_gradients(model, [&] { return model(tokens, parts); });
  }
}

TEST_CASE("every scheme of positions goes into ViT and BERT, and each but none tells places apart") {
  for (const nn::Positions positions : nn::all_positions) {
    CAPTURE(nn::name(positions));
    Rng rng(1);
    nn::ViTConfig vit_config = small_vit(nn::Pooling::mean);
    nn::BertConfig bert_config = small_bert();
    vit_config.positions = bert_config.positions = positions;
    nn::ViT vit(vit_config, rng);
    nn::TextClassifier text(bert_config, 3, rng);
    stir(vit);
    stir(text);
    const Tensor left = doubles({1, 3, 4, 2}, 1), middle = doubles({1, 3, 4, 2}, 2), right = doubles({1, 3, 4, 2}, 3);
    const Tensor swapped = vit(cat({middle, left, right}, 3)).value();
    const double seen = max_abs_difference(vit(cat({left, middle, right}, 3)).value(), swapped);
    const Tensor a = from_vector<int64_t>({1, 4, 7, 2, 9}, {1, 5}), b = from_vector<int64_t>({1, 7, 4, 2, 9}, {1, 5});
    const double read = max_abs_difference(text(a).value(), text(b).value());
    if (positions == nn::Positions::none) {  // a set of patches, a bag of words
      CHECK(seen < 1e-12);
      CHECK(read < 1e-12);
    } else {
      CHECK(seen > 1e-4);
      CHECK(read > 1e-4);
    }
  }
}

TEST_CASE("ViT: where [CLS] looks can be read from the record") {
  Rng rng(1);
  const nn::ViT model(small_vit(), rng);
  const nn::AttentionRecord record;
  Rng pixels(2);
  model(randn({3, 3, 4, 6}, pixels));
  REQUIRE(record.entries().size() == 2);
  CHECK(record.entries()[1].path == "encoder.layers.1.attention");
  const Tensor weights = record.entries()[1].weights;
  CHECK(weights.shape() == Shape{3, 2, 7, 7});
  const Tensor from_cls = select(weights, 2, 0);  // [B, heads, N]
  CHECK(max(abs(sum(from_cls, {-1}) - 1.0)).item() < 1e-6);
}

TEST_CASE("ViT learns which half of an image is bright") {
  Rng rng(1);
  nn::ViT model({.image = 4, .channels = 1, .patch = 2, .classes = 2, .layers = 1, .heads = 2, .dim = 16}, rng);
  optim::AdamW optimizer(model.parameters());
  double loss_now = 0;
  for (int step = 0; step < 60; ++step) {
    Tensor images = randn({16, 1, 4, 4}, rng) * 0.5;
    const Tensor side = randint(0, 2, {16}, rng);
    for (int64_t i = 0; i < 16; ++i) narrow(select(images, 0, i), 2, side.at({i}) == 1 ? 2 : 0, 2).add_(ones({1}));
    model.zero_grad();
    Tape tape;
    const Variable loss = nn::cross_entropy(model(images), side);
    loss_now = loss.item();
    tape.backward(loss);
    optimizer.step(1e-2);
  }
  CHECK(loss_now < 0.1);  // from ln 2 = 0.69
}

TEST_CASE("BERT: what the mask hides changes nothing, segments do") {
  Rng rng(1);
  nn::TextClassifier model(small_bert(), 3, rng);
  stir(model);
  const Tensor tokens = words(2, 6), keep = unsqueeze(arange(6), 0) < from_vector<int64_t>({4, 6}, {2, 1});
  const Tensor y = model(tokens, {}, nn::Mask::keep_keys(keep)).value();
  Tensor padded_otherwise = tokens.clone();
  for (const int64_t t : {4, 5}) padded_otherwise.set({0, t}, double((int64_t(tokens.at({0, t})) + 3) % 11));
  CHECK(max_abs_difference(model(padded_otherwise, {}, nn::Mask::keep_keys(keep)).value(), y) < 1e-12);
  CHECK(max_abs_difference(model(padded_otherwise).value(), model(tokens).value()) > 1e-4);
  CHECK(max_abs_difference(narrow(y, 0, 0, 1), model(narrow(narrow(tokens, 0, 0, 1), 1, 0, 4)).value()) < 1e-12);
  CHECK(identical(model(tokens, zeros({2, 6}, DType::i64)).value(), model(tokens).value()));
  CHECK(max_abs_difference(model(tokens, ones({2, 6}, DType::i64)).value(), model(tokens).value()) > 1e-4);
}

TEST_CASE("BERT: a token reads those behind it too") {
  Rng rng(1);
  nn::MaskedTokenModel model(small_bert(), rng);
  stir(model);
  const Tensor tokens = words(1, 6);
  Tensor changed = tokens.clone();
  changed.set({0, 5}, double((int64_t(tokens.at({0, 5})) + 1) % 11));
  CHECK(max_abs_difference(select(model(tokens).value(), 1, 0), select(model(changed).value(), 1, 0)) > 1e-4);
}

TEST_CASE("pixel tokens: colours, places and brightness, row by row") {
  const Tensor images = doubles({2, 3, 3, 4});
  const Tensor tokens = nn::pixel_tokens(images).value();
  REQUIRE(tokens.shape() == Shape{2, 12, 6});
  for (int64_t i = 0; i < 3; ++i) {
    for (int64_t j = 0; j < 4; ++j) {
      const double red = images.at({1, 0, i, j}), green = images.at({1, 1, i, j}), blue = images.at({1, 2, i, j});
      const double wanted[] = {
          red, green, blue, -1 + 2 * double(j) / 3, -1 + double(i), 0.299 * red + 0.587 * green + 0.114 * blue};
      for (int64_t c = 0; c < 6; ++c) CHECK(tokens.at({1, 4 * i + j, c}) == doctest::Approx(wanted[c]).epsilon(1e-12));
    }
  }
  Rng rng(1);
  nn::PixelAttention model({.dim = 8, .heads = 2}, rng);
  model.to(DType::f64);
  const nn::Attention result = model(images);
  CHECK(result.output.shape() == Shape{2, 12, 8});
  CHECK(result.weights.shape() == Shape{2, 2, 12, 12});
  CHECK(max(abs(sum(result.weights.value(), {-1}) - 1.0)).item() < 1e-12);
  CHECK_THROWS_WITH_AS(nn::pixel_tokens(zeros({2, 1, 3, 4})),
                       "pixel_tokens: takes [batch, 3, height, width], red, green and blue, got [2, 1, 3, 4]",
                       ShapeError);
}

TEST_CASE("models that see and read refuse what does not fit") {
  Rng rng(1);
  CHECK_THROWS_WITH_AS(nn::ViT({.image = 28, .patch = 5}, rng), "ViT: patches of 5 × 5 do not divide images of 28 × 28",
                       ValueError);
  CHECK_THROWS_WITH_AS(nn::ViT({.heads = 3, .dim = 64}, rng), "ViT: dim 64 is not a multiple of heads 3", ValueError);
  const nn::ViT vit(small_vit(), rng);
  CHECK_THROWS_WITH_AS(vit(zeros({2, 3, 6, 4})), "ViT: takes [batch, 3, 4, 6], got [2, 3, 6, 4] (in model)",
                       ShapeError);
  CHECK_THROWS_AS(nn::Bert({.vocab = 0}, rng), ValueError);
  const nn::Bert bert(small_bert(), rng);
  CHECK_THROWS_WITH_AS(bert(words(2, 5), words(2, 4)),
                       "Bert: segments [2, 4] must have the shape of the tokens, [2, 5] (in model)", ShapeError);
  CHECK_THROWS_AS(bert(words(2, 8)), ShapeError);  // longer than the learned positions
  CHECK_THROWS_AS(bert(words(2, 5), full({2, 5}, 2, DType::i64)), IndexError);
  CHECK_THROWS_AS(bert(zeros({2, 5})), ShapeError);
}
