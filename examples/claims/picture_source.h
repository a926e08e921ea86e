// What the experiments on vision Transformers learn to tell apart: painted shapes, or the pictures of --mnist.
#pragma once
#include "examples/claims/claim.h"
#include "examples/lib/scenes.h"

namespace fovea::claims {

struct PictureSource {
  const Mnist* mnist = nullptr;

  // So many pictures to learn from: shapes are painted anew each time, MNIST's are drawn from its training set.
  Pictures to_learn(int64_t count, Rng& rng) const {
    return mnist ? some_of(mnist->train, count, rng) : shape_pictures(count, 24, rng);
  }
  // So many that no training sees.
  Pictures unseen(int64_t count, Rng& rng) const {
    return mnist ? some_of(mnist->test, count, rng) : shape_pictures(count, 24, rng);
  }
  std::string name_of(int64_t label) const { return mnist ? std::to_string(label) : shape_names()[size_t(label)]; }
  std::string description() const {
    return mnist ? "the pictures of --mnist" : "five shapes of any colour, size and place";
  }
};

}  // namespace fovea::claims
