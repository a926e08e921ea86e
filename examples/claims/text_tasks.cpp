// Uses of attention on texts that are read, not rewritten: a tag for each word, one verdict on a sentence, the place of
// an answer. One small encoder, three heads; and the table of all uses that run here.
#include <algorithm>

#include "autograd/reduce.h"
#include "autograd/views.h"
#include "examples/claims/stopwatch.h"
#include "examples/claims/training.h"
#include "examples/lib/sequences.h"
#include "nn/embedding.h"
#include "nn/encoder.h"
#include "nn/losses.h"
#include "tensor/views.h"

namespace fovea::claims {
namespace {

using Words = std::vector<std::string>;

// A sentence and what is wanted of it: numbers, one for each word, for the whole, or the first and last word of a span.
struct Example {
  Words words;
  std::vector<int64_t> wanted;
};

const std::string& any_of(const Words& words, Rng& rng) {
  return words[size_t(randint(0, int64_t(words.size()), {1}, rng).item())];
}
bool coin(Rng& rng) { return randint(0, 2, {1}, rng).item() == 1; }

// "the walk she may walk": a word that may be a noun or a verb is what the word before it makes it.
Example tagging(Rng& rng) {
  enum Tag { article, pronoun, modal, noun, verb };
  static const Words articles = {"the", "a", "this"}, pronouns = {"she", "he", "they", "we"}, modals = {"may", "can"},
                     either = {"walk", "run", "play", "sleep", "work", "talk", "dance", "rest"};
  Example e;
  const auto say = [&](const Words& words, Tag tag) { e.words.push_back(any_of(words, rng)), e.wanted.push_back(tag); };
  for (int phrase = 0; phrase < 4; ++phrase) {
    const bool about_a_noun = coin(rng);
    say(about_a_noun ? articles : pronouns, about_a_noun ? article : pronoun);
    if (!about_a_noun && coin(rng)) say(modals, modal);
    say(either, about_a_noun ? noun : verb);
  }
  return e;
}

// "good , not bad , dull": more good than bad is said, "not" turning what follows it. 1 if so.
Example sentiment(Rng& rng) {
  static const Words good = {"good", "fine", "warm", "clever"}, bad = {"bad", "dull", "cold", "silly"};
  Example e;
  int balance = 0;
  for (int said = 0; said < 3; ++said) {
    const bool turned = coin(rng), praise = coin(rng);
    if (said > 0) e.words.push_back(",");
    if (turned) e.words.push_back("not");
    e.words.push_back(any_of(praise ? good : bad, rng));
    balance += praise != turned ? 1 : -1;
  }
  e.wanted = {balance > 0};
  return e;
}

// "anna in the old park . bob in the kitchen . where is anna ?": the place, from its first word to its last.
Example question(Rng& rng) {
  static const Words names = {"anna", "bob", "carl", "dora"}, old = {"old", "big", "dark", "green"},
                     places = {"park", "house", "kitchen", "garden", "tower", "street"};
  Example e;
  const std::vector<int64_t> order = randperm(int64_t(names.size()), rng).to_vector<int64_t>();
  const int64_t asked = coin(rng);
  for (int64_t i = 0; i < 2; ++i) {
    for (const std::string& word : {names[size_t(order[size_t(i)])], std::string("in"), std::string("the")})
      e.words.push_back(word);
    const auto first = int64_t(e.words.size());
    for (int64_t more = randint(0, 3, {1}, rng).item(); more > 0; --more) e.words.push_back(any_of(old, rng));
    e.words.push_back(any_of(places, rng));
    if (i == asked) e.wanted = {first, int64_t(e.words.size()) - 1};
    e.words.push_back(".");
  }
  for (const std::string& word : {std::string("where"), std::string("is"), names[size_t(order[size_t(asked)])]})
    e.words.push_back(word);
  return e;
}

// Reads a text in both directions, and puts out so many numbers for each word.
struct Reader : nn::Module {
  nn::Embedding embedding;
  nn::Encoder encoder;
  nn::Linear head;

  Reader(int64_t vocab, int64_t outputs, Rng rng)
      : embedding(vocab, 48, rng),
        encoder({.dim = 48,
                 .heads = 4,
                 .hidden = 96,
                 .norm_first = true,
                 .positions = nn::Positions::learned,
                 .context = 32},
                2, rng),
        head(48, outputs, rng) {}

