#include "examples/lib/sequences.h"

#include <algorithm>
#include <functional>
#include <set>

#include "tensor/error.h"
#include "tensor/indexing.h"
#include "tensor/views.h"

namespace fovea::lib {
namespace {

using Tokens = std::vector<int64_t>;

void at_least(const char* task, const char* what, int64_t value, int64_t least) {
  if (value < least) fail(ErrorKind::value, task, ": ", what, " must be ", least, " or more, got ", value);
}

int64_t below(int64_t n, Rng& rng) { return int64_t(randint(0, n, {1}, rng).item()); }

// Random symbols, and what `change` makes of each row.
SequencePairs changed(const char* task, int64_t batch, int64_t length, int64_t symbols, Rng& rng,
                      const std::function<void(Tokens&)>& change) {
  at_least(task, "batch", batch, 1);
  at_least(task, "length", length, 1);
  at_least(task, "symbols", symbols, 1);
  const Tensor source = randint(Token::first, Token::first + symbols, {batch, length}, rng);
  const Tokens all = source.to_vector<int64_t>();
  Tokens target;
  for (int64_t row = 0; row < batch; ++row) {
    Tokens part(all.begin() + row * length, all.begin() + (row + 1) * length);
    change(part);
    target.insert(target.end(), part.begin(), part.end());
    target.push_back(Token::end);
  }
  return {source, full({batch}, double(length), DType::i64), from_vector(target, {batch, length + 1})};
}

// Rows of different lengths as one tensor.
Tensor padded(const std::vector<Tokens>& rows) {
  size_t longest = 0;
  for (const Tokens& row : rows) longest = std::max(longest, row.size());
  Tokens all;
  for (Tokens row : rows) {
    row.resize(longest, Token::pad);
    all.insert(all.end(), row.begin(), row.end());
  }
  return from_vector(all, {int64_t(rows.size()), int64_t(longest)});
}

}  // namespace

Tensor decoder_input(const Tensor& target) {
  const Tensor start = full({target.size(0), 1}, double(Token::start), DType::i64);
  return cat({start, narrow(target, 1, 0, target.size(1) - 1)}, 1);
}

double exact_matches(const Tensor& written, const Tensor& target) {
  const Tokens said = written.to_vector<int64_t>(), wanted = target.to_vector<int64_t>();
  const int64_t rows = target.size(0), width = written.size(1), columns = target.size(1);
  int64_t right = 0;
  for (int64_t row = 0; row < rows; ++row) {
    const auto token_said = [&](int64_t i) { return i < width ? said[size_t(row * width + i)] : int64_t(Token::pad); };
    const auto token_wanted = [&](int64_t i) { return wanted[size_t(row * columns + i)]; };
    int64_t i = 0;
    while (i < columns && token_said(i) == token_wanted(i) && token_wanted(i) != Token::end) ++i;
    right += i < columns && token_said(i) == token_wanted(i);
  }
  return double(right) / double(std::max<int64_t>(rows, 1));
}

SequencePairs reversal(int64_t batch, int64_t length, int64_t symbols, Rng& rng) {
  return changed("reversal", batch, length, symbols, rng, [](Tokens& row) { std::reverse(row.begin(), row.end()); });
}

SequencePairs sorting(int64_t batch, int64_t length, int64_t symbols, Rng& rng) {
  return changed("sorting", batch, length, symbols, rng, [](Tokens& row) { std::sort(row.begin(), row.end()); });
}

// --- texts -------------------------------------------------------------------------------------------------------

std::vector<TextPair> additions(int64_t count, int64_t digits, Rng& rng) {
  at_least("additions", "count", count, 0);
  at_least("additions", "digits", digits, 1);
  if (digits > 17) fail(ErrorKind::value, "additions: digits must be 17 or fewer, got ", digits);
  int64_t limit = 1;
  for (int64_t i = 0; i < digits; ++i) limit *= 10;
  const auto text = [](int64_t number, int64_t width) {
    const std::string figures = std::to_string(number);
    return std::string(size_t(width) - figures.size(), '0') + figures;
  };
  const Tokens numbers = randint(0, limit, {2 * count}, rng).to_vector<int64_t>();
  std::vector<TextPair> pairs;
  for (size_t i = 0; i < numbers.size(); i += 2) {
    const int64_t a = numbers[i], b = numbers[i + 1];
    pairs.emplace_back(text(a, digits) + "+" + text(b, digits), text(a + b, digits + 1));
  }
  return pairs;
}

Alphabet Alphabet::of(const std::vector<TextPair>& pairs) {
  std::set<char> characters;
  for (const auto& [source, target] : pairs) {
    characters.insert(source.begin(), source.end());
    characters.insert(target.begin(), target.end());
  }
  return Alphabet(std::string(characters.begin(), characters.end()));
}

int64_t Alphabet::token(char c) const {
  const size_t place = characters_.find(c);
  if (place == characters_.npos)
    fail(ErrorKind::value, "Alphabet: the character '", c, "' is not among \"", characters_, "\"");
  return Token::first + int64_t(place);
}

SequencePairs Alphabet::encode(const std::vector<TextPair>& pairs) const {
  std::vector<Tokens> sources, targets;
  Tokens lengths;
  for (const auto& [source, target] : pairs) {
    Tokens& from = sources.emplace_back();
    Tokens& to = targets.emplace_back();
    for (char c : source) from.push_back(token(c));
    for (char c : target) to.push_back(token(c));
    to.push_back(Token::end);
    lengths.push_back(int64_t(from.size()));
  }
  return {padded(sources), from_vector(lengths), padded(targets)};
}

std::string Alphabet::decode(const Tensor& row) const {
  std::string text;
  for (int64_t t : row.to_vector<int64_t>()) {
    if (t == Token::end) break;
    if (t < Token::first || t >= tokens())
      text += '?';  // a model that has not learned yet says such things
    else
      text += characters_[size_t(t - Token::first)];
  }
  return text;
}

// --- one sequence, answers at its places --------------------------------------------------------------------------

Labelled delayed_copy(int64_t batch, int64_t length, int64_t delay, int64_t symbols, Rng& rng) {
  at_least("delayed_copy", "delay", delay, 0);
  at_least("delayed_copy", "length", length, delay + 1);
  const Tensor inputs = randint(0, symbols, {batch, length}, rng);
  if (delay == 0) return {inputs, inputs};
  const Tensor unknown = full({batch, delay}, -1, DType::i64);
  return {inputs, cat({unknown, narrow(inputs, 1, 0, length - delay)}, 1)};
}

Labelled associative_recall(int64_t batch, int64_t pairs, int64_t keys, int64_t values, Rng& rng) {
  at_least("associative_recall", "pairs", pairs, 1);
  at_least("associative_recall", "keys", keys, pairs);
  at_least("associative_recall", "values", values, 1);
  Tokens inputs, targets;
  for (int64_t row = 0; row < batch; ++row) {
    const Tokens chosen = randperm(keys, rng).to_vector<int64_t>();
    const Tokens value = randint(0, values, {pairs}, rng).to_vector<int64_t>();
    for (int64_t i = 0; i < pairs; ++i) {
      inputs.push_back(chosen[size_t(i)]);
      inputs.push_back(keys + value[size_t(i)]);
    }
    const size_t asked = size_t(below(pairs, rng));
    inputs.push_back(chosen[asked]);
    targets.push_back(value[asked]);
  }
  return {from_vector(inputs, {batch, 2 * pairs + 1}), from_vector(targets)};
}

Labelled sentence_order(int64_t batch, int64_t things, Rng& rng) {
  at_least("sentence_order", "things", things, 2);
  Tokens inputs, targets;
  for (int64_t row = 0; row < batch; ++row) {
    const int64_t one = below(things, rng), other = (one + 1 + below(things - 1, rng)) % things;
    inputs.insert(inputs.end(), {one, things, other});
    targets.push_back(one < other);
  }
  return {from_vector(inputs, {batch, 3}), from_vector(targets)};
}

}  // namespace fovea::lib
