// Histograms and bars. See plot.h.
#include <algorithm>
#include <cmath>

#include "examples/lib/format.h"
#include "examples/lib/plot.h"
#include "examples/lib/plot_axes.h"
#include "tensor/error.h"

namespace fovea::lib {
namespace {

std::vector<double> bin_edges(const Extent& extent, const Axis& axis, int bins) {
  double low = axis.low.value_or(extent.empty() ? (axis.log ? 0.1 : 0) : extent.low());
  double high = axis.high.value_or(extent.empty() ? 1 : extent.high());
  if (low == high) low = axis.log ? low / 2 : low - 0.5, high = axis.log ? high * 2 : high + 0.5;
  std::vector<double> edges;
  for (int i = 0; i <= bins; ++i) {
    const double part = double(i) / bins;
    edges.push_back(axis.log ? low * std::pow(high / low, part) : low + part * (high - low));
  }
  return edges;
}

std::vector<double> counts_of(const std::vector<double>& values, const std::vector<double>& edges) {
  std::vector<double> counts(edges.size() - 1, 0);
  for (const double value : values) {
    if (!(value >= edges.front() && value <= edges.back())) continue;
    const auto above = std::upper_bound(edges.begin(), edges.end(), value);
    ++counts[std::min(size_t(above - edges.begin()) - 1, counts.size() - 1)];  // the last bin has its upper edge
  }
  return counts;
}

// The tops of the bins as one line, from the floor and back to it.
std::vector<Pen::Point> outline(const Panel& panel, const std::vector<double>& edges,
                                const std::vector<double>& counts) {
  std::vector<Pen::Point> points = {{panel.at_x(edges.front()), panel.bottom()}};
  for (size_t i = 0; i < counts.size(); ++i) {
    const double top = panel.has_place(edges[i], counts[i]) ? panel.at_y(counts[i]) : panel.bottom();
    points.push_back({panel.at_x(edges[i]), top});
    points.push_back({panel.at_x(edges[i + 1]), top});
  }
  points.push_back({panel.at_x(edges.back()), panel.bottom()});
  return points;
}

void check_bars(const Bars& b, size_t categories) {
  const bool fits =
      b.values.size() == categories && b.low.size() == b.high.size() && (b.low.empty() || b.low.size() == categories);
  if (fits) return;
  fail(ErrorKind::value, "bar_plot: \"", b.name, "\" has ", b.values.size(), " values, ", b.low.size(), " low and ",
       b.high.size(), " high for ", categories, " categories");
}

// Names under the bars: level where they fit, else slanting.
struct CategoryNames {
  const std::vector<std::string>& names;
  double widest = 0;

