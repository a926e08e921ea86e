// Claims about the Vision Transformer: patches as tokens, beside a CNN.
#include <algorithm>
#include <cmath>
#include <optional>

#include "autograd/losses.h"
#include "autograd/reduce.h"
#include "examples/claims/picture.h"
#include "examples/claims/training.h"
#include "examples/lib/scenes.h"
#include "nn/convolution.h"
#include "nn/pooling.h"
#include "nn/self_attention_2d.h"
#include "nn/vit.h"
#include "tensor/elementwise.h"
#include "tensor/indexing.h"
#include "tensor/views.h"

namespace fovea::claims {
namespace {

constexpr int64_t kSize = 24, kPatch = 4, kGrid = kSize / kPatch, kShapes = 5;

nn::ViT make_vit(Rng rng) {
  return nn::ViT(
      {.image = kSize, .patch = kPatch, .classes = kShapes, .layers = 3, .heads = 4, .dim = 48, .hidden = 96}, rng);
}

// Three convolutions; with attention, each cell of the coarse grid then looks at all others.
struct ShapeNet : nn::Module {
  nn::Conv2d first, second, third;
  std::optional<nn::SelfAttention2d> attention;
  nn::Linear head;

  ShapeNet(bool with_attention, Rng rng)
      : first({.in = 3, .out = 16, .padding = 1}, rng),
        second({.in = 16, .out = 32, .padding = 1}, rng),
        third({.in = 32, .out = 48, .padding = 1}, rng),
        head(48, kShapes, rng) {
    if (with_attention) attention.emplace(nn::SelfAttention2dConfig{.channels = 48, .inner = 16}, rng);
  }

  Variable operator()(const Variable& images) const {
    const Variable fine = nn::max_pool2d(relu(first(images)), 2);     // [B, 16, 12, 12]
    Variable x = relu(third(nn::max_pool2d(relu(second(fine)), 2)));  // [B, 48, 6, 6]
    if (attention) x = (*attention)(x);
    return head(mean(x, {2, 3}));  // [B, shapes]
  }
  void visit(nn::Visitor& v) override {
    v("first", first);
    v("second", second);
    v("third", third);
    v("attention", attention);
    v("head", head);
  }
};

// Trained on pictures drawn afresh for every step. The accuracy on unseen ones.
template <class Model> double train_on_shapes(const Run& run, Model& model, const Training& training, uint64_t seed) {
  constexpr int64_t batch = 32;
  Rng data = run.rng("pictures", seed), unseen = run.rng("unseen", seed);
  train(run, model, training, [&](int64_t) {
    const lib::ShapePictures fresh = lib::shape_pictures(batch, kSize, data);
    return cross_entropy(model(fresh.images), fresh.labels);
  });
  const lib::ShapePictures test = lib::shape_pictures(run.either(500, 200), kSize, unseen);
  return accuracy(model(test.images).value(), test.labels);
}

// Where [CLS] looks in the last layer, the mean of its heads: [B, grid, grid].
Tensor looks_of_cls(const nn::ViT& vit, const Tensor& images) {
  nn::AttentionRecord record;
  vit(images);
  const Tensor weights = mean(record.entries().back().weights, {1});  // [B, N, N]
  const Tensor of_cls = narrow(select(weights, 1, 0), 1, 1, kGrid * kGrid);
  return reshape(of_cls, {-1, kGrid, kGrid});
}

// How far apart they are at most: patches through a linear layer, and a convolution whose kernel and stride are the
// patch, its weight the linear layer's transposed.
double patches_against_convolution(DType dtype, Rng rng) {
  double worst = 0;
  for (const int64_t size : {2, 4, 6, 8}) {
    nn::Linear linear(3 * size * size, 20, rng);
    nn::Conv2d convolution({.in = 3, .out = 20, .kernel = size, .stride = size}, rng);
    convolution.weight = Parameter(reshape(transpose(linear.weight.value()), {20, 3, size, size}).contiguous());
    linear.to(dtype), convolution.to(dtype);
    const Tensor images = randn({2, 3, kSize, kSize}, rng, dtype);
    const Variable by_patches = linear(nn::patchify(images, size));                 // [B, N, 20]
    const Variable by_convolution = transpose(flatten(convolution(images), 2, 3));  // the same
    worst = std::max(worst, max_abs_difference(by_patches.value(), by_convolution.value()));
  }
  return worst;
}

}  // namespace

Exhibit patches_as_tokens(const Run& run) {
  const double f64 = patches_against_convolution(DType::f64, run.rng("patches"));
  const double f32 = patches_against_convolution(DType::f32, run.rng("patches"));
  std::vector<double> vit_accuracy, cnn_accuracy;
  std::vector<Plot> plots;
  for (const uint64_t seed : run.seeds(3, 1)) {
    nn::ViT vit = make_vit(run.rng("vit", seed));
    ShapeNet cnn(true, run.rng("cnn", seed));
    vit_accuracy.push_back(train_on_shapes(run, vit, {.steps = run.either(700, 20), .lr = 2e-3, .label = "ViT"}, seed));
    cnn_accuracy.push_back(train_on_shapes(run, cnn, {.steps = run.either(300, 20), .lr = 5e-3, .label = "CNN"}, seed));
    if (seed != run.seed()) continue;
    Rng rng = run.rng("shown");
    const Tensor images = lib::shape_pictures(6, kSize, rng).images;
    const Tensor looks = looks_of_cls(vit, images);
    for (int64_t i = 0; i < 6; ++i) plots.push_back(picture_plot("", select(images, 0, i)));
    for (int64_t i = 0; i < 6; ++i) plots.push_back(picture_plot("", select(images, 0, i), select(looks, 0, i)));
  }
  const Spread vit = spread(vit_accuracy), cnn = spread(cnn_accuracy);
  const bool same = f64 < 1e-12 && f32 < 1e-5;
  return {
      .verdict = same && vit.low >= 0.98 && cnn.low >= 0.98 ? Verdict::holds
                 : same && vit.low >= 0.9 && cnn.low >= 0.9 ? Verdict::within_limits
                                                            : Verdict::fails,
      .number = "ViT " + vit.percent() + ", CNN with attention " + cnn.percent() +
                "; patches − convolution: " + format_significant(f64, 1) + " (f64)",
      .remark = "Cutting into patches and a linear layer is one convolution that steps by its own width: apart by " +
                format_significant(f64, 1) + " in f64 and " + format_significant(f32, 1) +
                " in f32. "
                "Unseen pictures of five shapes, any colour, size and place, each step on new ones. After twice the "
                "steps the "
                "ViT gets " +
                vit.percent() + ": what a convolution has built in, it has to learn.",
      .pictures = {{small_multiples("Where [CLS] looks", 6, plots),
                    "Six unseen pictures, and below them the same lit by the weights of [CLS] over the patches: "
                    "the last layer, the mean of its heads, the largest weight being full light."}}};
}

extern const std::vector<Claim> vision_claims;
const std::vector<Claim> vision_claims = {
    {.id = "72",
     .title = "ViT: patches as tokens",
     .statement =
         "A picture cut into patches, each mapped to a token by a linear layer, which is a convolution of that stride, "
         "is food for a Transformer: it classifies pictures as a CNN does, and [CLS] looks at what matters.",
     .experiment = patches_as_tokens},
};

}  // namespace fovea::claims
