#include "examples/lib/scenes.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "tensor/elementwise.h"
#include "tensor/error.h"

namespace fovea::lib {
namespace {

using Rgb = std::array<float, 3>;
constexpr Rgb kColours[] = {
    {0.9f, 0.15f, 0.1f}, {0.1f, 0.75f, 0.2f}, {0.15f, 0.3f, 0.95f}, {0.95f, 0.85f, 0.1f}, {0.6f, 0.15f, 0.8f}};
constexpr double kNoise = 0.03;  // deviation of each pixel's colour

enum Outline { circle, square, triangle, cross, ring };

// Single random numbers.
struct Dice {
  Rng& rng;
  int64_t below(int64_t n) { return int64_t(randint(0, n, {1}, rng).item()); }
  double between(double low, double high) { return uniform({1}, low, high, rng, DType::f64).item(); }
};

struct Figure {
  int64_t shape, colour;
  double x, y, radius;  // in pixels, from the top left corner

  // Whether it covers the point at (dx, dy) from its middle, both in radii.
  bool covers(double dx, double dy) const {
    const double distance = std::sqrt(dx * dx + dy * dy), across = std::max(std::abs(dx), std::abs(dy));
    switch (shape) {
      case circle: return distance <= 1;
      case square: return across <= 0.88;
      case triangle: return dy <= 0.8 && dy >= -1 + 1.7 * std::abs(dx) * 1.06;
      case cross: return across <= 1 && std::min(std::abs(dx), std::abs(dy)) <= 0.34;
      default: return distance <= 1.05 && distance >= 0.55;
    }
  }
};

// Pictures that are being painted, and which figure each pixel belongs to.
class Canvas {
 public:
  Canvas(int64_t batch, int64_t size)
      : batch_(batch),
        size_(size),
        colours_(size_t(batch * 3 * size * size), 0.08f),
        owner_(size_t(batch * size * size)) {}

  void paint(int64_t picture, const Figure& figure, int64_t owner) {
    for (int64_t row = 0; row < size_; ++row) {
      for (int64_t column = 0; column < size_; ++column) {
        const double dx = (double(column) + 0.5 - figure.x) / figure.radius,
                     dy = (double(row) + 0.5 - figure.y) / figure.radius;
        if (figure.covers(dx, dy)) dot(picture, row, column, kColours[figure.colour], owner);
      }
    }
  }
  void dot(int64_t picture, int64_t row, int64_t column, const Rgb& colour, int64_t owner) {
    for (int64_t channel = 0; channel < 3; ++channel)
      colours_[size_t(((picture * 3 + channel) * size_ + row) * size_ + column)] = colour[size_t(channel)];
    owner_[size_t((picture * size_ + row) * size_ + column)] = owner;
  }

  Tensor images(Rng& rng) const {
    const fovea::Shape shape = {batch_, 3, size_, size_};
    return clamp(from_vector(colours_, shape) + kNoise * randn(shape, rng), 0, 1);
  }
  Tensor owners() const { return from_vector(owner_, {batch_, size_, size_}); }