  explicit CategoryNames(const std::vector<std::string>& all) : names(all) {
    for (const std::string& name : names) widest = std::max(widest, text_width(name));
  }
  bool slant(double room) const { return widest + 8 > room; }
  double height(double room) const { return slant(room) ? widest * 0.5 + 4 : 0; }
  void draw(Panel& panel, double room) const {
    for (size_t i = 0; i < names.size(); ++i) {
      const double x = panel.at_x(double(i));
      if (slant(room))
        panel.pen.text({x + 5, panel.bottom() + 14}, names[i],
                       {.anchor = Anchor::end, .colour = &ink::mute, .turned = -30});
      else
        panel.pen.text({x, panel.bottom() + 18}, names[i], {.anchor = Anchor::middle, .colour = &ink::mute});
    }
  }
};

}  // namespace

Plot histogram(const PlotOptions& options, const std::vector<Sample>& samples, int bins) {
  if (bins < 1) fail(ErrorKind::value, "histogram: bins is ", bins, ", it must be at least 1");
  Extent x(options.x.log), y(options.y.log);
  for (const Sample& sample : samples) x.add(sample.values);
  const std::vector<double> edges = bin_edges(x, options.x, bins);
  Extent shown(options.x.log);
  shown.add(edges.front()), shown.add(edges.back());

  std::vector<std::vector<double>> counts;
  std::vector<LegendEntry> legend;
  PlotOptions o = options;
  if (!options.y.log) o.y.low = options.y.low.value_or(0);
  if (options.y.log) o.y.low = options.y.low.value_or(0.5);
  if (o.y.label.empty()) o.y.label = "count";
  for (size_t i = 0; i < samples.size(); ++i) {
    counts.push_back(counts_of(samples[i].values, edges));
    y.add(counts.back());
    const bool any = std::any_of(counts[i].begin(), counts[i].end(), [](double count) { return count > 0; });
    legend.push_back({any || samples[i].name.empty() ? samples[i].name : samples[i].name + " (no data)", int(i),
                      LegendEntry::Sign::box});
  }
  if (!y.empty() && y.high() == 0) y = Extent(options.y.log);
  Panel panel(o, shown, y, legend, Panel::Room::tight);
  panel.begin_inside();
  for (size_t i = 0; i < samples.size(); ++i) {
    const std::vector<Pen::Point> points = outline(panel, edges, counts[i]);
    panel.pen.area(points, series_ink(int(i)), samples.size() > 1 ? 0.3 : 0.6);
    panel.pen.lines(points, series_ink(int(i)), 1.4);
  }
  panel.end_inside();
  return panel.finish();
}

Plot bar_plot(const PlotOptions& options, const std::vector<std::string>& categories, const std::vector<Bars>& bars) {
  Extent x(false), y(options.y.log);
  x.add(-0.5), x.add(double(categories.size()) - 0.5);
  if (!options.y.log) y.add(0.0);
  std::vector<LegendEntry> legend;
  for (size_t i = 0; i < bars.size(); ++i) {
    check_bars(bars[i], categories.size());
    y.add(bars[i].values), y.add(bars[i].low), y.add(bars[i].high);
    legend.push_back({bars[i].name, int(i), LegendEntry::Sign::box});
  }
  for (const Reference& line : options.y_lines) y.add(line.at);

  PlotOptions o = options;
  if (!options.y.log && !y.empty()) {  // room for the numbers
    const double apart = y.high() - y.low();
    y.add(y.high() + 0.04 * apart);
    if (y.low() < 0) y.add(y.low() - 0.06 * apart);
    if (o.y.high) {
      const double low = o.y.low.value_or(0);
      if (o.y.ticks.empty()) o.y.ticks = linear_ticks(low, *o.y.high, int(o.height / 60));
      *o.y.high += 0.06 * (*o.y.high - low);
    }
  }

  // The axis below has names, not numbers: its room is part of the height, so the panel gets that much less.
  const CategoryNames names(categories);
  const double count = std::max<double>(double(categories.size()), 1);
  double label_width = 0;  // of the reference lines: they are written behind the last bar
  for (const Reference& line : options.y_lines) label_width = std::max(label_width, text_width(line.label, 12));
  const double full = options.width - 80,
               behind = label_width == 0 ? 0 : std::max(0.0, label_width + 8 - 0.1 * full / count);
  const double room = (full - behind) / count;
  o.x = {
      .label = options.x.label, .low = -0.5, .high = count - 0.5 + behind / room, .ticks = {-0.5}, .tick_labels = {""}};
  if (!options.y.log && !options.y.low && y.low() >= 0) o.y.low = 0;
  if (options.y.log && !options.y.low && !y.empty()) o.y.low = y.low() / 2;
  Panel panel(o, x, y, legend, Panel::Room::tight, Panel::Room::padded, names.height(room));

  const double group = 0.8 * (panel.at_x(1) - panel.at_x(0));
  const double width = group / double(std::max<size_t>(bars.size(), 1));
  const double floor = options.y.log ? panel.bottom() : panel.at_y(std::max(0.0, panel.low_y()));
  for (size_t b = 0; b < bars.size(); ++b) {
    for (size_t i = 0; i < categories.size(); ++i) {
      const double value = bars[b].values[i];
      if (!panel.has_place(double(i), value)) continue;
      const double left = panel.at_x(double(i)) - group / 2 + width * double(b), middle = left + width / 2;
      const double top = std::clamp(panel.at_y(value), panel.top(), panel.bottom());
      panel.pen.box(left + 1, std::min(top, floor), width - 2, std::abs(top - floor), series_ink(int(b)), 0.85);
      const double low = bars[b].low.empty() ? value : bars[b].low[i],
                   high = bars[b].low.empty() ? value : bars[b].high[i];
      if (!panel.has_place(0, low) || !panel.has_place(0, high)) continue;
      if (low < high) panel.pen.line({middle, panel.at_y(low)}, {middle, panel.at_y(high)}, ink::text, 1.4);
      std::string text = format_significant(value, 3);
      if (value < 0) text = "−" + text.substr(1);
      const double place = value < 0 ? panel.at_y(std::min(low, value)) + 12 : panel.at_y(std::max(high, value)) - 4;
      if (text_width(text, 11) + 2 < width)
        panel.pen.text({middle, place}, text, {.anchor = Anchor::middle, .size = 11, .colour = &ink::mute});
    }
  }
  if (floor < panel.bottom()) panel.pen.line({panel.left(), floor}, {panel.right(), floor}, ink::axis);
  names.draw(panel, room);
  return panel.finish();
}

}  // namespace fovea::lib
