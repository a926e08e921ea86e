// Command-line flags, declared once as a table. See args.h.
#include "examples/lib/args.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iostream>

#include "examples/lib/format.h"
#include "examples/lib/nearest.h"
#include "examples/lib/terminal.h"
#include "tensor/error.h"

namespace fovea::lib {
namespace {

constexpr size_t help_columns = 88;

std::string join(const std::vector<std::string>& words, std::string_view between) {
  std::string text;
  for (const std::string& word : words) text.append(text.empty() ? "" : between).append(word);
  return text;
}

// ">= 0 and < 1", "a, b or c", or nothing where everything goes.
std::string describe(const Limits& limits) {
  if (!limits.one_of.empty()) return "one of " + join(limits.one_of, ", ");
  std::vector<std::string> bounds;
  const auto add = [&](const char* sign, double bound) {
    if (std::isfinite(bound)) bounds.push_back(sign + format_number(bound));
  };
  add(">= ", limits.at_least), add("> ", limits.above), add("<= ", limits.at_most), add("< ", limits.below);
  return join(bounds, " and ");
}

bool within(const Limits& limits, double value) {
  return value >= limits.at_least && value > limits.above && value <= limits.at_most && value < limits.below;
}

// What --help shows as the default: nothing for a switch or an empty text.
struct ShowDefault {
  std::string operator()(const int64_t* value) const { return std::to_string(*value); }
  std::string operator()(const double* value) const { return format_number(*value); }
  std::string operator()(const bool*) const { return ""; }
  std::string operator()(const std::string* value) const { return *value; }
  std::string operator()(const std::vector<std::string>* value) const { return join(*value, " "); }
};

// Puts values into a variable; false where the text is not of its kind or outside the limits.
struct Assign {
  const std::vector<std::string>& values;
  const Limits& limits;
  bool again;  // the flag was there before: only a list can be

  template <class T> bool number(T* target) const {
    const std::string& text = values.front();
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return false;
    if (!std::isfinite(static_cast<double>(value)) || !within(limits, static_cast<double>(value))) return false;
    *target = value;
    return true;
  }
  bool operator()(int64_t* target) const { return number(target); }
  bool operator()(double* target) const { return number(target); }
  bool operator()(bool* target) const { return *target = true; }
  bool operator()(std::string* target) const {
    const auto& choices = limits.one_of;
    if (!choices.empty() && std::find(choices.begin(), choices.end(), values.front()) == choices.end()) return false;
    *target = values.front();
    return true;
  }
  bool operator()(std::vector<std::string>* target) const {
    if (!again) target->clear();
    target->insert(target->end(), values.begin(), values.end());
    return true;
  }
};

template <class T> bool holds(const Flag& flag) { return std::holds_alternative<T*>(flag.target); }

// The text in lines of at most so many columns; all but the first start with an indent.
std::string wrapped(const std::string& text, size_t columns, size_t indent) {
  std::string lines;
  size_t used = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    const std::string word = text.substr(at, end - at);
    const size_t width = static_cast<size_t>(display_width(word));
    if (used > 0 && used + 1 + width > columns) {
      lines.append("\n").append(indent, ' ');
      used = 0;
    }
    if (used > 0) lines += " ", ++used;
    lines += word;
    used += width;
    at = end + 1;
  }
  return lines;
}

}  // namespace

Args::Args(std::string program, std::string summary) : program_(std::move(program)), summary_(std::move(summary)) {}

void Args::group(std::string heading, std::vector<Flag> flags) {
  for (Flag& flag : flags) {
    Entry entry;
    const size_t space = std::min(flag.usage.find(' '), flag.usage.size());
    entry.name = flag.usage.substr(0, space);
    entry.placeholder = flag.usage.substr(std::min(space + 1, flag.usage.size()));
    entry.default_text = std::visit(ShowDefault{}, flag.target);
    entry.heading = heading;
    entry.flag = std::move(flag);
    entries_.push_back(std::move(entry));
  }
}

Args::Outcome Args::parse(int argc, const char* const* argv) { return parse(argc, argv, std::cout); }

Args::Outcome Args::parse(int argc, const char* const* argv, std::ostream& help_to) {
  typed_.assign(argv, argv + argc);
  for (size_t next = 1; next < typed_.size();) {
    const std::string& word = typed_[next++];
    if (word == "--help" || word == "-h") {
      help_to << help();
      return Outcome::handled;
    }
    Entry& entry = find(word);
    if (entry.given && !holds<std::vector<std::string>>(entry.flag)) refuse(entry.name + " is given twice");

    const size_t equals = word.find('=');
    const bool is_switch = holds<bool>(entry.flag);
    if (is_switch && equals != word.npos) refuse(entry.name + " is a switch and takes no value");
    std::vector<std::string> values;
    if (equals != word.npos)
      values = {word.substr(equals + 1)};
    else if (!is_switch)
      values = take_values(entry, next);
    assign(entry, values);
    entry.given = true;
  }
  return Outcome::run;
}

