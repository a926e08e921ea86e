#include "examples/lib/pictures.h"

#include <algorithm>
#include <filesystem>

#include "examples/lib/idx.h"
#include "tensor/error.h"
#include "tensor/indexing.h"
#include "tensor/reduce.h"
#include "tensor/views.h"

namespace fovea::lib {
namespace {

// The path of `part`, "train-images" say, with its ending, "idx3-ubyte", behind a dash or a dot.
std::string path_of(const std::string& folder, const std::string& part, const std::string& ending) {
  const std::string dashed = part + "-" + ending, dotted = part + "." + ending;
  const auto path = [&](const std::string& name) { return (std::filesystem::path(folder) / name).string(); };
  for (const std::string& name : {dashed, dotted})
    if (std::filesystem::exists(path(name))) return path(name);
  for (const std::string& name : {dashed + ".gz", dotted + ".gz"})
    if (std::filesystem::exists(path(name)))
      fail(ErrorKind::file, path(name), ": compressed with gzip; unpack it first: gunzip ", path(name));
  fail(ErrorKind::file, folder, ": has no file ", dashed, " (nor ", dotted, ")");
}

// `set` is "train" or "t10k".
Pictures read_set(const std::string& folder, const std::string& set) {
  const std::string images_path = path_of(folder, set + "-images", "idx3-ubyte");
  const std::string labels_path = path_of(folder, set + "-labels", "idx1-ubyte");
  Tensor images = read_idx(images_path, DType::f32);  // [N, H, W]
  const Tensor labels = read_idx(labels_path);        // [N]
  if (images.rank() != 3 || images.count() == 0)
    fail(ErrorKind::file, images_path, ": pictures are [count, height, width], this holds ", images.shape());
  if (labels.shape() != Shape{images.size(0)})
    fail(ErrorKind::file, labels_path, ": a label for each of ", images.size(0), " pictures is [", images.size(0),
         "], this holds ", labels.shape());
  images.mul_(1.0 / 255);
  return {unsqueeze(images, 1), labels, int64_t(max(labels).item()) + 1};
}

}  // namespace

Pictures some_of(const Pictures& all, int64_t count, Rng& rng) {
  const Tensor which = randint(0, all.count(), {count}, rng);
  return {index_select(all.images, 0, which), index_select(all.labels, 0, which), all.classes};
}

Mnist read_mnist(const std::string& folder) {
  if (!std::filesystem::is_directory(folder)) fail(ErrorKind::file, folder, ": no such folder");
  Mnist mnist{read_set(folder, "train"), read_set(folder, "t10k")};
  const Shape& train = mnist.train.images.shape();
  const Shape& test = mnist.test.images.shape();
  if (train[2] != test[2] || train[3] != test[3])
    fail(ErrorKind::file, folder, ": the pictures to train on, ", train, ", and those to test on, ", test,
         ", differ in size");
  mnist.train.classes = mnist.test.classes = std::max(mnist.train.classes, mnist.test.classes);
  return mnist;
}

}  // namespace fovea::lib
