// A claim of the notes on attention and the experiment that puts it to the test: what a file of experiments includes.
//
//   Exhibit variance_of_scores(const Run& run) {
//     const Spread variance = spread(…one number for each of run.seeds()…);
//     return {.verdict = within(variance, 0.95, 1.05) ? Verdict::holds : Verdict::fails,
//             .number = variance.text(3),
//             .remark = "Why, within which limits, and where we disagree.",
//             .pictures = {{line_plot(…), "What the picture shows."}}};
//   }
//
// An experiment is one function, in column 0, named like nothing else; the page shows its text. At the end of its file
// stands the table of the file's claims, which book.cpp collects. The verdict comes from the numbers of this run.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "examples/lib/format.h"
#include "examples/lib/plot.h"
#include "tensor/random.h"

namespace fovea::lib {
struct Mnist;
}

namespace fovea::claims {

using namespace lib;  // plots, and the words for numbers

enum class Verdict { holds, within_limits, fails };

// One number measured several times, usually with several seeds.
struct Spread {
  double median = 0, low = 0, high = 0;
  int64_t count = 0;

  std::string text(int digits = 3) const;        // "0.254 (0.25–0.26, 3 seeds)"; no range where it has none
  std::string range_text(int digits = 3) const;  // "0.254 (0.25–0.26)": where it is not seeds that were varied
  std::string percent(int decimals = 1) const;   // of a share: "99.7 % (99.5–99.9, 3 seeds)"
};
Spread spread(std::vector<double> values);

struct Picture {
  Plot plot;
  std::string caption;
};

struct Grid {  // a table of the page
  std::vector<std::string> header = {};
  std::vector<std::vector<std::string>> rows = {};
  std::string caption = {};
};

struct Exhibit {
  Verdict verdict = Verdict::fails;
  std::string number = {};  // short: the figure that the verdict rests on, with its spread
  std::string remark = {};  // a sentence or two: why, within which limits, where we disagree with the notes
  std::vector<Picture> pictures = {};
  std::vector<Grid> grids = {};
};

// What an experiment is given.
class Run {
 public:
  using Report = std::function<void(int64_t done, int64_t total, std::string_view text)>;

  explicit Run(uint64_t seed = 0, bool quick = false, Report report = {}, const Mnist* mnist = nullptr);

  bool quick() const { return quick_; }
  uint64_t seed() const { return seed_; }
  // What a quick run makes do with: fewer steps, smaller sizes.
  template <class T> T either(T full, T quick) const { return quick_ ? quick : full; }
  // So many different seeds, the first of them seed(); `quick` of them in a quick run.
  std::vector<uint64_t> seeds(int full = 3, int quick = 1) const;
  // The pictures of --mnist, for experiments that can do with any; null: none were given.
  const Mnist* mnist() const { return mnist_; }
  // A generator of its own for each use: run.rng("data"), run.rng("weights", seed).
  Rng rng(std::string_view use) const { return rng(use, seed_); }
  Rng rng(std::string_view use, uint64_t seed) const { return Rng(seed).stream(use); }

  // Call it in every long loop: shows how far the experiment is, and ends it (by an exception) after Ctrl-C.
  void progress(int64_t done, int64_t total, std::string_view text = {}) const;

 private:
  uint64_t seed_;
  bool quick_;
  Report report_;
  const Mnist* mnist_;
};

struct Interrupted {};  // what progress() throws

struct Claim {
  std::string id =
      {};  // the row of the notes, "34"; "slip-1" of their errors; or several that one run decides: "27+33"
  std::string title = {};      // a few words
  std::string statement = {};  // the claim, in our words
  Exhibit (*experiment)(const Run& run) = nullptr;
  std::optional<Verdict> expect = {};  // of a quick run, where there is no doubt: `claims --expect` holds us to it
};

std::vector<std::string> ids_of(const Claim& claim);  // "27+33": {"27", "33"}

}  // namespace fovea::claims
