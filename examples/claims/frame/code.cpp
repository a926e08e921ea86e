// The text of the experiments. See code.h.
#include "examples/claims/frame/code.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "examples/lib/plot_svg.h"

namespace fovea::claims {
namespace {

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

std::string_view word_at(std::string_view text, size_t at) {
  size_t end = at;
  while (end < text.size() && is_word(text[end])) ++end;
  return text.substr(at, end - at);
}

// The name behind `.experiment = ` in the table's entry of that id; empty if the text has none.
std::string_view experiment_of(std::string_view text, const std::string& id) {
  const size_t entry = text.find(".id = \"" + id + "\"");
  if (entry == text.npos) return {};
  constexpr std::string_view field = ".experiment = ";
  const size_t at = text.find(field, entry);
  return at == text.npos ? std::string_view() : word_at(text, at + field.size());
}

// A declaration in column 0 (a function, a struct, a constant), with the comment right above it.
struct Block {
  std::string_view name, text;
  size_t begin;
};

bool is_experiment(const Block& block) { return block.text.find("Exhibit ") != block.text.npos; }

std::string_view line_at(std::string_view text, size_t at) { return text.substr(at, text.find('\n', at) - at); }

bool begins_block(std::string_view line) {
  if (line.empty() || !is_word(line[0])) return false;
  for (const std::string_view other : {"namespace", "using", "extern"}) {
    if (line.starts_with(other)) return false;
  }
  return true;
}

// "Exhibit name(…", "struct Name", "const std::vector<double> name = …": the last word before one of ( = { : ;
std::string_view declared_name(std::string_view head) {
  size_t end = 0;
  while (end < head.size() && head.substr(end, 1).find_first_of("(={;") != 0 && head.substr(end, 3) != " : ") ++end;
  while (end > 0 && !is_word(head[end - 1])) --end;
  size_t begin = end;
  while (begin > 0 && is_word(head[begin - 1])) --begin;
  return head.substr(begin, end - begin);
}

// Where the block ends that begins at a line: behind the } that closes it in column 0, or before the next line that
// begins there.
size_t end_of_block(std::string_view text, size_t at) {
  size_t end = at + line_at(text, at).size() + 1;
  for (size_t next = end; next < text.size(); next += line_at(text, next).size() + 1) {
    const std::string_view line = line_at(text, next);
    if (line.empty()) continue;
    if (line[0] != ' ' && line[0] != '}') break;
    end = next + line.size() + 1;
    if (line[0] == '}') break;
  }
  return std::min(end, text.size());
}

std::vector<Block> blocks_of(std::string_view text) {
  std::vector<Block> blocks;
  size_t comment = text.npos;  // the first line of the one right above
  for (size_t at = 0; at < text.size();) {
    const std::string_view line = line_at(text, at);
    size_t next = at + line.size() + 1;
    if (begins_block(line)) {
      const size_t begin = std::min(comment, at);
      next = end_of_block(text, at);
      blocks.push_back({declared_name(line), text.substr(begin, next - begin), begin});
    }
    comment = line.starts_with("//") ? std::min(comment, at) : text.npos;
    at = next;
  }
  return blocks;
}

bool mentions(std::string_view code, std::string_view name) {
  for (size_t at = code.find(name); at != code.npos; at = code.find(name, at + 1)) {
    const bool starts = at == 0 || !is_word(code[at - 1]);
    if (starts && word_at(code, at) == name) return true;
  }
  return false;
}

// What a block leans on, directly or through others, but no other experiment.
std::string helpers_of(const Block& experiment, const std::vector<Block>& blocks) {
  std::vector<bool> used(blocks.size(), false);
  std::vector<const Block*> open = {&experiment};
  while (!open.empty()) {
    const Block* user = open.back();
    open.pop_back();
    for (size_t i = 0; i < blocks.size(); ++i) {
      const Block& block = blocks[i];
      if (used[i] || block.begin == experiment.begin || is_experiment(block)) continue;
      if (block.text.find("std::vector<Claim>") != block.text.npos || !mentions(user->text, block.name)) continue;
      used[i] = true;
      open.push_back(&block);
    }
  }
  std::string text;
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (used[i]) text.append(text.empty() ? "" : "\n").append(blocks[i].text);
  }
  return text;
}

// What a text uses of the files that experiments share: those without one. What is in an unnamed namespace is theirs.
std::vector<Code> shared_by(std::string_view user, const std::vector<Source>& sources) {
  std::vector<Code> all;
  for (const auto& [path, text] : sources) {
    const std::vector<Block> blocks = blocks_of(text);
    if (std::any_of(blocks.begin(), blocks.end(), is_experiment)) continue;
    const size_t private_part = text.rfind("}  // namespace\n");
    std::string used;
    for (const Block& block : blocks) {
      const bool open = private_part == text.npos || block.begin > private_part;
      if (!open || block.text.find("std::vector<Claim>") != block.text.npos || !mentions(user, block.name)) continue;
      used.append(used.empty() ? "" : "\n").append(block.text);
    }
    if (!used.empty()) all.push_back({.path = std::string(path), .line = 0, .text = used, .helpers = {}});
  }
  return all;
}

// The digits of an exponent, raised.
std::string raised(std::string_view digits) {
  static const char* const signs[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  std::string text;
  for (const char c : digits) text += signs[c - '0'];
  return text;
}

// "-2e-16" as "−2·10⁻¹⁶"; and a percent sign stays with its number.
std::string typeset(std::string_view text) {
  const auto digit = [&](size_t i) { return i < text.size() && '0' <= text[i] && text[i] <= '9'; };
  std::string set;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool sign = i + 1 < text.size() && (text[i + 1] == '-' || text[i + 1] == '+');
    if (text[i] == 'e' && i > 0 && digit(i - 1) && sign && digit(i + 2)) {
      size_t end = i + 2;
      while (digit(end)) ++end;
      std::string_view power = text.substr(i + 2, end - i - 2);
      while (power.size() > 1 && power[0] == '0') power.remove_prefix(1);
      set.append(text[i + 1] == '-' ? "·10⁻" : "·10").append(raised(power));
      i = end - 1;
    } else if (text.substr(i, 2) == " %" && i > 0 && digit(i - 1)) {
      set += "\u00a0";
    } else if (text[i] == '-' && digit(i + 1) && (i == 0 || text[i - 1] == ' ' || text[i - 1] == '(')) {
      set += "−";
    } else {
      set += text[i];
    }
  }
  return set;
}

// HTML with "n^2.1" or "n^(2i)" as a power.
std::string with_powers(std::string_view html) {
  std::string all;
  for (size_t i = 0; i < html.size(); ++i) {
    if (html[i] != '^') {
      all += html[i];
      continue;
    }
    const bool in_brackets = i + 1 < html.size() && html[i + 1] == '(';
    const size_t begin = i + (in_brackets ? 2 : 1);
    size_t end = in_brackets ? std::min(html.find(')', begin), html.size()) : begin;
    while (!in_brackets && end < html.size() && (is_word(html[end]) || (html[end] == '.' && is_word(html[end + 1]))))
      ++end;
    all.append("<sup>").append(html.substr(begin, end - begin)).append("</sup>");
    i = in_brackets ? end : end - 1;
  }
  return all;
}

constexpr std::array<std::string_view, 34> keywords = {
    "auto",      "bool",     "break",  "case",   "char",   "const",  "constexpr", "continue", "do",
    "double",    "else",     "enum",   "false",  "float",  "for",    "if",        "int",      "int64_t",
    "namespace", "nullptr",  "return", "size_t", "static", "struct", "switch",    "template", "this",
    "true",      "uint64_t", "using",  "void",   "while",  "std",    "string"};

// The end of a string or character literal that begins at `at`.
size_t end_of_literal(std::string_view code, size_t at) {
  const char quote = code[at];
  for (++at; at < code.size() && code[at] != quote; ++at) {
    if (code[at] == '\\') ++at;
  }
  return std::min(at + 1, code.size());
}

}  // namespace

