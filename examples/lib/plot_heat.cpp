// Heat maps. See plot.h.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <map>

#include "examples/lib/format.h"
#include "examples/lib/plot.h"
#include "examples/lib/plot_axes.h"
#include "tensor/error.h"

namespace fovea::lib {
namespace {

constexpr double number_size = 11.5;

struct Colour {
  double r, g, b;
};

// Nine colours of viridis (van der Walt & Smith 2015), and of a blue-white-red scale that is even in lightness.
constexpr std::array<Colour, 9> viridis = {{{68, 1, 84},
                                            {71, 44, 122},
                                            {59, 81, 139},
                                            {44, 113, 142},
                                            {33, 144, 141},
                                            {39, 173, 129},
                                            {92, 200, 99},
                                            {170, 220, 50},
                                            {253, 231, 37}}};
constexpr std::array<Colour, 9> blue_red = {{{5, 48, 97},
                                             {33, 102, 172},
                                             {67, 147, 195},
                                             {146, 197, 222},
                                             {247, 247, 247},
                                             {244, 165, 130},
                                             {214, 96, 77},
                                             {178, 24, 43},
                                             {103, 0, 31}}};

Colour colour_at(Palette palette, double part) {
  const auto& stops = palette == Palette::sequential ? viridis : blue_red;
  const double place = std::clamp(part, 0.0, 1.0) * double(stops.size() - 1);
  const size_t i = std::min(size_t(place), stops.size() - 2);
  const double f = place - double(i);
  const auto mix = [&](double a, double b) { return a + f * (b - a); };
  return {mix(stops[i].r, stops[i + 1].r), mix(stops[i].g, stops[i + 1].g), mix(stops[i].b, stops[i + 1].b)};
}

std::string hex(const Colour& c) {
  char text[8];
  std::snprintf(text, sizeof text, "#%02x%02x%02x", unsigned(std::lround(c.r)) & 255U,
                unsigned(std::lround(c.g)) & 255U, unsigned(std::lround(c.b)) & 255U);
  return text;
}

bool is_dark(const Colour& c) { return 0.299 * c.r + 0.587 * c.g + 0.114 * c.b < 130; }

struct HeatScale {
  double low, high;
  Palette palette;

  HeatScale(const HeatOptions& options, const std::vector<double>& values) : palette(options.palette) {
    Extent extent(false);
    extent.add(values);
    low = extent.empty() ? 0 : extent.low(), high = extent.empty() ? 1 : extent.high();
    if (palette == Palette::diverging) high = std::max(std::abs(low), std::abs(high)), low = -high;
    low = options.low.value_or(low), high = options.high.value_or(high);
    if (low == high) low -= 0.5, high += 0.5;
    if (!(low < high)) fail(ErrorKind::value, "heat_map: the colours cannot go from ", low, " to ", high);
  }
  Colour operator()(double value) const { return colour_at(palette, (value - low) / (high - low)); }
};

std::string cell_text(double value, int decimals) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "−∞" : "∞";
  std::string text = format_fixed(value, decimals);
  if (text.find_first_not_of("-0.") == text.npos) text.erase(0, text.starts_with('-') ? 1 : 0);
  return text.starts_with('-') ? "−" + text.substr(1) : text;
}

// How many cells there are for each name that is not empty.
double cells_of_a_name(const std::vector<std::string>& names) {
  const auto empty = std::count(names.begin(), names.end(), "");
  return double(names.size()) / double(std::max<std::ptrdiff_t>(std::ssize(names) - empty, 1));
}

// Where everything of a heat map lies.
struct HeatLayout {
  int64_t rows, columns;
  double cell_width, cell_height, left, top, width, height, name_height;
  bool upright = false;                     // the names of the columns
  int64_t every_row = 1, every_column = 1;  // of the names that are shown

