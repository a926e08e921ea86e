// Tasks on short sequences, made up as they are needed: what the experiments with attention train on. The same
// generator state gives the same sequences.
//
// B sequences in a batch, S places of the source, T of the target.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "tensor/random.h"
#include "tensor/tensor.h"

namespace fovea::lib {

// Tokens that mean the same in every task; its own come after them.
struct Token {
  static constexpr int64_t pad = 0, start = 1, end = 2, first = 3;
};

// Sequences to be turned into others.
struct SequencePairs {
  Tensor source;   // i64 [B, S], filled up with Token::pad
  Tensor lengths;  // i64 [B]: how much of each source is none
  Tensor target;   // i64 [B, T]: each row ends with Token::end and is filled up with Token::pad
};
// What a decoder reads while it is taught: Token::start, then all of the target but its last column. [B, T]
Tensor decoder_input(const Tensor& target);
// The share of rows that agree with the target up to and including its Token::end. written i64 [B, any]
double exact_matches(const Tensor& written, const Tensor& target);

// Sources of `length` symbols out of `symbols` (tokens Token::first …), and the same symbols backwards or sorted.
SequencePairs reversal(int64_t batch, int64_t length, int64_t symbols, Rng& rng);
SequencePairs sorting(int64_t batch, int64_t length, int64_t symbols, Rng& rng);

// --- texts -------------------------------------------------------------------------------------------------------
using TextPair = std::pair<std::string, std::string>;

std::vector<TextPair> additions(int64_t count, int64_t digits, Rng& rng);  // {"047+912", "0959"}
std::vector<TextPair> dates(int64_t count, Rng& rng);  // {"Sat, 21 Nov 2026", "2026-11-21"}, 1950 to 2049

// Characters as tokens, in the order of the alphabet.
class Alphabet {
 public:
  explicit Alphabet(std::string characters) : characters_(std::move(characters)) {}
  static Alphabet of(const std::vector<TextPair>& pairs);  // the characters that occur

  int64_t tokens() const { return Token::first + int64_t(characters_.size()); }  // with those of struct Token
  SequencePairs encode(const std::vector<TextPair>& pairs) const;                // ValueError: an unknown character
  std::string decode(const Tensor& row) const;                                   // i64 [T], up to Token::end

 private:
  int64_t token(char c) const;
  std::string characters_;
};

// --- one sequence, answers at its places --------------------------------------------------------------------------
struct Labelled {
  Tensor inputs;   // i64 [B, T]
  Tensor targets;  // i64 [B, T], or [B] where a whole sequence has one answer; -1: no answer is asked for
};

// Each place is to say what stood `delay` places before it; symbols 0 … symbols-1.
Labelled delayed_copy(int64_t batch, int64_t length, int64_t delay, int64_t symbols, Rng& rng);
// `pairs` different keys, each followed by its value, then one of the keys again: which value? Keys are 0 … keys-1,
// values keys … keys+values-1; inputs [B, 2 pairs + 1], targets [B] in 0 … values-1.
Labelled associative_recall(int64_t batch, int64_t pairs, int64_t keys, int64_t values, Rng& rng);
// "The cat sits on the mat" or "the mat sits on the cat": which of its two things does a sentence name first, the one
// of the lower number? inputs [B, 3]: thing, verb, thing; things are 0 … things-1, the verb is `things`; targets [B].
Labelled sentence_order(int64_t batch, int64_t things, Rng& rng);

}  // namespace fovea::lib
