// Encoder and decoder layers against PyTorch's numbers: post-norm and pre-norm, relu and gelu.
#include "autograd/tape.h"
#include "nn/decoder.h"
#include "tests/golden_file.h"

using namespace fovea;

namespace {

nn::LayerConfig config_of(const std::string& name) {
  return {.dim = 8,
          .heads = 2,
          .hidden = 12,
          .activation = name.ends_with("relu") ? nn::Activation::relu : nn::Activation::gelu,
          .norm_first = name.starts_with("pre")};
}

const char* const kCases[] = {"post_relu", "post_gelu", "pre_relu", "pre_gelu"};

}  // namespace

TEST_CASE("an encoder layer equals PyTorch's numbers") {
  for (const DType dtype : {DType::f64, DType::f32}) {
    GoldenFile golden("encoder_layer", dtype);
    for (const std::string name : kCases) {
      CAPTURE(name);
      Rng rng(1);
      nn::EncoderLayer layer(config_of(name), rng);
      golden.load_into(layer, name + ".");
      Parameter x(golden[name + ".x"]);
      Tape tape;
      const Variable y = layer(x, nn::Mask::keep(golden[name + ".keep"]));
      golden.check(name + ".y", y.value());
      tape.backward(y, golden[name + ".g"]);
      golden.check(name + ".x.grad", x.grad());
      golden.check_parameters(layer, name + ".", ".grad");
    }
    CHECK(golden.unused() == "");
  }
}

TEST_CASE("a decoder layer equals PyTorch's numbers") {
  for (const DType dtype : {DType::f64, DType::f32}) {
    GoldenFile golden("decoder_layer", dtype);
    for (const std::string name : kCases) {
      CAPTURE(name);
      Rng rng(1);
      nn::DecoderLayer layer(config_of(name), rng);
      golden.load_into(layer, name + ".");
      Parameter x(golden[name + ".x"]), memory(golden[name + ".memory"]);
      Tape tape;
      const Variable y = layer(x, memory, {}, nn::Mask::keep(golden[name + ".memory_keep"]));
      golden.check(name + ".y", y.value());
      tape.backward(y, golden[name + ".g"]);
      golden.check(name + ".x.grad", x.grad());
      golden.check(name + ".memory.grad", memory.grad());
      golden.check_parameters(layer, name + ".", ".grad");
    }
    CHECK(golden.unused() == "");
  }
}