  HeatLayout(const HeatOptions& o, const Tensor& values, double widest_text)
      : rows(values.size(0)), columns(values.size(1)) {
    const double largest = o.decimals >= 0 ? 46 : 34;
    const double fitting =
        std::min(420.0 / double(std::max<int64_t>(columns, 1)), 420.0 / double(std::max<int64_t>(rows, 1)));
    cell_height = o.cell > 0 ? o.cell : std::min(largest, std::max(fitting, o.decimals >= 0 ? 22.0 : 1.0));
    cell_width = std::max(cell_height, o.decimals >= 0 ? widest_text + 8 : 0.0);
    double row_names = 0, widest_column = 0;
    for (const std::string& name : o.row_names) row_names = std::max(row_names, text_width(name, 12));
    for (const std::string& name : o.column_names) widest_column = std::max(widest_column, text_width(name, 12));
    const double row_room = cell_height * cells_of_a_name(o.row_names),
                 column_room = cell_width * cells_of_a_name(o.column_names);
    upright = widest_column + 4 > column_room;
    name_height = o.column_names.empty() ? 0 : upright ? widest_column + 8 : 18;
    every_row = std::max<int64_t>(1, int64_t(std::ceil(14 / row_room)));
    every_column = upright ? std::max<int64_t>(1, int64_t(std::ceil(14 / column_room))) : 1;
    left = 8 + (o.rows.empty() ? 0 : 20) + (o.row_names.empty() ? 0 : row_names + 6);
    top = 8 + (o.title.empty() ? 0 : 24) + (o.columns.empty() ? 0 : 20) + name_height;
    width = cell_width * double(columns), height = cell_height * double(rows);
  }
  double x(int64_t column) const { return left + cell_width * double(column); }
  double y(int64_t row) const { return top + cell_height * double(row); }
};

// A cell without a number: lines across it.
void hatch(Pen& pen, const HeatLayout& at, int64_t row, int64_t column) {
  const double x = at.x(column), y = at.y(row), w = at.cell_width, h = at.cell_height;
  pen.box(x, y, w, h, ink::grid);
  for (const double part : {0.25, 0.5, 0.75, 1.0}) {
    pen.line({x, y + h * part}, {x + w * part, y}, ink::axis, 0.7);
    if (part < 1) pen.line({x + w * part, y + h}, {x + w, y + h * part}, ink::axis, 0.7);
  }
}

// The cells of one colour are one path, in units of cells; equal neighbours are one box of it.
void draw_colours(Pen& pen, const HeatLayout& at, const HeatScale& scale, const std::vector<double>& v) {
  std::map<std::string, std::string> paths;  // colour -> cells
  for (int64_t r = 0; r < at.rows; ++r) {
    const auto cell = [&](int64_t c) { return v[size_t(r * at.columns + c)]; };
    for (int64_t c = 0, same = 1; c < at.columns; c += same, same = 1) {
      if (!std::isfinite(cell(c))) continue;
      const std::string colour = hex(scale(cell(c)));
      while (c + same < at.columns && std::isfinite(cell(c + same)) && hex(scale(cell(c + same))) == colour) ++same;
      const std::string wide = std::to_string(same);
      paths[colour] += "M" + std::to_string(c) + " " + std::to_string(r) + "h" + wide + "v1h-" + wide + "z";
    }
  }
  pen.raw("<svg x=\"" + px(at.left) + "\" y=\"" + px(at.top) + "\" width=\"" + px(at.width) + "\" height=\"" +
          px(at.height) + "\" viewBox=\"0 0 " + std::to_string(at.columns) + " " + std::to_string(at.rows) +
          "\" preserveAspectRatio=\"none\" shape-rendering=\"crispEdges\">\n");
  for (const auto& [colour, cells] : paths) pen.raw("<path fill=\"" + colour + "\" d=\"" + cells + "\"/>\n");
  pen.raw("</svg>\n");
}

void draw_cells(Pen& pen, const HeatLayout& at, const HeatScale& scale, const HeatOptions& o,
                const std::vector<double>& v) {
  draw_colours(pen, at, scale, v);
  for (int64_t r = 0; r < at.rows; ++r) {
    for (int64_t c = 0; c < at.columns; ++c) {
      const double value = v[size_t(r * at.columns + c)];
      const bool finite = std::isfinite(value);
      if (!finite) hatch(pen, at, r, c);
      if (o.decimals < 0 && (finite || at.cell_width < 30)) continue;
      const Pen::Point middle = {at.x(c) + at.cell_width / 2, at.y(r) + at.cell_height / 2 + 4};
      if (finite)
        pen.number(middle, cell_text(value, o.decimals), is_dark(scale(value)) ? "#ffffff" : "#111111", number_size);
      else
        pen.text(middle, cell_text(value, 0), {.anchor = Anchor::middle, .size = 12, .halo = true});
    }
  }
  pen.frame(at.left, at.top, at.width, at.height, ink::axis);
}

void draw_names(Pen& pen, const HeatLayout& at, const HeatOptions& o) {
  const TextStyle row_style = {.anchor = Anchor::end, .size = 12, .colour = &ink::mute};
  for (int64_t r = 0; r < int64_t(o.row_names.size()); r += at.every_row)
    pen.text({at.left - 6, at.y(r) + at.cell_height / 2 + 4}, o.row_names[size_t(r)], row_style);
  for (int64_t c = 0; c < int64_t(o.column_names.size()); c += at.every_column) {
    const double middle = at.x(c) + at.cell_width / 2;
    if (at.upright)
      pen.text({middle + 4, at.top - 6}, o.column_names[size_t(c)], {.size = 12, .colour = &ink::mute, .turned = -90});
    else
      pen.text({middle, at.top - 6}, o.column_names[size_t(c)],
               {.anchor = Anchor::middle, .size = 12, .colour = &ink::mute});
  }
  if (!o.title.empty()) pen.text({8, 8 + title_size}, o.title, {.size = title_size, .bold = true});
  if (!o.columns.empty())
    pen.text({at.left + at.width / 2, at.top - at.name_height - 8}, o.columns, {.anchor = Anchor::middle});
  if (!o.rows.empty()) pen.text({20, at.top + at.height / 2}, o.rows, {.anchor = Anchor::middle, .turned = -90});
}

// The colours and their numbers, right of the cells; returns the width that it takes.
double draw_bar(Pen& pen, const HeatLayout& at, const HeatScale& scale, const HeatOptions& o) {
  const double x = at.left + at.width + 16, height = std::max(at.height, 80.0);
  constexpr int steps = 48;
  for (int i = 0; i < steps; ++i) {
    const double part = 1 - (i + 0.5) / steps, more = i + 1 < steps ? 0.4 : 0;
    pen.box(x, at.top + height * i / steps, 12, height / steps + more, hex(colour_at(scale.palette, part)));
  }
  pen.frame(x, at.top, 12, height, ink::axis);
  const std::vector<double> ticks = linear_ticks(scale.low, scale.high, std::max(3, int(height / 45)));
  const std::vector<std::string> labels = tick_texts(ticks, false);
  double widest = 0;
  for (size_t i = 0; i < ticks.size(); ++i) {
    const double y = at.top + height * (scale.high - ticks[i]) / (scale.high - scale.low);
    pen.line({x + 12, y}, {x + 15, y}, ink::axis);
    pen.text({x + 18, y + 4}, labels[i], {.size = 12, .colour = &ink::mute});
    widest = std::max(widest, text_width(labels[i], 12));
  }
  double width = 16 + 18 + widest + 8;
  if (o.bar.empty()) return width;
  pen.text({x + 18 + widest + 18, at.top + height / 2}, o.bar, {.anchor = Anchor::middle, .turned = -90});
  return width + 18;
}

void check_heat(const HeatOptions& o, const Tensor& values) {
  if (values.rank() != 2) fail(ErrorKind::shape, "heat_map: values are [rows, columns], got ", values.shape());
  const auto check_names = [&](const char* which, const std::vector<std::string>& names, int64_t wanted) {
    if (names.empty() || int64_t(names.size()) == wanted) return;
    fail(ErrorKind::value, "heat_map: ", names.size(), " names for ", wanted, " ", which);
  };
  check_names("rows", o.row_names, values.size(0));
  check_names("columns", o.column_names, values.size(1));
}

}  // namespace

