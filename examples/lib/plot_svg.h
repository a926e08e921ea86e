// The pen that plots are drawn with: SVG elements, the inks, and how wide a text will be.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace fovea::lib {

// A colour that has a class, by which plot_style() gives it another one on a dark screen.
struct Ink {
  std::string name;   // of the class, after f- for fills and s- for strokes
  std::string light;  // "#0072B2"
};

namespace ink {
inline const Ink text = {"text", "#1c1e22"}, mute = {"mute", "#5c636d"}, axis = {"axis", "#8b919b"},
                 grid = {"grid", "#e4e6ea"}, paper = {"paper", "#ffffff"};
}
constexpr int series_inks = 8;
const Ink& series_ink(int i);  // Okabe & Ito's, those that are legible on white first; then again from the first

constexpr double font_size = 13, title_size = 14.5;

// A text cut where it changes between the line and an index below it: "√d_k" is √d with the index k. An index follows
// a single letter, and has up to five letters and digits.
struct TextRun {
  std::string_view text;
  bool index = false;
};
std::vector<TextRun> text_runs(std::string_view text);
constexpr double index_size = 0.75;  // of a letter on the line

// The width of a text in pixels: that of Helvetica, Arial or Liberation Sans, and a little more for other fonts.
double text_width(std::string_view text, double size = font_size, bool bold = false);

// The size, at most the one wished for, at which the text fits into so many pixels.
double fitting_size(std::string_view text, double room, double size = font_size);
// The text in lines that fit, broken between words.
std::vector<std::string> wrapped_lines(std::string_view text, double room, double size, bool bold);

std::string escaped_xml(std::string_view text);  // what XML cannot hold (control characters, broken UTF-8) as "?"
std::string px(double value);                    // a length or a place, to a hundredth of a pixel

enum class Anchor { start, middle, end };

struct TextStyle {
  Anchor anchor = Anchor::start;
  double size = font_size;
  bool bold = false;
  const Ink* colour = &ink::text;
  double turned = 0;  // degrees, around its anchor
  bool halo = false;  // a rim of paper, for text that lies over lines
};

class Pen {
 public:
  struct Point {
    double x, y;
  };
  void line(Point a, Point b, const Ink& colour, double width = 1, std::string_view dash = {});
  void lines(const std::vector<Point>& points, const Ink& colour, double width, std::string_view dash = {});
  void area(const std::vector<Point>& corners, const Ink& fill, double opacity);
  void box(double x, double y, double width, double height, const Ink& fill, double opacity = 1);
  void box(double x, double y, double width, double height, std::string_view fill);  // the same on any screen
  void frame(double x, double y, double width, double height, const Ink& colour);
  void mark(Point at, int shape, const Ink& colour, double radius = 3.2, double opacity = 1);  // ● ■ ▲ ◆ ▼ …
  void text(Point at, std::string_view words, const TextStyle& style = {});
  void number(Point at, std::string_view digits, std::string_view fill, double size);  // in the middle of a cell
  void raw(std::string_view elements) { body_ += elements; }
  std::string take() { return std::move(body_); }

 private:
  std::string body_;
};

}  // namespace fovea::lib
