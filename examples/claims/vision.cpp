// Claims about the Vision Transformer: patches as tokens, and how much data it wants beside a CNN.
#include <algorithm>
#include <cmath>
#include <optional>

#include "autograd/losses.h"
#include "autograd/reduce.h"
#include "examples/claims/picture.h"
#include "examples/claims/picture_source.h"
#include "examples/claims/training.h"
#include "nn/convolution.h"
#include "nn/pooling.h"
#include "nn/self_attention_2d.h"
#include "nn/vit.h"
#include "tensor/elementwise.h"
#include "tensor/indexing.h"
#include "tensor/views.h"

namespace fovea::claims {
namespace {

struct PatchNet : nn::Module {
  nn::ViT vit;

  PatchNet(const Pictures& like, int64_t patch, Rng rng)
      : vit({.image = {like.images.size(2), like.images.size(3)},
             .channels = like.images.size(1),
             .patch = patch,
             .classes = like.classes,
             .layers = 2,
             .heads = 4,
             .dim = 48,
             .hidden = 96},
            rng) {}

  Variable operator()(const Tensor& images) const { return vit(centred(images)); }
  void visit(nn::Visitor& v) override { v("vit", vit); }
};

// Three convolutions; with attention, each cell of the coarse grid then looks at all others.
struct ConvolutionNet : nn::Module {
  static constexpr int64_t kWidth = 48;
  nn::Conv2d first, second, third;
  std::optional<nn::SelfAttention2d> attention;
  nn::Linear head;

  ConvolutionNet(const Pictures& like, bool with_attention, Rng rng)
      : first({.in = like.images.size(1), .out = 8, .padding = 1}, rng),
        second({.in = 8, .out = 16, .padding = 1}, rng),
        third({.in = 16, .out = kWidth, .padding = 1}, rng),
        head(kWidth, like.classes, rng) {
    if (with_attention) attention.emplace(nn::SelfAttention2dConfig{.channels = kWidth, .inner = 16}, rng);
  }

  Variable operator()(const Tensor& images) const {
    const Variable fine = nn::max_pool2d(relu(first(centred(images))), 2);  // [B, 8, H / 2, W / 2]
    Variable x = relu(third(nn::max_pool2d(relu(second(fine)), 2)));        // [B, 48, H / 4, W / 4]
    if (attention) x = (*attention)(x);
    return head(mean(x, {2, 3}));  // [B, classes]
  }
  void visit(nn::Visitor& v) override {
    v("first", first);
    v("second", second);
    v("third", third);
    v("attention", attention);
    v("head", head);
  }
};

// The accuracy on unseen pictures after training on what `draw` gives for every step.
template <class Model, class Draw>
double train_on(const Run& run, Model& model, const Training& training, uint64_t seed, Draw draw) {
  Rng unseen = run.rng("unseen", seed);
  train(run, model, training, [&](int64_t) {
    const Pictures batch = draw();
    return cross_entropy(model(batch.images), batch.labels);
  });
  const Pictures test = PictureSource{run.mnist()}.unseen(run.either(1000, 200), unseen);
  return accuracy(model(test.images).value(), test.labels);
}

// --- patches as tokens -----------------------------------------------------------------------------------------------

constexpr int64_t kPatch = 4;

// Where [CLS] looks in the last layer, the mean of its heads: [B, grid rows, grid columns].
Tensor looks_of_cls(const PatchNet& net, const Tensor& images) {
  nn::AttentionRecord record;
  net(images);
  const Tensor of_cls = select(mean(record.entries().back().weights, {1}), 1, 0);  // [B, 1 + patches]
  const int64_t rows = images.size(2) / kPatch, columns = images.size(3) / kPatch;
  return reshape(narrow(of_cls, 1, 1, rows * columns), {images.size(0), rows, columns});
}

// Whether a patch shows any of the figure, which is brighter than what is behind it: [B, grid rows, grid columns].
Tensor patches_with_figure(const Tensor& images) {
  const int64_t rows = images.size(2) / kPatch, columns = images.size(3) / kPatch;
  const Tensor cut = reshape(max(images, {1}), {images.size(0), rows, kPatch, columns, kPatch});
  return (max(cut, {2, 4}) > 0.4).to(DType::f32);
}

// Pictures under what the model takes them for, and below them the same lit by the weights of [CLS].
Plot cls_pictures(const PatchNet& net, const PictureSource& source, const Tensor& images) {
  const Tensor said = argmax(net(images).value(), -1), looks = sqrt(looks_of_cls(net, images));
  std::vector<Plot> plots;
  for (int64_t i = 0; i < images.size(0); ++i)
    plots.push_back(picture_plot("“" + source.name_of(int64_t(said.at({i}))) + "”", select(images, 0, i)));
  for (int64_t i = 0; i < images.size(0); ++i)
    plots.push_back(picture_plot("", select(images, 0, i), select(looks, 0, i)));
  return small_multiples("Where [CLS] looks", int(images.size(0)), plots);
}

// The first picture of each class, of the first `most` classes.
Tensor one_of_each(const Pictures& pictures, int64_t most) {
  std::vector<Tensor> images;
  for (int64_t label = 0; label < std::min(most, pictures.classes); ++label) {
    const Tensor is_one = equal(pictures.labels, double(label)).to(DType::f32);  // [N]
    images.push_back(select(pictures.images, 0, int64_t(argmax(is_one, 0).item())));
  }
  return stack(images, 0);
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
    const Tensor images = randn({2, 3, 24, 24}, rng, dtype);
    const Variable by_patches = linear(nn::patchify(images, size));                 // [B, N, 20]
    const Variable by_convolution = transpose(flatten(convolution(images), 2, 3));  // the same
    worst = std::max(worst, max_abs_difference(by_patches.value(), by_convolution.value()));
  }
  return worst;
}

// --- few pictures ----------------------------------------------------------------------------------------------------

// All moved by the same few pixels; what comes in at the edges is black.
Tensor shifted(const Tensor& images, Rng& rng) {
  constexpr int64_t most = 4;
  const Tensor wide = pad(pad(images, 2, most, most), 3, most, most);
  const Tensor by = randint(0, 2 * most + 1, {2}, rng);
  return narrow(narrow(wide, 2, int64_t(by.at({0})), images.size(2)), 3, int64_t(by.at({1})), images.size(3));
}

}  // namespace

