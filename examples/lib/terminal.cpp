// What the stream in front of the user can do. See terminal.h.
#include "examples/lib/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

#include "examples/lib/utf8.h"

namespace fovea::lib {
namespace {

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

bool locale_is_utf8() {
  std::string_view locale;  // the first of these that is set decides (POSIX)
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    locale = environment(name);
    if (!locale.empty()) break;
  }
  for (const char* spelling : {"UTF-8", "utf-8", "UTF8", "utf8"}) {
    if (locale.find(spelling) != locale.npos) return true;
  }
  return false;
}

struct Range {
  char32_t first, last;
};

// Unicode's East Asian Width W and F, rounded to whole blocks, and the emoji.
constexpr Range wide[] = {{0x1100, 0x115F},   {0x2E80, 0x303E},   {0x3041, 0x4DBF},   {0x4E00, 0xA4CF},
                          {0xA960, 0xA97F},   {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},
                          {0xFF01, 0xFF60},   {0xFFE0, 0xFFE6},   {0x16FE0, 0x18DFF}, {0x1AFF0, 0x1B2FF},
                          {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF}, {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD}};

// Combining marks, joiners and variation selectors.
constexpr Range zero_width[] = {{0x0000, 0x001F}, {0x007F, 0x009F},  {0x0300, 0x036F}, {0x0483, 0x0489},
                                {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF},  {0x200B, 0x200F}, {0x20D0, 0x20FF},
                                {0x302A, 0x302D}, {0x3099, 0x309A},  {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F},
                                {0xFEFF, 0xFEFF}, {0xE0100, 0xE01EF}};

template <size_t n> bool in(const Range (&ranges)[n], char32_t code) {
  for (const Range& range : ranges) {
    if (code >= range.first && code <= range.last) return true;
  }
  return false;
}

int64_t width_of(const Utf8Character& character) {
  if (character.problem) return 1;
  if (in(zero_width, character.code)) return 0;
  return in(wide, character.code) ? 2 : 1;
}

}  // namespace

Terminal::Terminal(int fd) : fd_(fd) {
  const std::string_view kind = environment("TERM");
  interactive_ = isatty(fd) == 1 && !kind.empty() && kind != "dumb";
  colour_ = interactive_ && environment("NO_COLOR").empty();
  unicode_ = locale_is_utf8();
}

int64_t Terminal::width() const {
  winsize size = {};
  if (ioctl(fd_, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  const int64_t columns = std::strtol(std::string(environment("COLUMNS")).c_str(), nullptr, 10);
  return columns > 0 ? columns : 80;
}

std::string Terminal::styled(const char* code, std::string_view text) const {
  if (!colour_) return std::string(text);
  return std::string("\x1b[").append(code).append("m").append(text).append("\x1b[0m");
}

int64_t display_width(std::string_view text) {
  int64_t columns = 0;
  for (size_t at = 0; at < text.size();) {
    const Utf8Character character = next_utf8(text, at);
    columns += width_of(character);
    at += static_cast<size_t>(character.bytes);
  }
  return columns;
}

std::string_view cut_to_width(std::string_view text, int64_t columns) {
  size_t at = 0;
  while (at < text.size()) {
    const Utf8Character character = next_utf8(text, at);
    columns -= width_of(character);
    if (columns < 0) break;
    at += static_cast<size_t>(character.bytes);
  }
  return text.substr(0, at);
}

}  // namespace fovea::lib