Code code_of(const Claim& claim, const std::vector<Source>& sources) {
  for (const auto& [path, text] : sources) {
    const std::string_view name = experiment_of(text, claim.id);
    if (name.empty()) continue;
    const std::vector<Block> blocks = blocks_of(text);
    for (const Block& block : blocks) {
      if (block.name != name || !is_experiment(block)) continue;
      Code code{.path = std::string(path),
                .line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(block.begin), '\n'),
                .text = std::string(block.text),
                .helpers = helpers_of(block, blocks)};
      code.shared = shared_by(code.text + code.helpers, sources);
      return code;
    }
  }
  return {};
}

std::string prose(std::string_view text) {
  std::string html;
  for (size_t at = 0; at < text.size();) {
    const size_t tick = std::min(text.find('`', at), text.size());
    const std::string words = typeset(text.substr(at, tick - at));
    std::string part_html;
    for (const auto& [part, index] : text_runs(words))
      part_html += index ? "<sub>" + escaped(part) + "</sub>" : escaped(part);
    html += with_powers(part_html);
    const size_t end = tick < text.size() ? text.find('`', tick + 1) : text.npos;
    if (end == text.npos) {
      html += escaped(text.substr(tick));
      break;
    }
    html += "<code>" + escaped(text.substr(tick + 1, end - tick - 1)) + "</code>";
    at = end + 1;
  }
  return html;
}

std::string escaped(std::string_view text) {
  std::string html;
  for (const char c : text) {
    if (c == '&')
      html += "&amp;";
    else if (c == '<')
      html += "&lt;";
    else if (c == '>')
      html += "&gt;";
    else if (c == '"')
      html += "&quot;";
    else
      html += c;
  }
  return html;
}

std::string highlighted(std::string_view code) {
  std::string html;
  const auto add = [&](const char* kind, std::string_view part) {
    html.append("<i class=\"").append(kind).append("\">").append(escaped(part)).append("</i>");
  };
  for (size_t at = 0; at < code.size();) {
    const char c = code[at];
    const size_t start = at;
    if (code.substr(at, 2) == "//") {
      at = std::min(code.find('\n', at), code.size());
      add("c", code.substr(start, at - start));
    } else if (c == '"' || c == '\'') {
      at = end_of_literal(code, at);
      add("s", code.substr(start, at - start));
    } else if (std::isdigit(static_cast<unsigned char>(c))) {
      while (at < code.size() && (is_word(code[at]) || code[at] == '.' || code[at] == '\'')) ++at;
      add("n", code.substr(start, at - start));
    } else if (is_word(c)) {
      const std::string_view word = word_at(code, at);
      at += word.size();
      if (std::find(keywords.begin(), keywords.end(), word) != keywords.end())
        add("k", word);
      else
        html += word;
    } else {
      html += escaped(code.substr(at++, 1));
    }
  }
  return html;
}

}  // namespace fovea::claims
