#include "nn/beam_search.h"

#include <algorithm>
#include <cmath>

#include "autograd/tape.h"
#include "tensor/elementwise.h"
#include "tensor/indexing.h"
#include "tensor/reduce.h"
#include "tensor/rows.h"
#include "tensor/sort.h"
#include "tensor/views.h"

namespace fovea::nn {
namespace {

void check_logits(const char* operation, const Tensor& logits, const Tensor& words, const WritingConfig& c) {
  if (logits.rank() != 2 || logits.size(0) != words.size(0))
    fail(ErrorKind::shape, operation, ": the step must give logits [", words.size(0),
         ", words in the vocabulary], got ", logits.shape());
  if (c.end < 0 || c.end >= logits.size(1))
    fail(ErrorKind::value, operation, ": the end word ", c.end, " lies outside the vocabulary of ", logits.size(1));
}

void check_config(const char* operation, const WritingConfig& c) {
  if (c.max_length < 1) fail(ErrorKind::value, operation, ": max_length must be at least 1, got ", c.max_length);
}

double penalty(int64_t length, double alpha) { return std::pow((5 + double(length)) / 6, alpha); }

bool better(const Hypothesis& a, const Hypothesis& b) { return a.score > b.score; }

// A live hypothesis continued by one word.
struct Continuation {
  size_t from;  // in the list of live ones
  int64_t word;
  double log_probability;
};

// What is known of one sequence.
struct Beam {
  std::vector<Hypothesis> live;
  std::vector<int64_t> rows;        // of the last step, which the live ones continue
  std::vector<Hypothesis> results;  // the best first

  // best [N, k] and which [N, k]: the likeliest words of each row of this step and their log-probabilities. The rows of
  // the live hypotheses begin at `first`.
  void advance(const std::vector<double>& best, const std::vector<int64_t>& which, int64_t k, int64_t first,
               int64_t length, const WritingConfig& config, const BeamConfig& beam) {
    std::vector<Continuation> all;
    for (size_t i = 0; i < live.size(); ++i) {
      for (int64_t j = 0; j < k; ++j) {
        const size_t at = size_t((first + int64_t(i)) * k + j);
        all.push_back({i, which[at], live[i].log_probability + best[at]});
      }
    }
    std::stable_sort(all.begin(), all.end(), [](const Continuation& a, const Continuation& b) {
      return a.log_probability > b.log_probability;
    });
    const std::vector<Hypothesis> before = std::move(live);
    live.clear();
    rows.clear();
    for (size_t i = 0; i < all.size() && int64_t(live.size()) < beam.width; ++i) {
      const Continuation& c = all[i];
      const bool ends = c.word == config.end;
      if (ends && int64_t(i) >= beam.width) continue;
      Hypothesis next = before[c.from];
      next.log_probability = c.log_probability;
      next.score = c.log_probability / penalty(length, beam.length_penalty);
      next.ended = ends;
      if (!ends) next.words.push_back(c.word);
      if (ends || length == config.max_length) {
        add_result(std::move(next), beam.width);
      } else {
        live.push_back(std::move(next));
        rows.push_back(first + int64_t(c.from));
      }
    }
    if (!live.empty() && !can_improve(config, beam)) {
      live.clear();
      rows.clear();
    }
  }

 private:
  void add_result(Hypothesis h, int64_t width) {
    results.insert(std::upper_bound(results.begin(), results.end(), h, better), std::move(h));
    if (int64_t(results.size()) > width) results.pop_back();
  }

  // A log-probability only falls, and the longest sequence is divided by the most.
  bool can_improve(const WritingConfig& config, const BeamConfig& beam) const {
    if (int64_t(results.size()) < beam.width) return true;
    const double highest = live[0].log_probability / penalty(config.max_length, beam.length_penalty);
    return highest > results.back().score;
  }
};

}  // namespace

Tensor greedy_search(const WritingStep& step, int64_t batch, const WritingConfig& config) {
  check_config("greedy_search", config);
  const Tape::Pause no_tape;
  const Tensor rows = arange(batch);
  Tensor word = full({batch}, double(config.start), DType::i64);  // [B]
  Tensor ended = zeros({batch}, DType::boolean);                  // [B]
  std::vector<Tensor> words;
  while (int64_t(words.size()) < config.max_length && !all(ended).item()) {
    const Tensor logits = step(word, rows);  // [B, V]
    check_logits("greedy_search", logits, word, config);
    word = where(ended, scalar(double(config.end), DType::i64), argmax(logits));
    ended = logical_or(ended, equal(word, double(config.end)));
    words.push_back(word);
  }
  return words.empty() ? empty({batch, 0}, DType::i64) : stack(words, 1);  // [B, n]
}

std::vector<std::vector<Hypothesis>> beam_search(const WritingStep& step, int64_t batch, const WritingConfig& config,
                                                 const BeamConfig& beam) {
  check_config("beam_search", config);
  if (beam.width < 1 || !(beam.length_penalty >= 0))
    fail(ErrorKind::value, "beam_search: the width must be at least 1 and the length penalty at least 0, got ",
         beam.width, " and ", beam.length_penalty);
  const Tape::Pause no_tape;
  std::vector<Beam> beams(size_t(batch), Beam{{Hypothesis{}}, {}, {}});
  for (int64_t b = 0; b < batch; ++b) beams[size_t(b)].rows = {b};

  for (int64_t length = 1; length <= config.max_length; ++length) {
    std::vector<int64_t> words, rows;
    for (const Beam& one : beams) {
      for (const Hypothesis& h : one.live) words.push_back(h.words.empty() ? config.start : h.words.back());
      rows.insert(rows.end(), one.rows.begin(), one.rows.end());
    }
    if (words.empty()) break;
    const Tensor last = from_vector(words);               // [N]
    const Tensor logits = step(last, from_vector(rows));  // [N, V]
    check_logits("beam_search", logits, last, config);
    // Of one hypothesis at most `width` continuations go on and one ends.
    const int64_t k = std::min(logits.size(1), beam.width + 1);
    const Sorted best = topk(log_softmax(logits).to(DType::f64), k);  // [N, k]
    const auto values = best.values.to_vector<double>();
    const auto which = best.indices.to_vector<int64_t>();
    int64_t first = 0;
    for (Beam& one : beams) {
      const int64_t count = int64_t(one.live.size());
      one.advance(values, which, k, first, length, config, beam);
      first += count;
    }
  }
  std::vector<std::vector<Hypothesis>> results;
  for (Beam& one : beams) results.push_back(std::move(one.results));
  return results;
}

}  // namespace fovea::nn
