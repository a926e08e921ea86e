// The pen that plots are drawn with. See plot_svg.h.
#include "examples/lib/plot_svg.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdio>

#include "examples/lib/plot.h"
#include "examples/lib/terminal.h"
#include "examples/lib/utf8.h"

namespace fovea::lib {
namespace {

struct SeriesInk {
  Ink ink;
  const char* dark;
};
// Black and yellow, which white paper or a dark screen would swallow, are left out or moved.
const std::array<SeriesInk, series_inks>& series() {
  static const std::array<SeriesInk, series_inks> all = {{{{"0", "#0072B2"}, "#4AA8E0"},
                                                          {{"1", "#D55E00"}, "#F0803C"},
                                                          {{"2", "#009E73"}, "#2CC79B"},
                                                          {{"3", "#B4588F"}, "#DE93BF"},
                                                          {{"4", "#D08C00"}, "#EBB742"},
                                                          {{"5", "#4F9FCC"}, "#A3D5F2"},
                                                          {{"6", "#3A3D42"}, "#E8E9EC"},
                                                          {{"7", "#83888F"}, "#9298A0"}}};
  return all;
}

// Widths of Helvetica's letters from space to ~, in thousandths of the size.
constexpr int letter_widths[] = {278,  278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278,
                                 556,  556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556,
                                 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778,
                                 667,  778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556,
                                 333,  556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556,
                                 556,  556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584};

std::string fill(const Ink& ink) { return "class=\"f-" + ink.name + "\" fill=\"" + ink.light + "\""; }
std::string stroke(const Ink& ink, double width) {
  return "class=\"s-" + ink.name + "\" stroke=\"" + ink.light + "\" stroke-width=\"" + px(width) + "\"";
}
std::string dashes(std::string_view dash) {
  return dash.empty() ? "" : " stroke-dasharray=\"" + std::string(dash) + "\"";
}
std::string opaque(double opacity) { return opacity == 1 ? "" : " fill-opacity=\"" + px(opacity) + "\""; }
std::string at(Pen::Point p) { return px(p.x) + "," + px(p.y); }

std::string attributes(const Plot& plot) {
  const std::string size = px(plot.width) + "\" height=\"" + px(plot.height);
  return "viewBox=\"0 0 " + px(plot.width) + " " + px(plot.height) + "\" width=\"" + size +
         "\" role=\"img\" font-family=\"Helvetica, Arial, Liberation Sans, system-ui, sans-serif\" font-size=\"" +
         px(font_size) + "\"";
}

std::string label_of(const Plot& plot) { return "<title>" + escaped_xml(plot.title) + "</title>"; }

}  // namespace

const Ink& series_ink(int i) { return series()[size_t(i % series_inks)].ink; }

std::vector<TextRun> text_runs(std::string_view text) {
  const auto is_word = [&](size_t i) {
    return i < text.size() && (std::isalnum(static_cast<unsigned char>(text[i])) || text[i] == '_');
  };
  const auto is_letter = [&](size_t i) {
    return std::isalpha(static_cast<unsigned char>(text[i])) || (text[i] & 0x80) != 0;
  };
  std::vector<TextRun> runs;
  size_t start = 0;
  for (size_t i = 1; i + 1 < text.size(); ++i) {
    if (text[i] != '_' || i < start + 1 || !is_letter(i - 1) || (i > 1 && is_word(i - 2))) continue;
    size_t end = i + 1;
    while (end < text.size() && is_word(end) && text[end] != '_') ++end;
    if (end == i + 1 || end - i > 6 || is_word(end)) continue;
    runs.push_back({text.substr(start, i - start)});
    runs.push_back({text.substr(i + 1, end - i - 1), true});
    start = end;
  }
  if (start < text.size()) runs.push_back({text.substr(start)});
  return runs;
}

double text_width(std::string_view text, double size, bool bold) {
  double thousandths = 0;
  for (const auto& [part, index] : text_runs(text)) {
    for (size_t i = 0; i < part.size();) {
      const Utf8Character c = next_utf8(part, i);
      const std::string_view letter = part.substr(i, size_t(c.bytes));
      const double width =
          c.code >= 32 && c.code < 127 ? letter_widths[c.code - 32] : 600 * double(display_width(letter));
      thousandths += index ? index_size * width : width;
      i += size_t(c.bytes);
    }
  }
  return thousandths / 1000 * size * (bold ? 1.1 : 1.04);
}

double fitting_size(std::string_view text, double room, double size) {
  return std::min(size, size * room / std::max(text_width(text, size), 1.0));
}

std::vector<std::string> wrapped_lines(std::string_view text, double room, double size, bool bold) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    const std::string word(text.substr(at, end - at));
    if (!lines.empty() && text_width(lines.back() + " " + word, size, bold) <= room)
      lines.back() += " " + word;
    else
      lines.push_back(word);
    at = end + 1;
  }
  return lines;
}