Exhibit patches_as_tokens(const Run& run) {
  const PictureSource source{run.mnist()};
  const int64_t vit_steps = run.either(900, 10), cnn_steps = run.either(200, 10);
  const double f64 = patches_against_convolution(DType::f64, run.rng("patches"));
  const double f32 = patches_against_convolution(DType::f32, run.rng("patches"));
  std::vector<double> vit_accuracy, cnn_accuracy, on_figure, chances;
  Picture shown;
  for (const uint64_t seed : run.seeds(3, 1)) {
    Rng data = run.rng("pictures", seed), unseen = run.rng("looked at", seed);
    const auto fresh = [&] { return source.to_learn(64, data); };
    const Pictures looked_at = source.unseen(100, unseen);
    PatchNet vit(looked_at, kPatch, run.rng("vit", seed));
    ConvolutionNet cnn(looked_at, true, run.rng("cnn", seed));
    vit_accuracy.push_back(train_on(run, vit, {.steps = vit_steps, .lr = 4e-3, .label = "ViT"}, seed, fresh));
    cnn_accuracy.push_back(train_on(run, cnn, {.steps = cnn_steps, .lr = 8e-3, .label = "CNN"}, seed, fresh));
    const Tensor looks = looks_of_cls(vit, looked_at.images), figure = patches_with_figure(looked_at.images);
    on_figure.push_back(sum(looks * figure).item() / sum(looks).item());
    chances.push_back(mean(figure).item());
    if (seed != run.seed()) continue;
    shown = {cls_pictures(vit, source, one_of_each(looked_at, 6)),
             "Unseen pictures and what the ViT says they are; below them the same, each patch as bright as the root of "
             "its weight for [CLS], the largest being full light. The last layer, the mean of its heads."};
  }
  const Spread vit = spread(vit_accuracy), cnn = spread(cnn_accuracy), figure = spread(on_figure),
               chance = spread(chances);
  const bool same = f64 < 1e-12 && f32 < 1e-5;
  const bool looks_there = figure.low > chance.high;
  return {.verdict = same && looks_there && vit.low >= 0.98 && cnn.low >= 0.98 ? Verdict::holds
                     : same && vit.low >= 0.9 && cnn.low >= 0.9                ? Verdict::within_limits
                                                                               : Verdict::fails,
          .number = "ViT " + vit.percent() + ", CNN with attention " + cnn.percent() +
                    "; patches − convolution: " + format_significant(f64, 1) + " (f64)",
          .remark = "Accuracy on unseen pictures: " + source.description() +
                    ". Each step sees 64 new ones: the CNN had " + format_count(cnn_steps) + " steps, the ViT " +
                    format_count(vit_steps) +
                    ", for what a convolution has built in it has to learn. Cutting into patches and a linear layer is "
                    "one convolution that steps by its own width: apart by " +
                    format_significant(f32, 1) + " in f32. Patches that show some of the figure get " +
                    figure.percent() + " of [CLS]'s weight on patches, and would get " + chance.percent() +
                    " if it looked everywhere alike." + in_a_hurry(run),
          .pictures = {shown}};
}