Plot heat_map(const HeatOptions& options, const Tensor& values) {
  check_heat(options, values);
  const std::vector<double> v = numbers(values);
  const HeatScale scale(options, v);
  double widest = 0;
  if (options.decimals >= 0) {
    for (const double value : v) widest = std::max(widest, text_width(cell_text(value, options.decimals), number_size));
  }
  const HeatLayout at(options, values, widest);
  Pen pen;
  draw_cells(pen, at, scale, options, v);
  draw_names(pen, at, options);
  const double bar = draw_bar(pen, at, scale, options);
  const double title = 8 + text_width(options.title, title_size, true) + 8;
  return {.width = std::max(at.left + at.width + bar, title),
          .height = at.top + std::max(at.height, 80.0) + 10,
          .title = options.title,
          .body = pen.take()};
}

Plot small_multiples(std::string title, int columns, const std::vector<Plot>& plots) {
  if (columns < 1) fail(ErrorKind::value, "small_multiples: columns is ", columns, ", it must be at least 1");
  constexpr double between = 12;
  std::vector<double> widths(size_t(columns), 0.0);
  for (size_t i = 0; i < plots.size(); ++i)
    widths[i % widths.size()] = std::max(widths[i % widths.size()], plots[i].width);
  Pen pen;
  Plot all{.title = std::move(title)};
  double y = 0;
  if (!all.title.empty()) {
    pen.text({8, 10 + title_size}, all.title, {.size = 16, .bold = true});
    all.width = 8 + text_width(all.title, 16, true) + 8;
    y = 36;
  }
  for (size_t first = 0; first < plots.size(); first += widths.size()) {
    double x = 0, height = 0;
    for (size_t i = first; i < std::min(first + widths.size(), plots.size()); ++i) {
      pen.raw("<svg x=\"" + px(x) + "\" y=\"" + px(y) + "\" width=\"" + px(plots[i].width) + "\" height=\"" +
              px(plots[i].height) + "\">\n" + plots[i].body + "</svg>\n");
      all.width = std::max(all.width, x + plots[i].width);
      x += widths[i % widths.size()] + between;
      height = std::max(height, plots[i].height);
    }
    y += height + between;
  }
  all.height = std::max(y - between, 1.0);
  all.body = pen.take();
  return all;
}

}  // namespace fovea::lib