  Variable operator()(const Tensor& words) const {  // i64 [B, T] -> [B, T, outputs]
    return head(encoder(embedding(words), nn::Mask::keep_keys(words > double(Token::pad))));
  }
  void visit(nn::Visitor& v) override {
    v("embedding", embedding);
    v("encoder", encoder);
    v("head", head);
  }
};

struct Task {
  std::string name, use, answer;  // answer: what is read off
  int64_t outputs;
  Example (*example)(Rng& rng);
  // The outputs [B, T, outputs] -> logits over what each wanted number may be.
  Variable (*logits)(const Variable& outputs);
};

const std::vector<Task> kTasks = {
    {"tagging", "parts of speech", "a tag for each word", 5, tagging, [](const Variable& y) { return y; }},
    {"sentiment", "classification", "one verdict", 2, sentiment, [](const Variable& y) { return mean(y, {1}); }},
    {"question", "question answering", "the first and the last word of the answer", 2, question,
     [](const Variable& y) { return transpose(y, 1, 2); }},  // [B, 2, T]: a pointer to the first, one to the last
};

// Words as tokens, numbered as they come up.
class Vocabulary {
 public:
  int64_t token(const std::string& word) {
    const auto at = std::find(words_.begin(), words_.end(), word);
    if (at == words_.end()) return words_.push_back(word), Token::first + int64_t(words_.size()) - 1;
    return Token::first + (at - words_.begin());
  }

 private:
  Words words_;
};

constexpr int64_t kLongest = 20, kVocab = 48;  // more words than any of the tasks has

// inputs [B, kLongest]; targets [B, kLongest] of tags, else [B] or [B, 2]
Labelled batch_of(const Task& task, int64_t count, Vocabulary& vocabulary, Rng& rng) {
  std::vector<int64_t> inputs, targets;
  for (int64_t row = 0; row < count; ++row) {
    Example e = task.example(rng);
    for (const std::string& word : e.words) inputs.push_back(vocabulary.token(word));
    inputs.resize(size_t((row + 1) * kLongest), Token::pad);
    if (e.wanted.size() == e.words.size()) e.wanted.resize(size_t(kLongest), -1);  // no tags for padding
    targets.insert(targets.end(), e.wanted.begin(), e.wanted.end());
  }
  const auto each = int64_t(targets.size()) / count;
  return {from_vector(inputs, {count, kLongest}),
          each == 1 ? from_vector(targets) : from_vector(targets, {count, each})};
}

std::string sentence(const Words& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

}  // namespace

Exhibit uses_of_attention(const Run& run) {
  Grid table{.header = {"use", "example", "what is read off", "right", "training"},
             .caption =
                 "One encoder of two layers, width 48, and a linear head; texts made up at random, new ones for "
                 "the test. Of a question, half an answer counts half."};
  double lowest = 1, median = 1;  // of the hardest task
  std::string number;
  for (const Task& task : kTasks) {
    std::vector<double> right, seconds;
    for (const uint64_t seed : run.seeds(3, 1)) {
      Rng data = run.rng(task.name, seed);
      Vocabulary vocabulary;
      Reader model(kVocab, task.outputs, run.rng("weights", seed));
      const Stopwatch watch;
      train(run, model, {.steps = run.either(500, 120), .lr = 5e-3, .label = task.name}, [&](int64_t) {
        const Labelled batch = batch_of(task, 32, vocabulary, data);
        return nn::cross_entropy(task.logits(model(batch.inputs)), batch.targets, {.ignore_index = -1});
      });
      seconds.push_back(watch.seconds());
      const Labelled test = batch_of(task, 500, vocabulary, data);
      right.push_back(accuracy(task.logits(model(test.inputs)).value(), test.targets));
    }
    Rng shown = run.rng("shown");
    table.rows.push_back({task.use, sentence(task.example(shown).words), task.answer, spread(right).percent(),
                          format_duration(spread(seconds).median)});
    lowest = std::min(lowest, spread(right).low), median = std::min(median, spread(right).median);
    number += (number.empty() ? "" : ", ") + task.name + " " + spread(right).percent();
  }
  const Grid others{.header = {"use", "toy", "exhibit"},
                    .rows = {{"translation", "dates as people write them into ISO 8601", "74-dates"},
                             {"arithmetic", "sums of three figures", "74-addition"},
                             {"algorithms", "sorting; writing backwards", "74-sorting, 37"},
                             {"pictures", "shapes, by patches and by convolution with attention", "72, 52"},
                             {"captions", "coloured shapes in five words", "42"}},
                    .caption =
                        "What else runs in this book. Summaries and speech do not: they need data that no program "
                        "can make up."};
  return {.verdict = lowest >= 0.95   ? Verdict::holds
                     : median >= 0.95 ? Verdict::within_limits
                                      : Verdict::fails,
          .number = number,
          .remark =
              "The same layers serve all of them; what differs is what is read off. These are toys: they show that "
              "the mechanism can do the kind of thing, not that it does it on real texts." +
              in_a_hurry(run),
          .grids = {table, others}};
}

extern const std::vector<Claim> text_task_claims;
const std::vector<Claim> text_task_claims = {
    {.id = "74",
     .title = "What attention is used for",
     .statement = "Translation, question answering, classification, tagging, vision: one mechanism serves them all.",
     .experiment = uses_of_attention},
};

}  // namespace fovea::claims
