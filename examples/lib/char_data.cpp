#include "examples/lib/char_data.h"

#include <algorithm>
#include <cstdio>
#include <set>

#include "examples/lib/format.h"
#include "examples/lib/utf8.h"

namespace fovea::lib {
namespace {

// U+000A, or 'x' (U+0078) where it can be shown.
std::string describe(char32_t c) {
  char code[16];
  std::snprintf(code, sizeof code, "U+%04X", unsigned(c));
  return c < U' ' ? std::string(code) : "'" + encode_utf8(std::u32string(1, c)) + "' (" + code + ")";
}

}  // namespace

Vocabulary::Vocabulary(std::u32string_view text) : characters_(text) {
  std::sort(characters_.begin(), characters_.end());
  characters_.erase(std::unique(characters_.begin(), characters_.end()), characters_.end());
  characters_.shrink_to_fit();
}

std::vector<int64_t> Vocabulary::encode(std::u32string_view text, std::string_view source) const {
  std::vector<int64_t> indices;
  indices.reserve(text.size());
  std::set<char32_t> unknown;
  for (char32_t c : text) {
    const auto place = std::lower_bound(characters_.begin(), characters_.end(), c);
    if (place == characters_.end() || *place != c) unknown.insert(c);
    indices.push_back(place - characters_.begin());
  }
  if (unknown.empty()) return indices;
  std::string list;
  for (char32_t c : unknown) {
    if (list.size() > 60) {
      list += ", …";
      break;
    }
    list += (list.empty() ? "" : ", ") + describe(c);
  }
  fail(ErrorKind::value, source, ": ", unknown.size(), " character(s) that the model was not trained on: ", list);
}

CharData::CharData(std::u32string_view text, int64_t context) : context_(context), vocabulary_(text) {
  const std::vector<int64_t> all = vocabulary_.encode(text, "text");
  const auto cut = std::ptrdiff_t(all.size() * 9 / 10);
  train_.assign(all.begin(), all.begin() + cut);
  validation_.assign(all.begin() + cut, all.end());
  const int64_t smallest = std::min(train_size(), validation_size());
  if (smallest < context + 1)
    fail(ErrorKind::value, "text: ", format_count(int64_t(all.size())), " characters are too few: a tenth is kept for ",
         "validation, and ", format_count(smallest), " characters hold no block of --context ", context,
         " and the character after it; give more text or a smaller --context");
}

Batch CharData::blocks_at(const Text& text, const std::vector<int64_t>& starts) const {
  std::vector<int64_t> inputs, targets;
  for (int64_t start : starts) {
    const auto first = text.begin() + start;
    inputs.insert(inputs.end(), first, first + context_);
    targets.insert(targets.end(), first + 1, first + context_ + 1);
  }
  const Shape shape{int64_t(starts.size()), context_};  // [B, T]
  return {from_vector(inputs, shape), from_vector(targets, shape)};
}

Batch CharData::random_batch(int64_t batch, Rng& rng) const {
  return blocks_at(train_, randint(0, train_size() - context_, {batch}, rng).to_vector<int64_t>());
}

Batch CharData::validation_batch(int64_t first_block, int64_t blocks) const {
  std::vector<int64_t> starts;
  for (int64_t i = 0; i < blocks; ++i) starts.push_back((first_block + i) * context_);
  return blocks_at(validation_, starts);
}

}  // namespace fovea::lib
