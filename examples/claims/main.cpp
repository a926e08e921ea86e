// The lab book: runs the experiments and writes what came of them as a page, build/claims/index.html.
//
//   claims                       the whole book
//   claims --only 34,slip-1      two of them
//   claims --quick --expect      a check: do the claims that are beyond doubt still come out as they should?
//   claims --only 72,73 --mnist downloads/mnist     vision Transformers on MNIST's digits
//
// Exit codes: 0 done, 1 an experiment failed or did not come out as expected, 2 a mistake in the command line, 130
// interrupted (the page has what was finished).
#include <algorithm>
#include <chrono>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>

#include "examples/claims/book.h"
#include "examples/claims/frame/chapters.h"
#include "examples/claims/frame/results.h"
#include "examples/lib/args.h"
#include "examples/lib/format.h"
#include "examples/lib/interrupt.h"
#include "examples/lib/pictures.h"
#include "examples/lib/progress.h"
#include "examples/lib/table.h"
#include "tensor/error.h"
#include "tensor/file.h"

using namespace fovea;
using namespace fovea::claims;

namespace {

struct Options {
  std::vector<std::string> only = {};
  bool list = false, quick = false, expect = false;
  int64_t seed = 0;
  std::string out = "build/claims", mnist = {};
};

lib::Args arguments(Options& o) {
  lib::Args args("claims", "Puts the claims of the notes on attention to the test, and writes a page about it.");
  args.group("What to run", {{"--only ID...", &o.only, "these claims: 34, slip-1, or several as 1,5,slip-1"},
                             {"--quick", &o.quick, "fewer seeds and steps: minutes become seconds"},
                             {"--seed N", &o.seed, "the first seed of every experiment", {.at_least = 0}},
                             {"--mnist DIR", &o.mnist,
                              "a folder with the four files of MNIST, unpacked: claims 72 and 73 then learn from its "
                              "digits and not from painted shapes"}});
  args.group("What to do",
             {{"--out DIR", &o.out, "where index.html goes; --only renews its claims there and keeps the others"},
              {"--expect", &o.expect,
               "exit with 1 where a verdict is not the one its claim expects, or a row of the notes has no claim"},
              {"--list", &o.list, "show the claims and run nothing"}});
  return args;
}

void list(const std::vector<Claim>& claims) {
  lib::Table table({{"id"}, {"claim"}, {"chapter"}});
  for (const Claim& claim : claims) table.row({claim.id, claim.title, chapter_of(claim).title});
  std::cout << table.text();
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Shows on standard error how far the experiment is, where that is a terminal.
Result result_of(const Claim& claim, const Options& o, const lib::Mnist* mnist) {
  const auto start = std::chrono::steady_clock::now();
  lib::Progress bar({.total = 1000});
  const bool show = lib::Terminal(2).interactive();
  const auto report = [&](int64_t done, int64_t total, std::string_view text) {
    const int64_t part = 1000 * done / std::max<int64_t>(total, 1);
    if (!show || !bar.due(part)) return;
    bar.update(part, claim.id + "  " + lib::format_duration(seconds_since(start)) + "  " + std::string(text));
  };
  const Run run(uint64_t(o.seed), o.quick, report, mnist);
  Result result{.claim = claim, .exhibit = {}, .code = code_of(claim, embedded_sources)};
  try {
    run.progress(0, 1, claim.title);
    result.exhibit = claim.experiment(run);
  } catch (const std::exception& error) { result.error = error.what(); }
  result.seconds = seconds_since(start);
  return result;
}

std::string text_of(const std::string& file) {  // empty where there is none
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The claims one after the other; the page is written anew after each.
int run_book(const std::vector<Claim>& claims, const Options& o) {
  const auto start = std::chrono::steady_clock::now();
  const std::string file = o.out + "/index.html";
  std::optional<lib::Mnist> mnist;
  if (!o.mnist.empty()) mnist = lib::read_mnist(o.mnist);
  make_folders(o.out);
  const bool whole = o.only.empty();
  const std::vector<Claim> all = book();
  const std::string earlier = whole ? "" : text_of(file);
  const PageInfo info{.seed = uint64_t(o.seed), .quick = o.quick, .claims = whole ? claims.size() : 0};
  const lib::InterruptCatcher catcher;
  const lib::Terminal terminal(1);
  const ResultLines lines(claims, terminal);
  std::vector<Result> results;
  std::cout << lines.header() << std::flush;
  try {
    for (const Claim& claim : claims) {
      results.push_back(result_of(claim, o, mnist ? &*mnist : nullptr));
      std::cout << lines.line(results.back()) << std::flush;
      write_file_atomically(file, page(whole ? results : renewed(earlier, results, all), info));
    }
  } catch (const Interrupted&) { std::cout << "interrupted\n"; }

  std::cout << '\n' << counts_text(results) << "  ·  " << lib::format_duration(seconds_since(start));
  if (!results.empty()) std::cout << "  ·  " << file << (whole ? "" : "#" + anchor(ids_of(results[0].claim)[0]));
  std::cout << '\n';
  if (lib::interrupted()) return 128 + lib::interrupt_signal();
  int code = 0;
  for (const std::string& id : o.expect ? left_out(all) : std::vector<std::string>()) {
    std::cout << terminal.red("not in the book: ") << id << '\n';
    code = 1;
  }
  for (const Result& result : results) {
    if (!result.error.empty()) code = 1;
    if (!o.expect || as_expected(result)) continue;
    std::cout << terminal.red("not as expected: ") << result.claim.id << "  " << result.claim.title << '\n';
    code = 1;
  }
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  return lib::run_program("claims", [&] {
    Options options;
    lib::Args args = arguments(options);
    if (args.parse(argc, argv) == lib::Args::Outcome::handled) return 0;
    const std::vector<Claim> claims = selected(book(), options.only);
    if (!options.list) return run_book(claims, options);
    list(claims);
    return 0;
  });
}
