// The examples' command line: values, mistakes, help, the command to type again.
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <limits>
#include <sstream>

#include "doctest/doctest.h"
#include "examples/lib/args.h"
#include "examples/lib/nearest.h"
#include "tensor/error.h"
#include "tests/messages.h"

using namespace fovea;
using namespace fovea::lib;

namespace {

struct Command {  // a table with a flag of every kind, and parse() from words
  int64_t steps = 100, seed = -7;
  double lr = 3e-4, dropout = 0;
  bool resume = false;
  std::string out = "run", isa = "auto";
  std::vector<std::string> text = {"a.txt", "b.txt"};
  Args args{"train", "Trains."};
  std::ostringstream shown;

  Command() {
    args.group("Training", {{"--steps N", &steps, "steps to make", {.at_least = 0, .at_most = 1000}},
                            {"--seed N", &seed, "of all random numbers"},
                            {"--lr X", &lr, "peak learning rate", {.above = 0}},
                            {"--dropout X", &dropout, "share of dropped values", {.at_least = 0, .below = 1}}});
    args.group("Files", {{"--text FILE...", &text, "what to learn"},
                         {"--out DIR", &out, "where the run lies"},
                         {"--isa NAME", &isa, "kernels", {.one_of = {"auto", "baseline", "avx2"}}},
                         {"--resume", &resume, "go on"}});
  }
  Args::Outcome parse(std::vector<const char*> words) {
    words.insert(words.begin(), "bin/train");
    return args.parse(static_cast<int>(words.size()), words.data(), shown);
  }
};

std::string complaint(std::vector<const char*> words) {
  return message_of<UsageError>([&] { Command().parse(words); });
}

}  // namespace

TEST_CASE("args: values of every kind, both spellings, defaults stay") {
  Command c;
  CHECK(c.parse({"--steps", "42", "--lr=1e-2", "--resume", "--text", "x", "y y", "-", "--out", "-odd", "--text=--z"}) ==
        Args::Outcome::run);
  CHECK(c.steps == 42);
  CHECK(c.seed == -7);
  CHECK(c.lr == 1e-2);
  CHECK(c.resume);
  CHECK(c.out == "-odd");
  CHECK(c.text == std::vector<std::string>{"x", "y y", "-", "--z"});
  CHECK(c.args.given("--steps"));
  CHECK(c.args.given("--text"));
  CHECK_FALSE(c.args.given("--seed"));
  CHECK_THROWS_AS(c.args.given("--nonsense"), ValueError);

  Command negative;
  negative.parse({"--seed", "-9223372036854775808"});
  CHECK(negative.seed == std::numeric_limits<int64_t>::min());
  Command none;
  CHECK(none.parse({}) == Args::Outcome::run);
  CHECK(none.text.size() == 2);
}

TEST_CASE("args: every mistake says what is wanted") {
  CHECK(complaint({"--step", "3"}) == "train: unknown flag --step; did you mean --steps?");
  CHECK(complaint({"--stpes=3"}) == "train: unknown flag --stpes; did you mean --steps?");
  CHECK(complaint({"-steps", "3"}) == "train: unknown flag -steps; did you mean --steps?");
  CHECK(complaint({"--hlep"}) == "train: unknown flag --hlep; did you mean --help?");
  CHECK(complaint({"--quantum"}) == "train: unknown flag --quantum; train --help lists all flags");
  CHECK(complaint({"--"}) == "train: unknown flag --; train --help lists all flags");
  CHECK(complaint({"steps"}) == "train: \"steps\" belongs to no flag; did you mean --steps?");
  CHECK(complaint({""}) == "train: \"\" belongs to no flag; train --help lists all flags");

  const std::string steps = "train: --steps wants a whole number >= 0 and <= 1000, got ";
  for (const char* bad : {"abc", "-1", "1001", "1.5", "1e2", "", " 3", "3 ", "0x10", "99999999999999999999"}) {
    CAPTURE(bad);
    CHECK(complaint({"--steps", bad}) == steps + '"' + bad + '"');
  }
  CHECK(complaint({"--steps"}) == steps + "nothing");
  CHECK(contains(complaint({"--steps", "--lr", "1"}), steps + "the flag --lr"));
  for (const char* bad : {"0", "nan", "inf", "1e999", "1,5", "-0.1"}) {
    CAPTURE(bad);
    CHECK(complaint({"--lr", bad}) == std::string("train: --lr wants a number > 0, got \"") + bad + '"');
  }
  CHECK(complaint({"--dropout", "1"}) == "train: --dropout wants a number >= 0 and < 1, got \"1\"");
  CHECK(complaint({"--dropout", "0"}) == "");
  CHECK(complaint({"--isa", "avx"}) ==
        "train: --isa wants one of auto, baseline, avx2, got \"avx\"; did you mean avx2?");
  CHECK(complaint({"--out"}) == "train: --out wants a value (DIR), got nothing");
  CHECK(complaint({"--text", "--out", "x"}).find("train: --text wants a value (FILE...), got the flag --out") == 0);
  CHECK(complaint({"--lr", "1", "--lr=2"}) == "train: --lr is given twice");
  CHECK(complaint({"--resume", "--resume"}) == "train: --resume is given twice");
  CHECK(complaint({"--resume=yes"}) == "train: --resume is a switch and takes no value");
}

