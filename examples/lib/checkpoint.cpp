#include "examples/lib/checkpoint.h"

#include <unistd.h>

#include <charconv>

#include "examples/lib/format.h"
#include "examples/lib/utf8.h"
#include "tensor/checksum.h"
#include "tensor/safetensors.h"

namespace fovea::lib {
namespace {

using Tensors = std::map<std::string, Tensor>;
using Metadata = std::map<std::string, std::string>;

struct GeneratorReader : nn::Visitor {
  Tensors* states;
  explicit GeneratorReader(Tensors* s) : states(s) {}
  void generator(const std::string& path, Rng& rng) override {
    const auto state = rng.state();
    (*states)[path] = from_vector(std::vector<int64_t>(state.begin(), state.end()));
  }
};

struct GeneratorWriter : nn::Visitor {
  const Tensors* states;
  explicit GeneratorWriter(const Tensors* s) : states(s) {}
  void generator(const std::string& path, Rng& rng) override { rng = read(*states, path); }

  static Rng read(const Tensors& states, const std::string& path) {
    const auto it = states.find(path);
    if (it == states.end() || it->second.shape() != Shape{3})
      fail(ErrorKind::value, "checkpoint: no state for the random generator ", path);
    const std::vector<int64_t> numbers = it->second.to_vector<int64_t>();
    return Rng::from_state({numbers[0], numbers[1], numbers[2]});
  }
};

uint64_t text_checksum(std::string_view text, uint64_t seed) {
  return checksum(std::as_bytes(std::span(text.data(), text.size())), seed);
}

uint64_t tensors_checksum(const Tensors& tensors, uint64_t seed = 0) {
  for (const auto& [name, tensor] : tensors) seed = checksum(tensor, text_checksum(name, seed));
  return seed;
}

uint64_t whole_checksum(const Tensors& tensors, const Metadata& metadata) {
  uint64_t sum = tensors_checksum(tensors);
  for (const auto& [name, text] : metadata) {
    if (name != "checksum") sum = text_checksum(text, text_checksum(name, sum));
  }
  return sum;
}

void put(Tensors& all, const std::string& prefix, const Tensors& part) {
  for (const auto& [name, tensor] : part) all[prefix + name] = tensor;
}

Tensors take(const Tensors& all, const std::string& prefix) {
  Tensors part;
  for (const auto& [name, tensor] : all) {
    if (name.compare(0, prefix.size(), prefix) == 0) part[name.substr(prefix.size())] = tensor;
  }
  return part;
}

std::string join_lines(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + '\n';
  return text;
}

std::vector<std::string> split_lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

template <class T, class... Base> T number(const std::string& text, const std::string& path, Base... base) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base...);
  if (error != std::errc() || end != text.data() + text.size())
    fail(ErrorKind::file, path, ": not a checkpoint of a run: \"", text, "\" is no number");
  return value;
}

}  // namespace

void collect(Checkpoint& into, nn::Module& model, const optim::Optimizer& optimiser, const Rng& batches) {
  into.model = model.state();
  into.optimiser = optimiser.state();
  GeneratorReader reader(&into.generators);
  model.visit(reader);
  Rng copy = batches;
  reader.generator("batches", copy);
}

void restore(const Checkpoint& from, nn::Module& model, optim::Optimizer& optimiser, Rng& batches) {
  model.load_state(from.model);
  optimiser.load_state(from.optimiser);
  GeneratorWriter writer(&from.generators);
  model.visit(writer);
  batches = GeneratorWriter::read(from.generators, "batches");
}

void save_checkpoint(const std::string& path, const Checkpoint& checkpoint) {
  Tensors tensors;
  put(tensors, "model.", checkpoint.model);
  put(tensors, "optimiser.", checkpoint.optimiser);
  put(tensors, "random.", checkpoint.generators);
  Metadata metadata = {{"format", "pt"},
                       {"step", std::to_string(checkpoint.step)},
                       {"loss_sum", format_number(checkpoint.loss_sum)},
                       {"loss_count", std::to_string(checkpoint.loss_count)},
                       {"arguments", join_lines(checkpoint.arguments)},
                       {"characters", encode_utf8(checkpoint.characters)},
                       {"text", checksum_text(checkpoint.text_checksum)}};
  metadata["checksum"] = checksum_text(whole_checksum(tensors, metadata));
  save_safetensors(path, tensors, metadata, KeepPrevious::yes);
}

Checkpoint load_checkpoint(const std::string& path) {
  SafeTensors file;
  try {
    file = load_safetensors(path);
    for (const char* name : {"step", "loss_sum", "loss_count", "arguments", "characters", "text", "checksum"}) {
      if (!file.metadata.count(name))
        fail(ErrorKind::file, path, ": not a checkpoint of a run: it has no \"", name, "\"");
    }
    if (file.metadata["checksum"] != checksum_text(whole_checksum(file.tensors, file.metadata)))
      fail(ErrorKind::file, path, ": damaged: its contents do not match the checksum it carries");
  } catch (const FileError& error) {
    const std::string previous = previous_version(path);
    if (access(previous.c_str(), R_OK) != 0 || access(path.c_str(), F_OK) != 0) throw;
    fail(ErrorKind::file, error.what(), "; the checkpoint before it is ", previous, ": rename it to ", path,
         " to go on from there");
  }
  Checkpoint checkpoint;
  checkpoint.step = number<int64_t>(file.metadata["step"], path);
  checkpoint.loss_sum = number<double>(file.metadata["loss_sum"], path);
  checkpoint.loss_count = number<int64_t>(file.metadata["loss_count"], path);
  checkpoint.arguments = split_lines(file.metadata["arguments"]);
  checkpoint.characters = decode_utf8(file.metadata["characters"], path);
  checkpoint.text_checksum = number<uint64_t>(file.metadata["text"], path, 16);
  checkpoint.model = take(file.tensors, "model.");
  checkpoint.optimiser = take(file.tensors, "optimiser.");
  checkpoint.generators = take(file.tensors, "random.");
  return checkpoint;
}

uint64_t weights_checksum(nn::Module& model) { return tensors_checksum(model.state()); }

}  // namespace fovea::lib
