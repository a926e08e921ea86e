// The same numbers on every machine, with one thread and with several: checksums of every operation, forward and
// backward, and of a training run, pinned in tests/golden/bits.txt and equal on AVX2, AVX-512, the 64-byte source on
// narrow registers, and NEON, with either compiler. The baseline of x86-64 has no fused multiply-add, so it alone
// rounds differently.
//
// A line of the file is "f32's f64's name". A change of the numerics changes lines: a failing run prints the new ones.
#include <doctest/doctest.h>

#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <sstream>

#include "autograd/tape.h"
#include "nn/gpt.h"
#include "nn/losses.h"
#include "op_cases.h"
#include "optim/adam.h"
#include "optim/clip.h"
#include "tensor/checksum.h"
#include "tensor/dispatch.h"
#include "tensor/loop.h"
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

uint64_t bits_of(const OpCase& row, const std::vector<Tensor>& inputs) {
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

// The one checksum that every level gives which rounds as the active one does, that one with 1, 2 and 5 threads too.
uint64_t common_bits(const std::string& name, DType dtype, const std::function<uint64_t()>& bits) {
  const Restored restored;
  const bool fused = kernels().fused;
  std::optional<uint64_t> common;
  for (const Isa isa : available_isas()) {
    set_isa(isa);
    if (kernels().fused != fused) continue;
    for (const int count : {1, 2, 5}) {
      if (count > 1 && isa != restored.isa) break;
      set_threads(count);
      const uint64_t found = bits();
      if (!common) common = found;
      CHECK_MESSAGE(found == *common, name, " ", dtype, ": other bits than before with ", isa_name(isa), " and ", count,
                    " threads");
    }
  }
  return *common;
}

}  // namespace

TEST_CASE("every operation and a training run give the same bits on every machine, with any number of threads") {
  const auto pinned = pinned_lines();
  size_t compared = 0, shared = 0;
  std::ostringstream wrong;  // the lines as they are here
  const auto compare = [&](const std::string& name, uint64_t f32, uint64_t f64) {
    const auto expected = pinned.find(name);
    const std::string line = checksum_text(f32) + " " + checksum_text(f64) + " " + name;
    if (expected != pinned.end()) ++compared;
    if (expected == pinned.end() || expected->second != line) wrong << line << "\n";
  };
  for (const OpCase& small : op_cases()) {
    const OpCase row = with_large_sizes(small);
    uint64_t bits[2] = {};
    const std::vector<Tensor> inputs = make_inputs(row);
    for (const DType dtype : {DType::f32, DType::f64}) {
      std::vector<Tensor> converted;
      for (const Tensor& x : inputs) converted.push_back(x.to(dtype));
      bits[dtype == DType::f64] = common_bits(row.name, dtype, [&] { return bits_of(row, converted); });
    }
    compare(small.name, bits[0], bits[1]);
    shared += inputs[0].count() > kGrain;
  }
  const auto trained = [](DType dtype) {
    return common_bits("training run", dtype, [dtype] { return bits_of_training(dtype); });
  };
  compare("training run", trained(DType::f32), trained(DType::f64));
  CHECK(shared == 168);  // rows so large that threads share them; pinned
  if (!kernels().fused) return;
  CHECK_MESSAGE(wrong.str().empty(), "other bits than in tests/golden/bits.txt, or not there:\n", wrong.str());
  CHECK(compared == pinned.size());
}
