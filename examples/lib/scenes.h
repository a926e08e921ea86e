// Pictures made of a few figures: what the experiments that see are trained on. Colours are in [0, 1], with a little
// noise; the same generator state gives the same pictures.
//
// B pictures of 3 channels, H high and W wide; row 0 is the top.
#pragma once
#include <string>
#include <vector>

#include "examples/lib/pictures.h"

namespace fovea::lib {

const std::vector<std::string>& colour_names();  // red, green, blue, yellow, purple
const std::vector<std::string>& shape_names();   // circle, square, triangle, cross, ring

// One figure of any colour, size and place in each picture [3, size, size]; which shape is it? The label is its place
// in shape_names().
Pictures shape_pictures(int64_t batch, int64_t size, Rng& rng);

// Two figures, side by side or one above the other, and what there is to say about them in five words: "red circle
// above blue square", "green ring beside red cross" (the left one first).
struct CaptionedScenes {
  Tensor images;    // f32 [B, 3, size, size]
  Tensor captions;  // i64 [B, 5], words of caption_words()
  Tensor figures;   // i64 [B, size, size]: 0 background, 1 the figure that is named first, 2 the other
};
const std::vector<std::string>& caption_words();  // the colours, the shapes, "above", "beside"
CaptionedScenes captioned_scenes(int64_t batch, int64_t size, Rng& rng);

// Two closed lines in each picture, of one colour each, that do not touch.
struct ContourPictures {
  Tensor images;    // f32 [B, 3, size, size]
  Tensor contours;  // i64 [B, size, size]: 0 background, 1 or 2: the line that the pixel lies on
};
ContourPictures contour_pictures(int64_t batch, int64_t size, Rng& rng);

}  // namespace fovea::lib