std::string escaped_xml(std::string_view text) {
  std::string xml;
  for (size_t i = 0; i < text.size();) {
    const Utf8Character c = next_utf8(text, i);
    const std::string_view letter = text.substr(i, size_t(c.bytes));
    i += size_t(c.bytes);
    if (c.problem || (c.code < 32 && c.code != '\t' && c.code != '\n') || c.code == 0xFFFE || c.code == 0xFFFF)
      xml += "?";
    else if (c.code == '&')
      xml += "&amp;";
    else if (c.code == '<')
      xml += "&lt;";
    else if (c.code == '>')
      xml += "&gt;";
    else if (c.code == '"')
      xml += "&quot;";
    else
      xml += letter;
  }
  return xml;
}

std::string px(double value) {
  char digits[48];
  std::snprintf(digits, sizeof digits, "%.2f", std::isfinite(value) ? value : 0.0);
  std::string text = digits;
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text == "-0" ? "0" : text;
}

void Pen::line(Point a, Point b, const Ink& colour, double width, std::string_view dash) {
  body_ += "<line x1=\"" + px(a.x) + "\" y1=\"" + px(a.y) + "\" x2=\"" + px(b.x) + "\" y2=\"" + px(b.y) + "\" " +
           stroke(colour, width) + dashes(dash) + "/>\n";
}

void Pen::lines(const std::vector<Point>& points, const Ink& colour, double width, std::string_view dash) {
  std::string path;
  Point last = {-1e9, -1e9};
  for (size_t i = 0; i < points.size(); ++i) {
    const bool seen = std::abs(points[i].x - last.x) > 0.2 || std::abs(points[i].y - last.y) > 0.2;
    if (!seen && i + 1 < points.size()) continue;  // a curve of ten thousand steps has no more corners than pixels
    path += (path.empty() ? "" : " ") + at(last = points[i]);
  }
  body_ += "<polyline points=\"" + path + "\" fill=\"none\" stroke-linejoin=\"round\" stroke-linecap=\"round\" " +
           stroke(colour, width) + dashes(dash) + "/>\n";
}

void Pen::area(const std::vector<Point>& corners, const Ink& colour, double opacity) {
  std::string path;
  for (const Point& corner : corners) path += (path.empty() ? "" : " ") + at(corner);
  body_ += "<polygon points=\"" + path + "\" " + fill(colour) + opaque(opacity) + "/>\n";
}

void Pen::box(double x, double y, double width, double height, const Ink& colour, double opacity) {
  body_ += "<rect x=\"" + px(x) + "\" y=\"" + px(y) + "\" width=\"" + px(width) + "\" height=\"" + px(height) + "\" " +
           fill(colour) + opaque(opacity) + "/>\n";
}

void Pen::box(double x, double y, double width, double height, std::string_view colour) {
  body_ += "<rect x=\"" + px(x) + "\" y=\"" + px(y) + "\" width=\"" + px(width) + "\" height=\"" + px(height) +
           "\" fill=\"" + std::string(colour) + "\"/>\n";
}