Exhibit small_data(const Run& run) {
  const PictureSource source{run.mnist()};
  const std::vector<double> sizes = run.quick() ? std::vector<double>{50} : std::vector<double>{50, 200, 800, 3200};
  std::vector<std::vector<double>> cnn_accuracy, vit_accuracy, helped_accuracy;  // [seed][size]
  int64_t classes = 0;
  for (const uint64_t seed : run.seeds(3, 1)) {
    for (auto* all : {&cnn_accuracy, &vit_accuracy, &helped_accuracy}) all->emplace_back();
    Rng rng = run.rng("few", seed), data = run.rng("batches", seed);
    for (const double size : sizes) {
      const Pictures few = source.to_learn(int64_t(size), rng);
      const auto batch = [&] { return some_of(few, 32, data); };
      const auto shifted_batch = [&] {
        const Pictures some = batch();
        return Pictures{shifted(some.images, data), some.labels, some.classes};
      };
      const int64_t quarter = few.images.size(2) / 4;  // 16 patches
      ConvolutionNet cnn(few, false, run.rng("cnn", seed));
      PatchNet vit(few, quarter, run.rng("vit", seed)), helped = vit;
      const std::string label = format_count(int64_t(size)) + " pictures";
      Training training{.steps = run.either(200, 10), .lr = 8e-3, .label = label};
      cnn_accuracy.back().push_back(train_on(run, cnn, training, seed, batch));
      training = {.steps = run.either(400, 10), .lr = 4e-3, .label = label};
      vit_accuracy.back().push_back(train_on(run, vit, training, seed, batch));
      training.decay = 0.1;
      helped_accuracy.back().push_back(train_on(run, helped, training, seed, shifted_batch));
      classes = few.classes;
    }
  }
  // By how much the CNN is ahead of the ViT, and the ViT with regularisation of the one without, at a size.
  const auto ahead = [&](const std::vector<std::vector<double>>& a, const std::vector<std::vector<double>>& b,
                         size_t size) {
    std::vector<double> gaps;
    for (size_t i = 0; i < a.size(); ++i) gaps.push_back(100 * (a[i][size] - b[i][size]));
    return spread(gaps);
  };
  const size_t last = sizes.size() - 1;
  const Spread first_gap = ahead(cnn_accuracy, vit_accuracy, 0), last_gap = ahead(cnn_accuracy, vit_accuracy, last),
               help = ahead(helped_accuracy, vit_accuracy, 0);
  const auto few = format_count(int64_t(sizes.front())), many = format_count(int64_t(sizes.back()));
  const bool cnn_wins = first_gap.low > 0, closes = last_gap.high < first_gap.low;
  return {.verdict = cnn_wins && closes && help.low > 0 ? Verdict::holds
                     : cnn_wins                         ? Verdict::within_limits
                                                        : Verdict::fails,
          .number = "the CNN is ahead by " + format_fixed(first_gap.median, 0) + " points with " + few +
                    " pictures, by " + format_fixed(last_gap.median, 0) + " with " + many +
                    "; shifts and decay give the ViT " + format_fixed(help.median, 0) + " with " + few,
          .remark =
              "As many steps at every size, so few pictures are seen again and again. A convolution begins with the "
              "knowledge that neighbours belong together and that "
              "a shape is the same wherever it stands; the ViT has to learn both from pictures. Moving the pictures by "
              "up to 4 pixels shows it the second." +
              in_a_hurry(run),
          .pictures = {{line_plot({.title = "How many pictures to learn from",
                                   .x = {.label = "pictures in the training set", .log = true, .ticks = sizes},
                                   .y = {.label = "accuracy on unseen pictures", .low = 0, .high = 1},
                                   .y_lines = {{1.0 / double(classes), "guessing"}}},
                                  {over_runs("CNN", sizes, cnn_accuracy),
                                   over_runs("ViT, shifted pictures, weight decay", sizes, helped_accuracy),
                                   over_runs("ViT", sizes, vit_accuracy)}),
                        "Median and range over the seeds, 1,000 unseen pictures each."}}};
}

extern const std::vector<Claim> vision_claims;
const std::vector<Claim> vision_claims = {
    {.id = "72",
     .title = "ViT: patches as tokens",
     .statement =
         "A picture cut into patches, each mapped to a token by a linear layer, which is a convolution of that stride, "
         "is food for a Transformer: it classifies pictures as a CNN does, and [CLS] looks at what matters.",
     .experiment = patches_as_tokens},
    {.id = "73",
     .title = "A ViT wants data and regularisation",
     .statement = "Trained on few pictures a CNN is ahead of a ViT, which has less built in; more pictures close the "
                  "gap, and so do shifted copies of the pictures with weight decay.",
     .experiment = small_data},
};

}  // namespace fovea::claims
