// What the stream in front of the user can do: redraw a line, show colour, how wide it is; and how many columns a text
// takes there.
//
// Everything degrades to plain text by itself: in a pipe, with TERM=dumb or none, and (colour only) with NO_COLOR set.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace fovea::lib {

class Terminal {
 public:
  explicit Terminal(int fd);  // 1 is standard output, 2 standard error

  bool interactive() const { return interactive_; }  // a terminal that can redraw a line
  bool unicode() const { return unicode_; }          // the locale is UTF-8, so that block characters show
  int64_t width() const;                             // columns now (a window can be resized); 80 where unknown

  // The text in that style, or as it is where colour is off.
  std::string bold(std::string_view text) const { return styled("1", text); }
  std::string dim(std::string_view text) const { return styled("2", text); }
  std::string red(std::string_view text) const { return styled("31", text); }
  std::string green(std::string_view text) const { return styled("32", text); }
  std::string yellow(std::string_view text) const { return styled("33", text); }
  std::string cyan(std::string_view text) const { return styled("36", text); }

 private:
  std::string styled(const char* code, std::string_view text) const;

  int fd_;
  bool interactive_, colour_, unicode_;
};

// Columns that a text (UTF-8, no escape sequences) takes: Chinese, Japanese, Korean and emoji 2, combining marks and
// control characters 0, a byte that is not UTF-8 1.
int64_t display_width(std::string_view text);

// The longest start of the text that fits into so many columns; whole characters only.
std::string_view cut_to_width(std::string_view text, int64_t columns);

}  // namespace fovea::lib