void Pen::frame(double x, double y, double width, double height, const Ink& colour) {
  body_ += "<rect x=\"" + px(x) + "\" y=\"" + px(y) + "\" width=\"" + px(width) + "\" height=\"" + px(height) +
           "\" fill=\"none\" " + stroke(colour, 1) + "/>\n";
}

void Pen::mark(Point p, int shape, const Ink& colour, double r, double opacity) {
  const double s = 0.9 * r, t = 1.2 * r;
  switch (shape % 5) {
    case 0:
      body_ += "<circle cx=\"" + px(p.x) + "\" cy=\"" + px(p.y) + "\" r=\"" + px(r) + "\" " + fill(colour) +
               opaque(opacity) + "/>\n";
      return;
    case 1: return box(p.x - s, p.y - s, 2 * s, 2 * s, colour, opacity);
    case 2: return area({{p.x - t, p.y + s}, {p.x + t, p.y + s}, {p.x, p.y - t}}, colour, opacity);
    case 3: return area({{p.x - t, p.y}, {p.x, p.y - t}, {p.x + t, p.y}, {p.x, p.y + t}}, colour, opacity);
    default: return area({{p.x - t, p.y - s}, {p.x + t, p.y - s}, {p.x, p.y + t}}, colour, opacity);
  }
}

void Pen::text(Point p, std::string_view words, const TextStyle& style) {
  const auto write = [&](const std::string& colour) {
    bool lowered = false;
    body_ += "<text x=\"" + px(p.x) + "\" y=\"" + px(p.y) + "\" " + colour;
    if (style.anchor != Anchor::start)
      body_ += style.anchor == Anchor::end ? " text-anchor=\"end\"" : " text-anchor=\"middle\"";
    if (style.size != font_size) body_ += " font-size=\"" + px(style.size) + "\"";
    if (style.bold) body_ += " font-weight=\"700\"";
    if (style.turned != 0) body_ += " transform=\"rotate(" + px(style.turned) + " " + px(p.x) + " " + px(p.y) + ")\"";
    body_ += ">";
    for (const auto& [part, index] : text_runs(words)) {
      if (!index && !lowered)
        body_ += escaped_xml(part);
      else  // an index, or what comes back up from it
        body_ += "<tspan dy=\"" + px((index ? 0.22 : -0.22) * style.size) + "\" font-size=\"" +
                 px((index ? index_size : 1) * style.size) + "\">" + escaped_xml(part) + "</tspan>";
      lowered = index;
    }
    body_ += "</text>\n";
  };
  if (style.halo) write("fill=\"none\" stroke-linejoin=\"round\" " + stroke(ink::paper, 3.5));
  write(fill(*style.colour));
}

void Pen::number(Point p, std::string_view digits, std::string_view colour, double size) {
  body_ += "<text x=\"" + px(p.x) + "\" y=\"" + px(p.y) + "\" text-anchor=\"middle\" font-size=\"" + px(size) +
           "\" fill=\"" + std::string(colour) + "\">" + std::string(digits) + "</text>\n";
}

std::string plot_style() {
  std::string rules;
  const auto rule = [&](const std::string& name, const std::string& dark) {
    rules += ".f-" + name + "{fill:" + dark + "}.s-" + name + "{stroke:" + dark + "}\n";
  };
  rule("text", "#e4e6ea"), rule("mute", "#9aa1ac"), rule("axis", "#737a85"), rule("grid", "#2b2f36");
  rule("paper", "#15171b");
  for (const SeriesInk& each : series()) rule(each.ink.name, each.dark);
  return "@media screen and (prefers-color-scheme: dark) {\n" + rules + "}\n";
}

std::string Plot::inline_svg() const {
  return "<svg " + attributes(*this) + ">" + label_of(*this) + "\n" + body + "</svg>\n";
}

std::string Plot::svg() const {
  Pen paper;
  paper.box(0, 0, width, height, ink::paper);
  return "<svg xmlns=\"http://www.w3.org/2000/svg\" " + attributes(*this) + ">" + label_of(*this) + "\n<style>\n" +
         plot_style() + "</style>\n" + paper.take() + body + "</svg>\n";
}

}  // namespace fovea::lib
