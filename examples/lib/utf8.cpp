// UTF-8 to Unicode code points and back. See utf8.h.
#include "examples/lib/utf8.h"

#include <algorithm>
#include <cstdio>

#include "examples/lib/format.h"
#include "tensor/error.h"

namespace fovea::lib {
namespace {

constexpr char32_t last_code = 0x10FFFF;

bool is_surrogate(char32_t code) { return code >= 0xD800 && code <= 0xDFFF; }

Utf8Character problem(const char* text) { return {0, 1, text}; }

[[noreturn]] void refuse(std::string_view bytes, size_t at, std::string_view source, const char* why) {
  char hex[8];
  std::snprintf(hex, sizeof hex, "0x%02X", static_cast<unsigned char>(bytes[at]));
  const auto line = std::count(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(at), '\n') + 1;
  fail(ErrorKind::file, source, ": not valid UTF-8: byte ", format_count(static_cast<int64_t>(at)), " (line ",
       format_count(line), ") is ", hex, ": ", why, "; save the text as UTF-8, e.g. with iconv -t UTF-8");
}

}  // namespace

Utf8Character next_utf8(std::string_view bytes, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const unsigned char lead = byte(at);
  if (lead < 0x80) return {lead, 1, nullptr};
  if (lead < 0xC0) return problem("a continuation byte without a character to continue");
  if (lead > 0xF7) return problem("no character starts with this byte");

  const int length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  char32_t code = lead & (0xFFu >> (length + 1));  // 110xxxxx, 1110xxxx, 11110xxx
  for (size_t i = at + 1; i < at + static_cast<size_t>(length); ++i) {
    if (i == bytes.size()) return problem("the text ends inside this character");
    if ((byte(i) & 0xC0) != 0x80) return problem("this character is cut short");
    code = (code << 6) | (byte(i) & 0x3F);
  }
  const char32_t smallest[] = {0x80, 0x800, 0x10000};
  if (code < smallest[length - 2]) return problem("an overlong form of a shorter character");
  if (is_surrogate(code)) return problem("a surrogate (half of a UTF-16 pair) is no character");
  if (code > last_code) return problem("a code point beyond U+10FFFF");
  return {code, length, nullptr};
}

std::u32string decode_utf8(std::string_view bytes, std::string_view source) {
  std::u32string codes;
  codes.reserve(bytes.size());
  for (size_t at = 0; at < bytes.size();) {
    const Utf8Character character = next_utf8(bytes, at);
    if (character.problem) refuse(bytes, at, source, character.problem);
    codes.push_back(character.code);
    at += static_cast<size_t>(character.bytes);
  }
  return codes;
}

std::string encode_utf8(std::u32string_view codes) {
  std::string bytes;
  bytes.reserve(codes.size());
  const auto put = [&](char32_t byte) { bytes.push_back(static_cast<char>(byte)); };
  const auto put_rest = [&](char32_t code, int shift) { put(0x80 | ((code >> shift) & 0x3F)); };
  for (const char32_t code : codes) {
    if (is_surrogate(code) || code > last_code) {
      fail(ErrorKind::value, "encode_utf8: ", static_cast<uint32_t>(code), " is not a Unicode character");
    }
    if (code < 0x80) {
      put(code);
    } else if (code < 0x800) {
      put(0xC0 | (code >> 6)), put_rest(code, 0);
    } else if (code < 0x10000) {
      put(0xE0 | (code >> 12)), put_rest(code, 6), put_rest(code, 0);
    } else {
      put(0xF0 | (code >> 18)), put_rest(code, 12), put_rest(code, 6), put_rest(code, 0);
    }
  }
  return bytes;
}

}  // namespace fovea::lib