Args::Entry& Args::find(const std::string& word) {
  const std::string name = word.substr(0, word.find('='));
  std::vector<std::string> names = {"--help"};
  for (Entry& entry : entries_) {
    if (entry.name == name) return entry;
    names.push_back(entry.name);
  }
  const std::string meant = nearest(name, names);
  const std::string advice = meant.empty() ? program_ + " --help lists all flags" : "did you mean " + meant + "?";
  if (name.starts_with("-")) refuse("unknown flag " + name + "; " + advice);
  refuse("\"" + word + "\" belongs to no flag; " + advice);
}

std::vector<std::string> Args::take_values(const Entry& entry, size_t& next) const {
  const bool is_list = holds<std::vector<std::string>>(entry.flag);
  if (next == typed_.size()) refuse(entry.name + " wants " + wanted(entry) + ", got nothing");
  if (typed_[next].starts_with("--")) {
    refuse(entry.name + " wants " + wanted(entry) + ", got the flag " + typed_[next] +
           " (a value that starts with -- is given as " + entry.name + "=...)");
  }
  std::vector<std::string> values = {typed_[next++]};
  const auto is_value = [](const std::string& word) { return !word.starts_with("-") || word == "-"; };
  while (is_list && next < typed_.size() && is_value(typed_[next])) values.push_back(typed_[next++]);
  return values;
}

void Args::assign(Entry& entry, const std::vector<std::string>& values) const {
  if (std::visit(Assign{values, entry.flag.limits, entry.given}, entry.flag.target)) return;
  refuse_value(entry, values.front());
}

// "a whole number >= 0", "one of red, green", "a value (DIR)".
std::string Args::wanted(const Entry& entry) const {
  const std::string limits = describe(entry.flag.limits);
  const std::string bounds = limits.empty() ? "" : " " + limits;
  if (holds<int64_t>(entry.flag)) return "a whole number" + bounds;
  if (holds<double>(entry.flag)) return "a number" + bounds;
  return limits.empty() ? "a value (" + entry.placeholder + ")" : limits;
}

void Args::refuse_value(const Entry& entry, const std::string& got) const {
  const std::string meant = nearest(got, entry.flag.limits.one_of);
  refuse(entry.name + " wants " + wanted(entry) + ", got \"" + got + "\"" +
         (meant.empty() ? "" : "; did you mean " + meant + "?"));
}

void Args::refuse(const std::string& message) const { throw UsageError(program_ + ": " + message); }

bool Args::given(std::string_view name) const {
  for (const Entry& entry : entries_) {
    if (entry.name == name) return entry.given;
  }
  fail(ErrorKind::value, "Args::given: there is no flag ", name);
}

std::string Args::help() const {
  size_t usage_width = std::string_view("--help").size();
  for (const Entry& entry : entries_) usage_width = std::max(usage_width, entry.flag.usage.size());
  const size_t indent = 2 + usage_width + 2;

  std::string text = program_ + ": " + wrapped(summary_, help_columns - program_.size() - 2, 0) + "\n", heading;
  const auto line = [&](const std::string& usage, const std::string& note) {
    text.append("  ").append(usage).append(indent - 2 - usage.size(), ' ');
    text.append(wrapped(note, help_columns - indent, indent)).append("\n");
  };
  for (const Entry& entry : entries_) {
    if (entry.heading != heading) text += "\n" + (heading = entry.heading) + "\n";
    std::vector<std::string> notes;
    if (const std::string limits = describe(entry.flag.limits); !limits.empty()) notes.push_back(limits);
    if (!entry.default_text.empty()) notes.push_back("default " + entry.default_text);
    line(entry.flag.usage, entry.flag.help + (notes.empty() ? "" : " (" + join(notes, "; ") + ")"));
  }
  text += "\n";
  line("--help", "show this text");
  return text;
}

std::string Args::command_with(const std::string& flag) const {
  std::vector<std::string> words;
  for (const std::string& word : typed_) words.push_back(shell_quote(word));
  if (std::find(typed_.begin(), typed_.end(), flag) == typed_.end()) words.push_back(flag);
  return join(words, " ");
}

std::vector<std::string> Args::assignments() const {
  std::vector<std::string> words;
  const auto add = [&](const Entry& entry, const std::string& value) { words.push_back(entry.name + "=" + value); };
  for (const Entry& entry : entries_) {
    const Flag::Target& target = entry.flag.target;
    if (auto* const* number = std::get_if<int64_t*>(&target)) add(entry, std::to_string(**number));
    if (auto* const* number = std::get_if<double*>(&target)) add(entry, format_number(**number));
    if (auto* const* text = std::get_if<std::string*>(&target)) add(entry, **text);
    if (auto* const* on = std::get_if<bool*>(&target); on && **on) words.push_back(entry.name);
    if (auto* const* list = std::get_if<std::vector<std::string>*>(&target)) {
      for (const std::string& value : **list) add(entry, value);
    }
  }
  return words;
}

std::string shell_quote(const std::string& word) {
  const std::string_view plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%";
  if (!word.empty() && word.find_first_not_of(plain) == word.npos) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

int run_program(const char* name, const std::function<int()>& program) {
  try {
    return program();
  } catch (const UsageError& error) {
    std::cerr << error.what() << "\n";
    return 2;
  } catch (const std::exception& error) {
    std::cerr << name << ": " << error.what() << "\n";
    return 1;
  }
}

}  // namespace fovea::lib
