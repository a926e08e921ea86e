// The frame of a plot. See plot_axes.h.
#include "examples/lib/plot_axes.h"

#include <algorithm>
#include <cmath>

#include "examples/lib/format.h"
#include "tensor/error.h"

namespace fovea::lib {
namespace {

constexpr double gap = 8, tick_length = 4, line_height = 18, swatch = 24;

double round_step(double about) {
  const double power = std::pow(10, std::floor(std::log10(about)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= about * 0.999) return factor * power;
  }
  return 10 * power;
}

std::string power_of_ten(int exponent) {
  static const char* const digits[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  std::string text = exponent < 0 ? "10⁻" : "10";
  for (const char c : std::to_string(std::abs(exponent))) text += digits[c - '0'];
  return text;
}

std::string with_minus_sign(std::string text) { return text.starts_with('-') ? "−" + text.substr(1) : text; }

// 0.25, 1,500, 2e9: with so many decimals.
std::string tick_text(double value, int decimals) {
  const double size = std::abs(value);
  if (size >= 1e7 || (size > 0 && size < 1e-5)) {
    const int power = int(std::floor(std::log10(size) + 1e-9));
    return with_minus_sign(format_significant(value / std::pow(10, power), 3) + "·" + power_of_ten(power));
  }
  if (decimals == 0 && size >= 1000) return with_minus_sign(format_count(std::llround(value)));
  return with_minus_sign(format_fixed(value == 0 ? 0 : value, decimals));
}

int decimals_of(const std::vector<double>& values) {
  for (int decimals = 0; decimals < 6; ++decimals) {
    const double scale = std::pow(10, decimals);
    const bool all = std::all_of(values.begin(), values.end(), [&](double v) {
      return std::abs(v * scale - std::round(v * scale)) < 1e-6 * std::max(1.0, std::abs(v * scale));
    });
    if (all) return decimals;
  }
  return 6;
}

double widest(const std::vector<std::string>& labels) {
  double width = 0;
  for (const std::string& label : labels) width = std::max(width, text_width(label));
  return width;
}

}  // namespace

std::vector<double> linear_ticks(double low, double high, int wanted) {
  if (!(low < high)) return {low};
  const double step = round_step((high - low) / std::max(1, wanted));
  std::vector<double> ticks;
  const double first = std::ceil(low / step - 1e-9), last = std::floor(high / step + 1e-9);
  for (double i = first; i <= last; ++i) ticks.push_back(i * step);
  return ticks;
}

std::vector<double> log_ticks(double low, double high) {
  const double decades = std::log10(high) - std::log10(low);
  if (decades < 0.7) return linear_ticks(low, high, 5);
  const int from = int(std::floor(std::log10(low) + 1e-9)), to = int(std::ceil(std::log10(high) - 1e-9));
  const int every = std::max(1, int(std::ceil(decades / 8)));
  std::vector<double> ticks;
  for (int power = from; power <= to; ++power) {
    if (power % every != 0) continue;
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double tick = factor * std::pow(10, power);
      const bool wanted = factor == 1 || decades < 2.5;
      if (wanted && tick >= low * 0.9999 && tick <= high * 1.0001) ticks.push_back(tick);
    }
  }
  return ticks;
}

std::vector<std::string> tick_texts(const std::vector<double>& ticks, bool log) {
  std::vector<std::string> texts;
  const int decimals = decimals_of(ticks);
  const bool powers = log && !ticks.empty() && (ticks.front() < 1e-3 || ticks.back() > 1e5);
  for (const double tick : ticks) {
    const double exponent = tick > 0 ? std::log10(tick) : 0.5;
    if (powers && std::abs(exponent - std::round(exponent)) < 1e-9)
      texts.push_back(power_of_ten(int(std::round(exponent))));
    else
      texts.push_back(tick_text(tick, log ? decimals_of({tick}) : decimals));
  }
  return texts;
}

// --- what the data needs -----------------------------------------------------------------------------------------

bool Extent::shows(double value) const { return std::isfinite(value) && !(log_ && value <= 0); }

void Extent::add(double value) {
  if (!shows(value)) return;
  low_ = std::min(low_, value);
  high_ = std::max(high_, value);
}

void Extent::add(const std::vector<double>& values) {
  for (const double value : values) add(value);
}

// --- the panel ---------------------------------------------------------------------------------------------------

double Panel::Scale::part(double value) const {
  return log ? (std::log(value) - std::log(low)) / (std::log(high) - std::log(low)) : (value - low) / (high - low);
}

Panel::Scale Panel::scale_of(const Axis& axis, const Extent& extent, Room room, int ticks) {
  Scale s;
  s.log = axis.log;
  s.low = extent.empty() ? (axis.log ? 0.1 : 0.0) : extent.low();
  s.high = extent.empty() ? 1 : extent.high();
  const double beyond = room == Room::tight ? 0 : 0.04;
  if (s.log) {
    const double ratio = s.low < s.high ? std::exp(beyond * (std::log(s.high) - std::log(s.low))) : 2;
    s.low /= ratio, s.high *= ratio;
  } else {
    const double more = s.low < s.high ? beyond * (s.high - s.low) : s.low == 0 ? 0.5 : 0.1 * std::abs(s.low);
    s.low -= more, s.high += more;
  }
  if (axis.low) s.low = *axis.low;
  if (axis.high) s.high = *axis.high;
  if (!(s.low < s.high) || (s.log && s.low <= 0)) {
    fail(ErrorKind::value, "plot: the axis \"", axis.label, "\" cannot go from ", s.low, " to ", s.high,
         s.log ? ": a logarithmic axis needs 0 < low < high" : ": low must be below high");
  }
  if (!axis.tick_labels.empty() && axis.tick_labels.size() != axis.ticks.size()) {
    fail(ErrorKind::value, "plot: the axis \"", axis.label, "\" has ", axis.ticks.size(), " ticks and ",
         axis.tick_labels.size(), " labels for them");
  }
  s.ticks = !axis.ticks.empty() ? axis.ticks : s.log ? log_ticks(s.low, s.high) : linear_ticks(s.low, s.high, ticks);
  const bool within_a_decade = !s.log || s.high < 10 * s.low;
  for (int wanted = 3; axis.ticks.empty() && within_a_decade && s.ticks.size() < 3 && wanted < 9; ++wanted)
    s.ticks = linear_ticks(s.low, s.high, wanted);  // one or two tell little
  s.labels = axis.tick_labels.empty() ? tick_texts(s.ticks, s.log) : axis.tick_labels;
  return s;
}

Panel::Panel(const PlotOptions& options, const Extent& x, const Extent& y, const std::vector<LegendEntry>& legend,
             Room room_x, Room room_y, double more_room_below)
    : options_(options) {
  y_ = scale_of(options.y, y, room_y, int(options.height / 60));
  x_ = scale_of(options.x, x, room_x, int(options.width / 80));
  left_ = gap + widest(y_.labels) + tick_length + gap + (options.y.label.empty() ? 0 : line_height);
  right_ = options.width - std::max(14.0, x_.labels.empty() ? 0 : text_width(x_.labels.back()) / 2 + 2);
  bottom_ = options.height - gap - line_height - (options.x.label.empty() ? 0 : line_height + 2) - more_room_below;
  top_ = gap;
  draw_title();
  draw_legend(legend);
  top_ += 4;
  draw_x_references();
  draw_axes();
  if (x.empty() && legend.empty())
    pen.text({(left_ + right_) / 2, (top_ + bottom_) / 2}, "no data", {.anchor = Anchor::middle, .colour = &ink::mute});
}

void Panel::draw_title() {
  for (const std::string& line : wrapped_lines(options_.title, options_.width - 2 * gap, title_size, true)) {
    pen.text({gap, top_ + title_size}, line, {.size = title_size, .bold = true});
    top_ += line_height;
  }
  if (!options_.title.empty()) top_ += gap;
}

// A sample of each series and its name, in as many lines as they need, above the panel.
void Panel::draw_legend(const std::vector<LegendEntry>& legend) {
  double x = left_;
  bool any = false;
  for (const LegendEntry& entry : legend) {
    if (entry.name.empty()) continue;
    const double width = swatch + 6 + text_width(entry.name) + 18;
    if (any && x + width > options_.width) x = left_, top_ += line_height;
    any = true;
    const double y = top_ + line_height / 2;
    const Ink& colour = series_ink(entry.colour);
    using Sign = LegendEntry::Sign;
    if (entry.sign == Sign::box) pen.box(x + swatch - 14, y - 6, 12, 12, colour, 0.85);
    if (entry.sign == Sign::line || entry.sign == Sign::line_and_points) pen.line({x, y}, {x + swatch, y}, colour, 2);
    if (entry.sign == Sign::dashed) pen.line({x, y}, {x + swatch, y}, colour, 2, "6 4");
    if (entry.sign == Sign::points || entry.sign == Sign::line_and_points)
      pen.mark({x + swatch / 2, y}, entry.colour, colour);
    pen.text({x + swatch + 6, y + 4.5}, entry.name);
    x += width;
  }
  if (any) top_ += line_height + 4;
}

void Panel::draw_axes() {
  for (size_t i = 0; i < y_.ticks.size(); ++i) {
    const double part = y_.part(y_.ticks[i]);
    if (part < -1e-6 || part > 1 + 1e-6) continue;
    const double y = at_y(y_.ticks[i]);
    pen.line({left_, y}, {right_, y}, ink::grid);
    pen.text({left_ - tick_length - 3, y + 4.5}, y_.labels[i], {.anchor = Anchor::end, .colour = &ink::mute});
  }
  double taken = -1e9;  // the right end of the last label: those that would run into it are left out
  for (size_t i = 0; i < x_.ticks.size(); ++i) {
    const double part = x_.part(x_.ticks[i]);
    if (part < -1e-6 || part > 1 + 1e-6) continue;
    const double x = at_x(x_.ticks[i]), half = text_width(x_.labels[i]) / 2;
    pen.line({x, bottom_}, {x, bottom_ + tick_length}, ink::axis);
    if (x - half < taken + 5) continue;
    pen.text({x, bottom_ + line_height}, x_.labels[i], {.anchor = Anchor::middle, .colour = &ink::mute});
    taken = x + half;
  }
  pen.line({left_, bottom_}, {right_, bottom_}, ink::axis);
  if (!options_.x.label.empty())
    pen.text({(left_ + right_) / 2, options_.height - gap - 2}, options_.x.label,
             {.anchor = Anchor::middle, .size = fitting_size(options_.x.label, options_.width - 2 * gap)});
  if (!options_.y.label.empty())
    pen.text(
        {gap + 12, (top_ + bottom_) / 2}, options_.y.label,
        {.anchor = Anchor::middle, .size = fitting_size(options_.y.label, options_.height - 2 * gap), .turned = -90});
}

// Their names stand above the panel, clear of the data: in a second line where they would run into each other.
void Panel::draw_x_references() {
  struct Name {
    double x, line;
    std::string text;
  };
  std::vector<Name> names;
  std::vector<double> taken;  // the right end of each line so far
  std::vector<Reference> sorted = options_.x_lines;
  std::sort(sorted.begin(), sorted.end(), [](const Reference& a, const Reference& b) { return a.at < b.at; });
  for (const auto& [at, label] : sorted) {
    if (label.empty() || !shows(at, y_.log ? y_.high : y_.low)) continue;
    const double half = text_width(label, 12) / 2;
    const double x = std::clamp(at_x(at), std::min(left_ + half, right_ - half), std::max(left_ + half, right_ - half));
    size_t line = 0;
    while (line < taken.size() && x - half < taken[line] + 8) ++line;
    if (line == taken.size()) taken.push_back(0);
    taken[line] = x + half;
    names.push_back({x, double(line), label});
  }
  for (const auto& [x, line, text] : names)
    pen.text({x, top_ + 11 + 15 * line}, text, {.anchor = Anchor::middle, .size = 12, .colour = &ink::mute});
  top_ += 15 * double(taken.size()) + (taken.empty() ? 0 : 2);
}

void Panel::draw_references() {
  for (const Reference& line : options_.x_lines) {
    if (shows(line.at, y_.low)) pen.line({at_x(line.at), top_}, {at_x(line.at), bottom_}, ink::mute, 1.2, "2 3");
  }
  for (const auto& [at, label] : options_.y_lines) {
    if (!shows(x_.low, at)) continue;
    const double y = at_y(at);
    pen.line({left_, y}, {right_, y}, ink::mute, 1.2, "2 3");
    const bool above = y - top_ > line_height;
    pen.text({right_ - 4, above ? y - 5 : y + 14}, label,
             {.anchor = Anchor::end, .size = 12, .colour = &ink::mute, .halo = true});
  }
}

bool Panel::has_place(double x, double y) const {
  return std::isfinite(x) && std::isfinite(y) && !(x_.log && x <= 0) && !(y_.log && y <= 0);
}

bool Panel::shows(double x, double y) const {
  const auto inside = [](double part) { return part >= -1e-6 && part <= 1 + 1e-6; };
  return has_place(x, y) && inside(x_.part(x)) && inside(y_.part(y));
}

void Panel::begin_inside() {
  const std::string place = px(left_) + " " + px(top_) + " " + px(right_ - left_) + " " + px(bottom_ - top_);
  pen.raw("<svg x=\"" + px(left_) + "\" y=\"" + px(top_) + "\" width=\"" + px(right_ - left_) + "\" height=\"" +
          px(bottom_ - top_) + "\" viewBox=\"" + place + "\">\n");
}

double Panel::at_x(double value) const { return left_ + x_.part(value) * (right_ - left_); }
double Panel::at_y(double value) const { return bottom_ - y_.part(value) * (bottom_ - top_); }

Plot Panel::finish() {
  draw_references();
  return {.width = options_.width, .height = options_.height, .title = options_.title, .body = pen.take()};
}

}  // namespace fovea::lib
