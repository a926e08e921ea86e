// Pictures that a model was shown, as plots: alone, or lit by the attention that lies on them.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>

#include "examples/claims/claim.h"
#include "examples/lib/plot_svg.h"
#include "tensor/elementwise.h"
#include "tensor/reduce.h"

namespace fovea::claims {

// Colours in [0, 1] to numbers about 0 with a deviation near 1, which fresh weights are made for.
inline Tensor centred(const Tensor& images) { return 4 * (images - 0.2); }

// image [3, H, W], or grey [1, H, W], with numbers in [0, 1]. `light` [h, w], a grid over the image: its largest cell
// shows the picture as it is, a cell of weight 0 leaves a fifth of it.
inline Plot picture_plot(std::string title, const Tensor& image, const Tensor& light = {}, double side = 120) {
  const int64_t height = image.size(1), width = image.size(2);
  const double pixel = std::round(side / double(width)), top = title.empty() ? 8 : 30, left = 8;
  const double brightest = light.defined() ? std::max(max(light).item(), 1e-9) : 1;
  Pen pen;
  pen.text({left, 20}, title, {.size = fitting_size(title, side, font_size)});
  for (int64_t row = 0; row < height; ++row) {
    for (int64_t column = 0; column < width; ++column) {
      const double lit =
          light.defined() ? light.at({row * light.size(0) / height, column * light.size(1) / width}) / brightest : 1;
      char colour[8];
      const auto byte = [&](int64_t channel) {
        const double shade = image.at({std::min(channel, image.size(0) - 1), row, column});
        return unsigned(std::lround(255 * (0.2 + 0.8 * lit) * std::clamp(shade, 0.0, 1.0)));
      };
      std::snprintf(colour, sizeof colour, "#%02x%02x%02x", byte(0) & 255u, byte(1) & 255u, byte(2) & 255u);
      // Each reaches under the ones to the right and below, so that no seams show at any scale.
      pen.box(left + double(column) * pixel, top + double(row) * pixel, pixel + (column + 1 < width ? 2 : 0),
              pixel + (row + 1 < height ? 2 : 0), colour);
    }
  }
  pen.frame(left, top, double(width) * pixel, double(height) * pixel, ink::axis);
  return {.width = left + double(width) * pixel + 4,
          .height = top + double(height) * pixel + 8,
          .title = std::move(title),
          .body = pen.take()};
}

}  // namespace fovea::claims
