// The same numbers on every machine: checksums of every operation, forward and backward, and of a training run, pinned
// in tests/golden/bits.txt and equal on AVX2, AVX-512, the 64-byte source on narrow registers, and NEON, with either
// compiler. The baseline of x86-64 has no fused multiply-add, so it alone rounds differently.
//
// A line of the file is "f32's f64's name". A change of the numerics changes lines: a failing run prints the new ones.
#include <doctest/doctest.h>

#include <fstream>
#include <map>
#include <sstream>

#include "autograd/tape.h"
#include "nn/gpt.h"
#include "nn/losses.h"
#include "op_cases.h"
#include "optim/adam.h"
#include "optim/clip.h"
#include "tensor/checksum.h"
#include "tensor/dispatch.h"
#include "tensor/random.h"
#include "tensor/views.h"
#include "tests/restored.h"

using namespace fovea;
using namespace fovea::tests;

namespace {

std::map<std::string, std::string> pinned_lines() {
  std::map<std::string, std::string> lines;
  std::ifstream file("tests/golden/bits.txt");
  for (std::string f32, f64, name; file >> f32 >> f64 && std::getline(file >> std::ws, name);)
    lines[name] = f32 + " " + f64 + " " + name;
  REQUIRE_MESSAGE(!lines.empty(), "tests/golden/bits.txt is missing or empty; run the tests from the project's folder");
  return lines;
}

uint64_t bits_of(const OpCase& row, DType dtype) {
  std::vector<Tensor> inputs;
  for (const Tensor& x : make_inputs(row)) inputs.push_back(x.to(dtype));
  uint64_t sum = 0;
  for (const Tensor& x : run_case(row, inputs).tensors) sum = checksum(x, sum);
  return sum;
}

// Five steps of a small GPT with dropout; the checksum of its weights.
uint64_t bits_of_training(DType dtype) {
  Rng rng(7);
  nn::GPT model({.vocab = 11, .layers = 2, .heads = 2, .dim = 32, .context = 24, .dropout = 0.1}, rng);
  model.to(dtype);
  optim::AdamW optimizer(optim::decay_groups(model.parameters(), 0.1));
  for (int step = 0; step < 5; ++step) {
    const Tensor words = randint(0, 11, {4, 25}, rng);
    Tape tape;
    tape.backward(nn::cross_entropy(model(narrow(words, 1, 0, 24)), narrow(words, 1, 1, 24)));
    optim::clip_grad_norm(model.parameters(), 1.0);
    optimizer.step(1e-2);
    model.zero_grad();
  }
  uint64_t sum = 0;
  for (const auto& [path, p] : model.parameters()) sum = checksum(p->value(), sum);
  return sum;
}

}  // namespace

TEST_CASE("every operation and a training run give the same bits on every machine") {
  const auto pinned = pinned_lines();
  const Restored restored;
  for (const Isa isa : available_isas()) {
    set_isa(isa);
    if (!kernels().fused) continue;
    size_t compared = 0;
    std::ostringstream wrong;  // the lines as they are here
    const auto compare = [&](const std::string& name, auto bits) {
      const auto expected = pinned.find(name);
      const std::string line = checksum_text(bits(DType::f32)) + " " + checksum_text(bits(DType::f64)) + " " + name;
      if (expected != pinned.end()) ++compared;
      if (expected == pinned.end() || expected->second != line) wrong << line << "\n";
    };
    for (const OpCase& row : op_cases()) {
      const OpCase large = row.sizes == Sizes::fixed ? row : with_large_sizes(row);
      compare(row.name, [&](DType dtype) { return bits_of(large, dtype); });
    }
    compare("training run", bits_of_training);
    CHECK_MESSAGE(wrong.str().empty(), isa_name(isa), ": other bits than in tests/golden/bits.txt, or not there:\n",
                  wrong.str());
    CHECK(compared == pinned.size());
  }
}
