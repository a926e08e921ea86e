// The parts of char_gpt that hold data, choose tokens and keep a run: examples/lib/{char_data,sampling,checkpoint}.
#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "examples/lib/char_data.h"
#include "examples/lib/checkpoint.h"
#include "examples/lib/own_text.h"
#include "examples/lib/sampling.h"
#include "examples/lib/utf8.h"
#include "nn/gpt.h"
#include "optim/adam.h"
#include "tensor/elementwise.h"
#include "tensor/file.h"
#include "tests/messages.h"
#include "tests/temporary_folder.h"

using namespace fovea;
using namespace fovea::lib;

TEST_CASE("a vocabulary numbers the characters of a text in their order") {
  const Vocabulary vocabulary(U"banana 中");
  CHECK(vocabulary.characters() == U" abn中");
  CHECK(vocabulary.encode(U"an中", "x") == std::vector<int64_t>{1, 3, 4});
  CHECK(vocabulary.character(4) == U'中');
  CHECK(vocabulary.contains(U'b'));
  CHECK_FALSE(vocabulary.contains(U'c'));
  CHECK(message_of<ValueError>([&] { vocabulary.encode(U"axya\n", "--prompt"); }) ==
        "--prompt: 3 character(s) that the model was not trained on: U+000A, 'x' (U+0078), 'y' (U+0079)");
}

TEST_CASE("a text is split nine to one, and targets follow their inputs") {
  std::u32string text;
  for (int i = 0; i < 200; ++i) text += char32_t(U'a' + i % 26);
  const CharData data(text, 6);
  CHECK(data.train_size() == 180);
  CHECK(data.validation_size() == 20);
  CHECK(data.validation_blocks() == 3);  // 19 / 6

  const Batch blocks = data.validation_batch(1, 2);  // the blocks that begin at 186 and 192
  CHECK(blocks.inputs.shape() == Shape{2, 6});
  for (int64_t row = 0; row < 2; ++row) {
    for (int64_t column = 0; column < 6; ++column) {
      const int64_t place = 180 + (row + 1) * 6 + column;
      CHECK(blocks.inputs.at({row, column}) == double(place % 26));
      CHECK(blocks.targets.at({row, column}) == double((place + 1) % 26));
    }
  }
  Rng rng(1);
  const Batch random = data.random_batch(50, rng);
  CHECK(random.inputs.shape() == Shape{50, 6});
  for (int64_t row = 0; row < 50; ++row) {
    for (int64_t column = 0; column < 6; ++column)
      CHECK(int64_t(random.targets.at({row, column})) == int64_t(random.inputs.at({row, column}) + 1) % 26);
  }
  CHECK_THROWS_AS(CharData(text, 20), ValueError);
}

TEST_CASE("sampling: temperature, top-k and top-p") {
  const Tensor logits = log(tensor({0.1, 0.4, 0.2, 0.3}, DType::f64));
  const auto frequencies = [&](const Sampling& how) {
    Rng rng(5);
    std::map<int64_t, int> counts;
    for (int i = 0; i < 4000; ++i) ++counts[sample_token(logits, how, rng)];
    return counts;
  };
  CHECK(frequencies({.temperature = 0}) == std::map<int64_t, int>{{1, 4000}});
  CHECK(frequencies({.top_k = 1}) == std::map<int64_t, int>{{1, 4000}});
  const std::map<int64_t, int> all = frequencies({});
  for (const auto& [token, share] : std::map<int64_t, double>{{0, 0.1}, {1, 0.4}, {2, 0.2}, {3, 0.3}})
    CHECK(std::abs(all.at(token) / 4000.0 - share) < 0.04);
  const std::map<int64_t, int> two = frequencies({.top_k = 2});
  CHECK(two.size() == 2);
  CHECK(std::abs(two.at(1) / 4000.0 - 4.0 / 7) < 0.04);
  CHECK(frequencies({.top_p = 0.39}).size() == 1);  // the first always stays
  CHECK(frequencies({.top_p = 0.65}).size() == 2);
  CHECK(frequencies({.top_p = 0.75}).size() == 3);
  CHECK(frequencies({.temperature = 0.05}).size() <= 2);  // nearly the likeliest alone
}

namespace {

struct SmallRun {
  Rng rng{3};
  nn::GPTConfig config{.vocab = 5, .layers = 1, .heads = 2, .dim = 8, .context = 4, .dropout = 0.5};
  nn::GPT model{config, rng};
  optim::AdamW optimiser{model.parameters()};
  Rng batches = rng.stream("batches");

  void step() {
    model.zero_grad();
    for (const NamedParameter& p : model.parameters()) p.parameter->set_grad(ones(p.parameter->shape()));
    optimiser.step(0.1);
    model.dropout(Variable(ones({4})));
    batches.reserve(7);
  }
  Checkpoint checkpoint() {
    Checkpoint c;
    c.step = 12;
    c.arguments = {"--dim=8", "--text=a b.txt"};
    c.characters = U"a\n中";
    c.text_checksum = 0xfedcba9876543210;
    c.loss_sum = 1.0 / 3;
    c.loss_count = 4;
    collect(c, model, optimiser, batches);
    return c;
  }
};

}  // namespace

TEST_CASE("a checkpoint brings a run back, bit for bit") {
  const TemporaryFolder folder;
  const std::string path = folder / "run.safetensors";
  SmallRun original;
  original.step();
  save_checkpoint(path, original.checkpoint());
  const Checkpoint loaded = load_checkpoint(path);
  CHECK(loaded.step == 12);
  CHECK(loaded.arguments == std::vector<std::string>{"--dim=8", "--text=a b.txt"});
  CHECK(loaded.characters == U"a\n中");
  CHECK(loaded.text_checksum == 0xfedcba9876543210);
  CHECK(loaded.loss_sum == 1.0 / 3);
  CHECK(loaded.loss_count == 4);

  SmallRun other;
  CHECK(weights_checksum(other.model) != weights_checksum(original.model));
  restore(loaded, other.model, other.optimiser, other.batches);
  CHECK(weights_checksum(other.model) == weights_checksum(original.model));
  CHECK(other.batches == original.batches);
  original.step();
  other.step();
  CHECK(weights_checksum(other.model) == weights_checksum(original.model));
}

TEST_CASE("a damaged checkpoint is refused, and the one before it is named") {
  const TemporaryFolder folder;
  const std::string path = folder / "run.safetensors";
  SmallRun run;
  save_checkpoint(path, run.checkpoint());
  std::string bytes = contents(path);
  bytes[bytes.size() - 5] = char(bytes[bytes.size() - 5] ^ 1);  // a bit of some weight
  put(path, bytes);
  CHECK(message_of<FileError>([&] { load_checkpoint(path); }) ==
        path + ": damaged: its contents do not match the checksum it carries");
  run.step();
  save_checkpoint(path, run.checkpoint());  // the damaged one is now the previous
  put(path, bytes);
  CHECK(message_of<FileError>([&] {
          load_checkpoint(path);
        }).find("the checkpoint before it is " + previous_version(path)) != std::string::npos);
}

TEST_CASE("the program carries its own sources as a text") {
  CHECK(own_text().size() > 100000);
  CHECK(own_text().substr(0, 7) == "# fovea");
  CHECK_NOTHROW(decode_utf8(own_text(), "own text"));
}
