#include "tensor/json.h"

#include <limits>

#include "tensor/error.h"

namespace fovea {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

// --- reading ------------------------------------------------------------------------------------------------------

void JsonReader::error(const std::string& what) const { fail(ErrorKind::file, source_, ", byte ", at_, ": ", what); }

void JsonReader::skip_space() {
  while (at_ < text_.size() && std::string_view(" \t\n\r").find(text_[at_]) != std::string_view::npos) ++at_;
}

bool JsonReader::accept(char wanted) {
  skip_space();
  if (at_ == text_.size() || text_[at_] != wanted) return false;
  ++at_;
  return true;
}

void JsonReader::expect(char wanted, const char* description) {
  if (accept(wanted)) return;
  std::string found = "the end of the text";
  if (at_ < text_.size()) found = uint8_t(text_[at_]) < 0x80 ? json_quoted(text_.substr(at_, 1)) : "a byte above 127";
  error("expected " + std::string(description) + ", found " + found);
}

void JsonReader::end() {
  skip_space();
  if (at_ != text_.size()) error("text after the end of the JSON value");
}

int64_t JsonReader::integer() {
  skip_space();
  const size_t start = at_;
  int64_t value = 0;
  for (; at_ < text_.size() && is_digit(text_[at_]); ++at_) {
    if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, text_[at_] - '0', &value))
      error("a number larger than " + std::to_string(std::numeric_limits<int64_t>::max()));
  }
  const char next = at_ < text_.size() ? text_[at_] : ' ';
  if (at_ == start || next == '.' || next == 'e' || next == 'E') error("expected a whole number, not negative");
  if (text_[start] == '0' && at_ > start + 1) error("a number with a leading zero");
  return value;
}

std::string JsonReader::string() {
  expect('"', "a string");
  std::string result;
  while (at_ < text_.size() && text_[at_] != '"') {
    if (text_[at_] == '\\') {
      escape(result);
      continue;
    }
    if (uint8_t(text_[at_]) < 0x20) error("a control character in a string must be escaped");
    const size_t length = utf8_character(text_.substr(at_, 4));
    if (length == 0) error("invalid UTF-8");
    result.append(text_, at_, length);
    at_ += length;
  }
  if (at_ == text_.size()) error("a string without its closing quote");
  ++at_;
  return result;
}

void JsonReader::escape(std::string& out) {
  static constexpr std::string_view letters = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
  const char letter = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
  if (const size_t place = letters.find(letter); place != std::string_view::npos) {
    out += meanings[place];
    at_ += 2;
    return;
  }
  uint32_t code = four_hex_digits();
  if (code >= 0xD800 && code < 0xDC00) {  // the first half of a surrogate pair: the second has to follow
    const uint32_t second = four_hex_digits();
    if (second < 0xDC00 || second > 0xDFFF) error("a surrogate without its other half");
    code = 0x10000 + ((code - 0xD800) << 10) + (second - 0xDC00);
  } else if (code >= 0xDC00 && code <= 0xDFFF) {
    error("a surrogate without its other half");
  }
  append_utf8(out, code);
}

uint32_t JsonReader::four_hex_digits() {
  const std::string_view digits = text_.substr(at_, 6);
  if (digits.size() < 6 || digits[0] != '\\' || digits[1] != 'u') error("an unknown or unfinished escape");
  uint32_t value = 0;
  for (const char c : digits.substr(2)) {
    const bool letter = (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    if (!letter && !is_digit(c)) error("an unknown or unfinished escape");
    value = value * 16 + uint32_t(letter ? (c | 0x20) - 'a' + 10 : c - '0');
  }
  at_ += 6;
  return value;
}

std::string json_excerpt(std::string_view text) {
  static constexpr size_t longest = 80;
  if (text.size() <= longest) return json_quoted(text);
  size_t cut = longest;
  while (cut > longest - 4 && (uint8_t(text[cut]) & 0xC0) == 0x80) --cut;  // not within a character
  return json_quoted(text.substr(0, cut)) + "…";
}

// --- writing ------------------------------------------------------------------------------------------------------

std::string json_quoted(std::string_view text) {
  static constexpr std::string_view special = "\"\\\b\f\n\r\t", letters = "\"\\bfnrt", hex = "0123456789abcdef";
  std::string result = "\"";
  for (const char c : text) {
    if (const size_t place = special.find(c); place != std::string_view::npos) {
      (result += '\\') += letters[place];
    } else if (uint8_t(c) < 0x20) {
      ((result += "\\u00") += hex[uint8_t(c) >> 4]) += hex[uint8_t(c) & 15];
    } else {
      result += c;
    }
  }
  return result += '"';
}

// --- UTF-8 --------------------------------------------------------------------------------------------------------

size_t utf8_character(std::string_view text) {
  if (text.empty()) return 0;
  const auto byte = [&](size_t i) { return uint32_t(uint8_t(text[i])); };
  const uint32_t first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return 0;
  uint32_t code = first & (0x7Fu >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3F);
  }
  const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  return overlong || surrogate || code > 0x10FFFF ? 0 : length;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const size_t length = utf8_character(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

void append_utf8(std::string& text, uint32_t code_point) {
  const auto tail = [&](int shift) { text += char(0x80 | ((code_point >> shift) & 0x3F)); };
  if (code_point < 0x80) {
    text += char(code_point);
  } else if (code_point < 0x800) {
    text += char(0xC0 | (code_point >> 6));
    tail(0);
  } else if (code_point < 0x10000) {
    text += char(0xE0 | (code_point >> 12));
    tail(6), tail(0);
  } else {
    text += char(0xF0 | (code_point >> 18));
    tail(12), tail(6), tail(0);
  }
}

}  // namespace fovea
