// Command-line flags, declared once as a table whose rows read as --help shows them:
//
//   Args args("train", "Trains a model.");
//   args.group("Model", {{"--layers N", &layers, "Transformer blocks", {.at_least = 1}},
//                        {"--dropout X", &dropout, "share of dropped values", {.at_least = 0, .below = 1}}});
//   if (args.parse(argc, argv) == Args::Outcome::handled) return 0;
//
// A variable's value when its flag is declared is the default. A user's mistake throws UsageError with a message that
// says what is wanted; run_program prints it and ends with 2.
#pragma once
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace fovea::lib {

struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// What a flag takes: bounds for numbers, choices for text.
struct Limits {
  double at_least = -std::numeric_limits<double>::infinity();
  double above = -std::numeric_limits<double>::infinity();
  double at_most = std::numeric_limits<double>::infinity();
  double below = std::numeric_limits<double>::infinity();
  std::vector<std::string> one_of = {};
};

struct Flag {
  // A bool is a switch without a value, which its flag sets to true. A list takes one value or more (up to the next
  // word that starts with a dash) and may be given several times.
  using Target = std::variant<int64_t*, double*, bool*, std::string*, std::vector<std::string>*>;

  std::string usage;  // the flag and what stands for its value: "--layers N", "--text FILE...", "--resume"
  Target target;      // must outlive the Args
  std::string help;
  Limits limits = {};
};

// The word as one word of a POSIX shell, in quotes where it needs them.
std::string shell_quote(const std::string& word);

class Args {
 public:
  enum class Outcome { run, handled };  // handled: --help was printed and nothing is left to do

  Args(std::string program, std::string summary);
  void group(std::string heading, std::vector<Flag> flags);

  // Reads the command line into the variables; both "--dim 128" and "--dim=128". A value that starts with "--" needs
  // the second form.
  Outcome parse(int argc, const char* const* argv);
  Outcome parse(int argc, const char* const* argv, std::ostream& help_to);

  bool given(std::string_view name) const;  // whether "--dim" was on the command line
  std::string help() const;

  std::string program() const { return typed_.empty() ? program_ : shell_quote(typed_[0]); }  // as it was called
  // Every flag with the value it has now, as words that parse() reads back.
  std::vector<std::string> assignments() const;

  // The command line as it was typed, quoted for a shell, with the switch added if it was not there: what to type to do
  // the same again, with --resume say.
  std::string command_with(const std::string& flag) const;

 private:
  struct Entry {
    Flag flag;
    std::string name, placeholder, default_text, heading;
    bool given = false;
  };
  Entry& find(const std::string& word);
  std::string wanted(const Entry& entry) const;
  std::vector<std::string> take_values(const Entry& entry, size_t& next) const;
  void assign(Entry& entry, const std::vector<std::string>& values) const;
  [[noreturn]] void refuse(const std::string& message) const;
  [[noreturn]] void refuse_value(const Entry& entry, const std::string& got) const;

  std::string program_, summary_;
  std::vector<Entry> entries_;
  std::vector<std::string> typed_;
};

// What a program's main() does: runs it, and turns an exception into a message and an exit status, 2 for a UsageError
// and 1 for any other.
int run_program(const char* name, const std::function<int()>& program);

}  // namespace fovea::lib
