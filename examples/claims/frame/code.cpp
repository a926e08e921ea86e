// The text of the experiments. See code.h.
#include "examples/claims/frame/code.h"

#include <algorithm>
#include <array>
#include <cctype>

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

// Where the comment begins that stands right above a line.
size_t with_comment_above(std::string_view text, size_t line) {
  while (line > 0) {
    const size_t above = line < 2 ? 0 : text.rfind('\n', line - 2) + 1;  // npos + 1 is 0
    if (text.substr(above, 2) != "//") break;
    line = above;
  }
  return line;
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
    const size_t head = text.find("Exhibit " + std::string(name) + "(");
    const size_t end = head == text.npos ? head : text.find("\n}\n", head);
    if (end == text.npos) continue;
    const size_t begin = with_comment_above(text, text.rfind('\n', head) + 1);
    return {.path = std::string(path),
            .line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(begin), '\n'),
            .text = std::string(text.substr(begin, end + 3 - begin))};
  }
  return {};
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
