// Claims about attention that looks at a picture while it writes: a decoder whose memory is the grid of a CNN.
#include <algorithm>

#include "autograd/losses.h"
#include "autograd/reduce.h"
#include "examples/claims/picture.h"
#include "examples/claims/training.h"
#include "examples/lib/scenes.h"
#include "nn/convolution.h"
#include "nn/pooling.h"
#include "nn/seq2seq.h"
#include "tensor/elementwise.h"
#include "tensor/indexing.h"
#include "tensor/views.h"

namespace fovea::claims {
namespace {

constexpr int64_t kSize = 24, kCells = 6, kWidth = 48, kWords = 5;  // pictures, cells on a side, channels of a cell

// [B, 3, 24, 24] -> a grid of 6 × 6 cells, each of which has seen 10 × 10 pixels around itself, as 36 vectors.
struct GridEncoder : nn::Module {
  nn::Conv2d first, second, third;
  nn::PositionEmbedding place;

  explicit GridEncoder(Rng& rng)
      : first({.in = 3, .out = 16, .padding = 1}, rng),
        second({.in = 16, .out = 32, .padding = 1}, rng),
        third({.in = 32, .out = kWidth, .kernel = 1}, rng),
        place({.positions = nn::Positions::learned, .dim = kWidth, .context = kCells * kCells, .size = 0.1}, rng) {}

  nn::Encoded operator()(const Tensor& images) const {
    const Variable fine = nn::max_pool2d(relu(first(images)), 2);                // [B, 16, 12, 12]
    const Variable coarse = relu(third(nn::max_pool2d(relu(second(fine)), 2)));  // [B, C, 6, 6]
    const Variable grid = place(transpose(flatten(coarse, 2, 3)));               // [B, 36, C]
    return {mean(grid, {1}), grid, {}};
  }
  void visit(nn::Visitor& v) override {
    v("first", first);
    v("second", second);
    v("third", third);
    v("place", place);
  }
};

int64_t words_known() { return int64_t(lib::caption_words().size()); }  // and one more, which begins a caption

struct Captioner : nn::Module {
  GridEncoder encoder;
  nn::AttentionDecoder decoder;

  explicit Captioner(Rng rng)
      : encoder(rng),
        decoder({.vocab = words_known() + 1, .embedding = 24, .hidden = 64, .summary = kWidth, .memory = kWidth}, rng) {
  }

