// A text as numbers: one index per character (Unicode code point), split into training and validation parts, and the
// batches that a language model reads.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "tensor/random.h"
#include "tensor/tensor.h"

namespace fovea::lib {

// The different characters of a text, in the order of their code points; a character's index is its place there.
class Vocabulary {
 public:
  explicit Vocabulary(std::u32string_view text);

  int64_t size() const { return int64_t(characters_.size()); }
  const std::u32string& characters() const { return characters_; }
  bool contains(char32_t c) const { return characters_.find(c) != characters_.npos; }
  char32_t character(int64_t index) const { return characters_[size_t(index)]; }
  // Throws ValueError that lists the characters which are not in the vocabulary; `source` names the text.
  std::vector<int64_t> encode(std::u32string_view text, std::string_view source) const;

 private:
  std::u32string characters_;  // sorted, each once
};

struct Batch {
  Tensor inputs;   // i64 [B, T]
  Tensor targets;  // i64 [B, T]: the character that follows each input
};

// The last tenth of the text is kept for validation.
class CharData {
 public:
  // Throws ValueError where either part is too short for one block of `context` characters and the one that follows.
  CharData(std::u32string_view text, int64_t context);

  const Vocabulary& vocabulary() const { return vocabulary_; }
  int64_t size() const { return train_size() + validation_size(); }
  int64_t train_size() const { return int64_t(train_.size()); }
  int64_t validation_size() const { return int64_t(validation_.size()); }

  // Blocks of the training part that begin anywhere, drawn with the generator.
  Batch random_batch(int64_t batch, Rng& rng) const;  // [batch, context]

  // The validation part in blocks that do not overlap; what is left at the end is too short for a block.
  int64_t validation_blocks() const { return (validation_size() - 1) / context_; }
  Batch validation_batch(int64_t first_block, int64_t blocks) const;  // [blocks, context]

 private:
  using Text = std::vector<int32_t>;  // indices: half the memory of the i64 that tensors of them have
  Batch blocks_at(const Text& text, const std::vector<int64_t>& starts) const;

  int64_t context_;
  Vocabulary vocabulary_;
  Text train_, validation_;
};

}  // namespace fovea::lib
