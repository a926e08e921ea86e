// Claims about attention between pixels, where a pixel's query finds the pixels of its own contour.
#include <algorithm>
#include <cmath>

#include "autograd/elementwise.h"
#include "autograd/reduce.h"
#include "examples/claims/picture.h"
#include "examples/claims/training.h"
#include "examples/lib/scenes.h"
#include "nn/pixel_attention.h"
#include "tensor/elementwise.h"
#include "tensor/indexing.h"
#include "tensor/matmul.h"
#include "tensor/views.h"

namespace fovea::claims {
namespace {

constexpr int64_t kSide = 12, kPixels = kSide * kSide;

// What there is to know of a batch of contours, for each pixel.
struct Contours {
  Tensor images;     // [B, 3, 12, 12]
  Tensor on = {};    // [B, 144, 1]: 1 on a contour
  Tensor same = {};  // [B, 144, 144]: 1 where two pixels lie on the same contour
};

Contours contours(int64_t batch, bool one_colour, Rng& rng) {
  const lib::ContourPictures pictures = lib::contour_pictures(batch, kSide, rng);
  const Tensor of = reshape(pictures.contours, {batch, kPixels, 1});
  Contours all{.images = pictures.images, .on = (of > 0).to(DType::f32)};
  for (const double which : {1.0, 2.0}) {
    const Tensor mine = equal(of, which).to(DType::f32);  // [B, 144, 1]
    const Tensor same = matmul(mine, transpose(mine));    // [B, 144, 144]
    all.same = all.same.defined() ? all.same + same : same;
  }
  if (one_colour) {
    const Tensor bright = reshape(0.08 + 0.72 * all.on, {batch, 1, kSide, kSide});
    all.images = clamp(expand(bright, pictures.images.shape()) + 0.03 * randn(pictures.images.shape(), rng), 0, 1);
  }
  return all;
}

nn::PixelAttention make_model(Rng rng) { return nn::PixelAttention({.dim = 32}, rng); }

Variable weights_of(const nn::PixelAttention& model, const Tensor& images) {
  return squeeze(model(images).weights, 1);  // [B, 144, 144]
}

// −log of the weight that a pixel of a contour gives to its own contour, on average.
Variable finding_loss(const nn::PixelAttention& model, const Contours& c) {
  const Variable own = sum(weights_of(model, c.images) * c.same, {2}, true);  // [B, 144, 1]
  return -sum(log(own + (1 - c.on))) / sum(c.on).item();                      // off the contours: −log 1
}

// How much of the attention of a contour's pixels lies on their own contour.
double mass_on_own(const Tensor& weights, const Contours& c) { return sum(weights * c.same).item() / sum(c.on).item(); }

// The tokens of the layer against a loop that writes down R, G, B, X, Y and brightness.
double token_error(const Tensor& images) {
  const Tensor tokens = nn::pixel_tokens(images).value();
  double worst = 0;
  for (int64_t row = 0; row < kSide; ++row) {
    for (int64_t column = 0; column < kSide; ++column) {
      const double r = images.at({0, 0, row, column}), g = images.at({0, 1, row, column}),
                   b = images.at({0, 2, row, column});
      const double wanted[] = {r,
                               g,
                               b,
                               2 * double(column) / (kSide - 1) - 1,
                               2 * double(row) / (kSide - 1) - 1,
                               0.299 * r + 0.587 * g + 0.114 * b};
      for (int64_t i = 0; i < 6; ++i)
        worst = std::max(worst, std::abs(tokens.at({0, row * kSide + column, i}) - wanted[i]));
    }
  }
  return worst;
}

Picture contour_looks(const nn::PixelAttention& model, const Contours& c) {
  std::vector<Plot> plots;
  const Tensor weights = weights_of(model, c.images).value();
  for (int64_t i = 0; i < 4; ++i) plots.push_back(picture_plot("picture", select(c.images, 0, i)));
  for (int64_t i = 0; i < 4; ++i) {
    const int64_t asked = int64_t(argmax(select(c.on, 0, i), 0).item());  // the first pixel of a contour
    plots.push_back(picture_plot("seen by a pixel", select(c.images, 0, i),
                                 reshape(select(select(weights, 0, i), 0, asked), {kSide, kSide})));
  }
  return {small_multiples("What one pixel of a contour looks at", 4, plots),
          "Unseen pictures. Below each, lit by the weights of one pixel: the topmost on a contour, of several the "
          "leftmost."};
}

}  // namespace

Exhibit pixels_of_a_contour(const Run& run) {
  std::vector<double> own, own_untrained, own_one_colour, chances;
  double tokens_off = 0;
  Picture shown;
  for (const uint64_t seed : run.seeds(3, 1)) {
    for (const bool one_colour : {false, true}) {
      nn::PixelAttention model = make_model(run.rng("weights", seed));
      Rng data = run.rng("contours", seed), unseen = run.rng("unseen", seed);
      const Contours test = contours(100, one_colour, unseen);
      if (!one_colour) own_untrained.push_back(mass_on_own(weights_of(model, test.images).value(), test));
      train(run, model, {.steps = run.either(300, 10), .lr = 1e-2, .label = one_colour ? "one colour" : "two colours"},
            [&](int64_t) { return finding_loss(model, contours(16, one_colour, data)); });
      (one_colour ? own_one_colour : own).push_back(mass_on_own(weights_of(model, test.images).value(), test));
      if (one_colour) continue;
      chances.push_back(mass_on_own(full(test.same.shape(), 1.0 / kPixels), test));
      tokens_off = std::max(tokens_off, token_error(test.images));
      if (seed == run.seed()) shown = contour_looks(model, test);
    }
  }
  const Spread mass = spread(own), chance = spread(chances), same_colour = spread(own_one_colour);
  const bool finds = tokens_off < 1e-6 && mass.low > 3 * chance.high;
  Bars bars{.name = "weight on the own contour"};
  for (const Spread& s : {chance, spread(own_untrained), mass, same_colour})
    bars.values.push_back(s.median), bars.low.push_back(s.low), bars.high.push_back(s.high);
  return {
      .verdict = finds && same_colour.low > 0.8 ? Verdict::holds
                 : finds                        ? Verdict::within_limits
                                                : Verdict::fails,
      .number = mass.percent() + " of a pixel's weight on its own contour; chance " + chance.percent(),
      .remark =
          "Trained for just that: to give as much weight as possible to one's own contour. Pixels find each other by "
          "their colour; where both contours have one colour, by their place, for the two never share a half of the "
          "picture, with " +
          same_colour.percent() +
          " of the weight. A score of two pixels knows what they show and where they are, and nothing of the line "
          "between them.",
      .pictures = {shown,
                   {bar_plot({.title = "How much of a pixel's weight lies on its own contour",
                              .y = {.label = "weight", .low = 0, .high = 1}},
                             {"chance", "untrained", "two colours", "one colour"}, {bars}),
                    "Median and range over the seeds, 100 unseen pictures each."}}};
}

extern const std::vector<Claim> pixel_claims;
const std::vector<Claim> pixel_claims = {
    {.id = "53+54",
     .title = "Each pixel a token: it finds its own contour",
     .statement =
         "With each pixel as a token of red, green, blue, x, y and brightness, a pixel's query finds the pixels of the "
         "contour that it lies on.",
     .experiment = pixels_of_a_contour},
};

}  // namespace fovea::claims