  Variable loss(const lib::CaptionedScenes& scenes) const {
    const Tensor begin = full({scenes.captions.size(0), 1}, double(words_known()), DType::i64);
    const Tensor before = cat({begin, narrow(scenes.captions, 1, 0, kWords - 1)}, 1);
    return cross_entropy(decoder(before, decoder.start(encoder(scenes.images))).logits, scenes.captions);
  }
  void visit(nn::Visitor& v) override {
    v("encoder", encoder);
    v("decoder", decoder);
  }
};

struct Captions {
  Tensor words;    // i64 [B, 5]
  Tensor weights;  // [B, 5, 36]: where it looked for each
};

// Word by word, each read from what was written before.
Captions write_captions(const Captioner& model, const Tensor& images) {
  nn::DecoderState state = model.decoder.start(model.encoder(images));
  Tensor word = full({images.size(0)}, double(words_known()), DType::i64);
  std::vector<Tensor> words, weights;
  for (int64_t t = 0; t < kWords; ++t) {
    const nn::Decoded next = model.decoder.step(word, state);
    word = argmax(next.logits.value(), -1);
    words.push_back(word), weights.push_back(next.weights.value());
  }
  return {stack(words, 1), stack(weights, 1)};
}

// [B, 36]: whether a cell holds at least one pixel of that figure.
Tensor cells_of(const Tensor& figures, int64_t figure) {
  const int64_t pixels = kSize / kCells;
  const Tensor cut = reshape(equal(figures, double(figure)).to(DType::f32), {-1, kCells, pixels, kCells, pixels});
  return reshape(max(cut, {2, 4}), {-1, kCells * kCells});
}

struct Pointing {
  double share = 0;   // of the words that name a figure's colour or shape: the brightest cell holds a pixel of it
  double chance = 0;  // the same of a cell drawn at random
};
Pointing pointing(const Captions& captions, const Tensor& figures) {
  double hits = 0, cells = 0, asked = 0;
  for (const int64_t t : {0, 1, 3, 4}) {
    const Tensor inside = cells_of(figures, t < 2 ? 1 : 2);
    const Tensor peak = argmax(select(captions.weights, 1, t), -1, true);  // [B, 1]
    hits += sum(gather(inside, 1, peak)).item();
    cells += mean(inside).item() * double(inside.size(0));
    asked += double(inside.size(0));
  }
  return {hits / asked, cells / asked};
}

Picture looks(const Captions& captions, const lib::CaptionedScenes& scenes, int64_t count) {
  std::vector<Plot> plots;
  for (int64_t i = 0; i < count; ++i) {
    const Tensor image = select(scenes.images, 0, i);
    plots.push_back(picture_plot("the picture", image));
    for (int64_t t = 0; t < kWords; ++t) {
      const Tensor light = reshape(select(select(captions.weights, 0, i), 0, t), {kCells, kCells});
      plots.push_back(picture_plot("“" + lib::caption_words()[size_t(captions.words.at({i, t}))] + "”", image, light));
    }
  }
  return {small_multiples("Where it looks while it writes each word", kWords + 1, plots),
          "Unseen pictures. Each cell of the grid is as bright as its weight, the largest weight of a word being full "
          "light."};
}

}  // namespace

Exhibit captions_of_scenes(const Run& run) {
  std::vector<double> word_accuracy, pointed, chance;
  std::vector<std::vector<double>> losses;
  Picture shown;
  for (const uint64_t seed : run.seeds(3, 1)) {
    Captioner model(run.rng("weights", seed));
    Rng data = run.rng("scenes", seed), unseen = run.rng("unseen", seed);
    losses.push_back(smooth(train(run, model, {.steps = run.either(500, 30), .lr = 6e-3},
                                  [&](int64_t) { return model.loss(lib::captioned_scenes(32, kSize, data)); })));
    const lib::CaptionedScenes scenes = lib::captioned_scenes(run.either(500, 100), kSize, unseen);
    const Captions captions = write_captions(model, scenes.images);
    word_accuracy.push_back(mean(equal(captions.words, scenes.captions).to(DType::f64)).item());
    const Pointing where = pointing(captions, scenes.figures);
    pointed.push_back(where.share), chance.push_back(where.chance);
    if (seed == run.seed()) shown = looks(captions, scenes, 3);
  }
  const Spread words = spread(word_accuracy), inside = spread(pointed), blind = spread(chance);
  return {
      .verdict = words.low >= 0.97 && inside.low >= 0.9                 ? Verdict::holds
                 : words.low >= 0.97 && inside.low > 1.5 * blind.median ? Verdict::within_limits
                                                                        : Verdict::fails,
      .number = words.percent() + " of the words are right, " + inside.percent() + " point at their figure",
      .remark =
          "Pointing: of the words for a figure's colour and shape, the share whose brightest cell holds at least "
          "one pixel of that figure; a cell drawn at random does in " +
          blind.percent() +
          ". Nobody told the model where the figures are: it learned to look from the captions alone. A cell sees "
          "10 × 10 pixels, about a figure; with a wider view a cell beside a figure would know it as well, and "
          "attention "
          "could as well lie there.",
      .pictures = {shown,
                   {line_plot({.title = "Learning to write", .x = {.label = "step"}, .y = {.label = "loss", .low = 0}},
                              {over_runs("captions", steps_of(losses[0].size()), losses)}),
                    "Median and range over the seeds, each value the mean of 20 steps."}}};
}

// The decoder of a translator, fed by its own encoder, a GRU over words, and by a CNN over pixels.
Exhibit memory_from_any_encoder(const Run& run) {
  constexpr int64_t batch = 4, source_words = 7;
  Rng rng = run.rng("weights"), data = run.rng("data");
  const nn::Seq2Seq translator({.source_vocab = 20,
                                .target_vocab = words_known() + 1,
                                .embedding = 24,
                                .hidden = kWidth,
                                .bidirectional = false},
                               rng);
  const nn::AttentionDecoder& decoder = *translator.attention_decoder;
  const GridEncoder cnn(rng);
  const Tensor words = randint(0, words_known(), {batch, kWords}, data);
  const nn::Encoded sentence = translator.encode(randint(0, 20, {batch, source_words}, data));
  const nn::Encoded grid = cnn(lib::captioned_scenes(batch, kSize, data).images);
  const nn::Decoded read = decoder(words, decoder.start(sentence)), seen = decoder(words, decoder.start(grid));

  // A set: with the grid's cells in another order, the same words, and the weights in that order.
  const Tensor order = randperm(kCells * kCells, data);
  const Variable shuffled = index_select(grid.memory.value(), 1, order);
  const nn::Decoded again = decoder(words, decoder.start({grid.summary, shuffled, {}}));
  const double logits_apart = max_abs_difference(again.logits.value(), seen.logits.value());
  const double weights_apart = max_abs_difference(again.weights.value(), index_select(seen.weights.value(), 2, order));
  const bool fits = seen.weights.shape() == Shape{batch, kWords, kCells * kCells} &&
                    read.weights.shape() == Shape{batch, kWords, source_words} &&
                    seen.logits.shape() == read.logits.shape();
  return {.verdict = fits && logits_apart < 1e-5 && weights_apart < 1e-6 ? Verdict::holds : Verdict::fails,
          .number = "7 states of a GRU or 36 cells of a CNN; another order changes logits by " +
                    format_significant(logits_apart, 1),
          .remark =
              "One and the same decoder, with the same weights, takes both: all it needs is a set of vectors of the "
              "right width and a summary to begin with. Where a cell stands it cannot know from its place in the "
              "memory, so the CNN adds a vector for the place to each.",
          .grids = {{.header = {"encoder", "vectors to look at", "weights over them for five words"},
                     .rows = {{"GRU over words", "7 states", "5 × 7"}, {"CNN over pixels", "6 × 6 cells", "5 × 36"}}}}};
}

extern const std::vector<Claim> caption_claims;
const std::vector<Claim> caption_claims = {
    {.id = "41",
     .title = "The set may come from any encoder",
     .statement =
         "What an attention decoder looks at is a set of vectors, whoever made it: the states of a recurrent network "
         "or the cells of a CNN's grid.",
     .experiment = memory_from_any_encoder,
     .expect = Verdict::holds},
    {.id = "42",
     .title = "Captions: a CNN's grid and an attention decoder",
     .statement =
         "A decoder with attention over the grid of a CNN describes pictures, and while it writes a word it looks at "
         "the part of the picture that the word names.",
     .experiment = captions_of_scenes},
};

}  // namespace fovea::claims