 private:
  int64_t batch_, size_;
  std::vector<float> colours_;
  std::vector<int64_t> owner_;
};

void check(const char* task, int64_t batch, int64_t size, int64_t least) {
  if (batch < 1) fail(ErrorKind::value, task, ": batch must be 1 or more, got ", batch);
  if (size < least) fail(ErrorKind::value, task, ": pictures must be ", least, " pixels wide or more, got ", size);
}

int64_t colour_count() { return int64_t(colour_names().size()); }
int64_t shape_count() { return int64_t(shape_names().size()); }

// Two figures, each in its half of the picture, so that neither covers the other.
std::array<Figure, 2> figures_apart(int64_t size, bool above, Dice& dice) {
  const double unit = double(size), radius = unit * dice.between(0.14, 0.2), other = unit * dice.between(0.14, 0.2);
  const double first = dice.between(1.1 * radius, 0.5 * unit - 1.1 * radius);
  const double second = dice.between(0.5 * unit + 1.1 * other, unit - 1.1 * other);
  const double middle = dice.between(0.35, 0.65) * unit;  // across, both near one line: so it is clear which is meant
  const double shift = dice.between(-0.08, 0.08) * unit;
  Figure a{dice.below(shape_count()), dice.below(colour_count()), first, middle, radius};
  Figure b{dice.below(shape_count()), dice.below(colour_count()), second, middle + shift, other};
  if (above) {
    std::swap(a.x, a.y);
    std::swap(b.x, b.y);
  }
  return {a, b};
}

}  // namespace

const std::vector<std::string>& colour_names() {
  static const std::vector<std::string> names = {"red", "green", "blue", "yellow", "purple"};
  return names;
}
const std::vector<std::string>& shape_names() {
  static const std::vector<std::string> names = {"circle", "square", "triangle", "cross", "ring"};
  return names;
}
const std::vector<std::string>& caption_words() {
  static const std::vector<std::string> words = [] {
    std::vector<std::string> all = colour_names();
    all.insert(all.end(), shape_names().begin(), shape_names().end());
    all.insert(all.end(), {"above", "beside"});
    return all;
  }();
  return words;
}

Pictures shape_pictures(int64_t batch, int64_t size, Rng& rng) {
  check("shape_pictures", batch, size, 12);
  Dice dice{rng};
  Canvas canvas(batch, size);
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < batch; ++i) {
    const double radius = double(size) * dice.between(0.22, 0.36);
    const Figure figure{dice.below(shape_count()), dice.below(colour_count()),
                        dice.between(radius, double(size) - radius), dice.between(radius, double(size) - radius),
                        radius};
    canvas.paint(i, figure, 1);
    labels.push_back(figure.shape);
  }
  return {canvas.images(rng), from_vector(labels), shape_count()};
}

CaptionedScenes captioned_scenes(int64_t batch, int64_t size, Rng& rng) {
  check("captioned_scenes", batch, size, 24);
  Dice dice{rng};
  Canvas canvas(batch, size);
  std::vector<int64_t> captions;
  for (int64_t i = 0; i < batch; ++i) {
    const bool above = dice.below(2) == 0;
    const auto [first, second] = figures_apart(size, above, dice);
    canvas.paint(i, first, 1);
    canvas.paint(i, second, 2);
    const int64_t shapes = colour_count(), relations = shapes + shape_count();  // where those words begin
    captions.insert(captions.end(), {first.colour, shapes + first.shape, relations + (above ? 0 : 1), second.colour,
                                     shapes + second.shape});
  }
  return {canvas.images(rng), from_vector(captions, {batch, 5}), canvas.owners()};
}

ContourPictures contour_pictures(int64_t batch, int64_t size, Rng& rng) {
  check("contour_pictures", batch, size, 12);
  Dice dice{rng};
  Canvas canvas(batch, size);
  const int64_t half = size / 2;
  for (int64_t i = 0; i < batch; ++i) {
    const bool above = dice.below(2) == 0;
    const int64_t colour = dice.below(colour_count()),
                  other = (colour + 1 + dice.below(colour_count() - 1)) % colour_count();
    for (int64_t which = 0; which < 2; ++which) {
      // An upright rectangle's outline in its half of the picture.
      const int64_t long_side = 4 + dice.below(half - 4), wide_side = 4 + dice.below(size - 5);
      const int64_t along = which * half + dice.below(half - long_side);
      const int64_t across = dice.below(size - wide_side + 1);
      for (int64_t a = 0; a < long_side; ++a) {
        for (int64_t c = 0; c < wide_side; ++c) {
          if (a > 0 && a < long_side - 1 && c > 0 && c < wide_side - 1) continue;
          const int64_t row = above ? along + a : across + c, column = above ? across + c : along + a;
          canvas.dot(i, row, column, kColours[which == 0 ? colour : other], which + 1);
        }
      }
    }
  }
  return {canvas.images(rng), canvas.owners()};
}

}  // namespace fovea::lib