TEST_CASE("args: help is grouped, aligned, narrow, and shows limits and defaults") {
  Command c;
  CHECK(c.parse({"--steps", "1", "--help", "--nonsense"}) == Args::Outcome::handled);
  CHECK(c.shown.str() ==
        "train: Trains.\n"
        "\n"
        "Training\n"
        "  --steps N       steps to make (>= 0 and <= 1000; default 100)\n"
        "  --seed N        of all random numbers (default -7)\n"
        "  --lr X          peak learning rate (> 0; default 0.0003)\n"
        "  --dropout X     share of dropped values (>= 0 and < 1; default 0)\n"
        "\n"
        "Files\n"
        "  --text FILE...  what to learn (default a.txt b.txt)\n"
        "  --out DIR       where the run lies (default run)\n"
        "  --isa NAME      kernels (one of auto, baseline, avx2; default auto)\n"
        "  --resume        go on\n"
        "\n"
        "  --help          show this text\n");

  Args long_winded("p", std::string(200, 'x') + " " + std::string(60, 'y') + " z");
  bool on = false;
  std::string words;
  for (int i = 0; i < 60; ++i) words += "words ";
  long_winded.group("G", {{"--on", &on, words}});
  std::istringstream lines(long_winded.help());
  int64_t count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    const bool unbreakable = line.find('x') != line.npos;
    CHECK((unbreakable || line.size() <= 88));
  }
  CHECK(count > 8);
}

TEST_CASE("args: the command line again, for a shell") {
  Command c;
  c.parse({"--out", "my run", "--isa=auto", "--text", "it's", "$HOME", ""});
  const std::string command = c.args.command_with("--resume");
  CHECK(command == "bin/train --out 'my run' --isa=auto --text 'it'\\''s' '$HOME' '' --resume");
  Command again;
  again.parse({"--resume", "--seed", "3"});
  CHECK(again.args.command_with("--resume") == "bin/train --resume --seed 3");

  // The shell itself is the judge: it must give back each word as it was.
  for (const std::string word :
       {"plain", "a b", "it's", "$x `y` \\", "\"", "*", "~", "", "new\nline", "汉字", "#", "!"}) {
    CAPTURE(word);
    FILE* pipe = popen(("printf %s " + shell_quote(word)).c_str(), "r");
    REQUIRE(pipe);
    char buffer[64];
    const std::string back(buffer, fread(buffer, 1, sizeof buffer, pipe));
    pclose(pipe);
    CHECK(back == word);
  }
}

TEST_CASE("nearest: insertions, omissions, changes, swaps and beginnings") {
  const std::vector<std::string> flags = {"--layers", "--heads", "--lr", "--min-lr", "--temperature", "--batch"};
  CHECK(nearest("--layer", flags) == "--layers");
  CHECK(nearest("--layerss", flags) == "--layers");
  CHECK(nearest("--laeyrs", flags) == "--layers");
  CHECK(nearest("--min_lr", flags) == "--min-lr");
  CHECK(nearest("--rl", flags) == "--lr");
  CHECK(nearest("--temp", flags) == "--temperature");
  CHECK(nearest("--batch-size", flags) == "--batch");
  CHECK(nearest("--context", flags) == "");
  CHECK(nearest("", flags) == "");
  CHECK(nearest("x", {}) == "");
}

TEST_CASE("a program ends in a message and a status, whatever is thrown") {
  const auto run = [](const std::function<int()>& program) {
    std::ostringstream errors;
    std::streambuf* const before = std::cerr.rdbuf(errors.rdbuf());
    const int status = run_program("train", program);
    std::cerr.rdbuf(before);
    return std::pair(status, errors.str());
  };
  CHECK(run([] { return 3; }) == std::pair(3, std::string()));
  CHECK(run([]() -> int { throw UsageError("train: --steps wants a number"); }) ==
        std::pair(2, std::string("train: --steps wants a number\n")));
  CHECK(run([]() -> int { throw MemoryError("randn: no memory"); }) ==
        std::pair(1, std::string("train: randn: no memory\n")));
}
