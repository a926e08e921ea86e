// Lines, bands and points. See plot.h.
#include <algorithm>
#include <cmath>

#include "examples/lib/plot.h"
#include "examples/lib/plot_axes.h"
#include "tensor/error.h"

namespace fovea::lib {
namespace {

void check_lengths(const Series& s) {
  const size_t n = s.x.size();
  if (s.y.size() == n && s.low.size() == s.high.size() && (s.low.empty() || s.low.size() == n)) return;
  fail(ErrorKind::value, "plot: the series \"", s.name, "\" has lists of different lengths: x ", n, ", y ", s.y.size(),
       ", low ", s.low.size(), ", high ", s.high.size());
}

LegendEntry legend_entry(const Series& s, int colour, bool any) {
  using Sign = LegendEntry::Sign;
  const Sign signs[] = {Sign::line, Sign::dashed, Sign::line_and_points, Sign::points};  // in the order of Mark
  return {s.name.empty() || any ? s.name : s.name + " (no data)", colour, signs[int(s.mark)]};
}

// The stretches of a series between its gaps, as [first, last).
std::vector<std::pair<size_t, size_t>> stretches(const Panel& panel, const Series& s, const std::vector<double>& y) {
  std::vector<std::pair<size_t, size_t>> found;
  for (size_t i = 0; i < s.x.size(); ++i) {
    if (!panel.has_place(s.x[i], y[i])) continue;
    if (found.empty() || found.back().second != i) found.emplace_back(i, i);
    found.back().second = i + 1;
  }
  return found;
}

void draw_band(Panel& panel, const Series& s, const Ink& colour) {
  for (const auto& [first, last] : stretches(panel, s, s.low)) {
    std::vector<Pen::Point> corners;
    for (size_t i = first; i < last; ++i) corners.push_back(panel(s.x[i], s.low[i]));
    for (size_t i = last; i-- > first;) {
      if (panel.has_place(s.x[i], s.high[i])) corners.push_back(panel(s.x[i], s.high[i]));
    }
    panel.pen.area(corners, colour, 0.18);
  }
}

void draw_error_bars(Panel& panel, const Series& s, const Ink& colour) {
  for (size_t i = 0; i < s.low.size(); ++i) {
    if (!panel.has_place(s.x[i], s.low[i]) || !panel.has_place(s.x[i], s.high[i])) continue;
    panel.pen.line(panel(s.x[i], s.low[i]), panel(s.x[i], s.high[i]), colour, 1.4);
  }
}

void draw_line(Panel& panel, const Series& s, const Ink& colour) {
  for (const auto& [first, last] : stretches(panel, s, s.y)) {
    if (last - first == 1) panel.pen.mark(panel(s.x[first], s.y[first]), 0, colour, 2);  // a line would not show
    std::vector<Pen::Point> points;
    for (size_t i = first; i < last; ++i) points.push_back(panel(s.x[i], s.y[i]));
    panel.pen.lines(points, colour, 2, s.mark == Mark::dashed ? "6 4" : "");
  }
}

void draw_points(Panel& panel, const Series& s, int colour) {
  const bool crowded = s.mark == Mark::points && s.x.size() > 150;
  for (size_t i = 0; i < s.x.size(); ++i) {
    if (!panel.shows(s.x[i], s.y[i])) continue;
    panel.pen.mark(panel(s.x[i], s.y[i]), colour, series_ink(colour), crowded ? 2 : 3.4, crowded ? 0.5 : 1);
  }
}

}  // namespace

Plot line_plot(const PlotOptions& options, const std::vector<Series>& series) {
  Extent x(options.x.log), y(options.y.log);
  std::vector<LegendEntry> legend;
  const auto colour_of = [&](size_t i) {
    return series[i].colour >= 0 ? series[i].colour % series_inks : int(i) % series_inks;
  };
  bool points = false;
  for (size_t i = 0; i < series.size(); ++i) {
    const Series& s = series[i];
    check_lengths(s);
    bool any = false;
    for (size_t k = 0; k < s.x.size(); ++k) {
      if (!x.shows(s.x[k]) || !y.shows(s.y[k])) continue;
      any = true;
      x.add(s.x[k]), y.add(s.y[k]);
      if (!s.low.empty()) y.add(s.low[k]), y.add(s.high[k]);
    }
    points = points || s.mark == Mark::points || s.mark == Mark::line_and_points;
    legend.push_back(legend_entry(s, colour_of(i), any));
  }
  for (const Reference& line : options.y_lines) y.add(line.at);
  for (const Reference& line : options.x_lines) x.add(line.at);

  Panel panel(options, x, y, legend, points ? Panel::Room::padded : Panel::Room::tight);
  panel.begin_inside();
  for (size_t i = 0; i < series.size(); ++i) {
    const Ink& colour = series_ink(colour_of(i));
    if (series[i].mark == Mark::points)
      draw_error_bars(panel, series[i], colour);
    else if (!series[i].low.empty())
      draw_band(panel, series[i], colour);
  }
  for (size_t i = 0; i < series.size(); ++i) {
    if (series[i].mark != Mark::points) draw_line(panel, series[i], series_ink(colour_of(i)));
  }
  panel.end_inside();
  for (size_t i = 0; i < series.size(); ++i) {
    const bool marked = series[i].mark == Mark::points || series[i].mark == Mark::line_and_points;
    if (marked) draw_points(panel, series[i], colour_of(i));
  }
  return panel.finish();
}

Plot scatter_plot(const PlotOptions& options, std::vector<Series> series) {
  for (Series& s : series) s.mark = Mark::points;
  return line_plot(options, series);
}

Series over_runs(std::string name, std::vector<double> x, const std::vector<std::vector<double>>& runs) {
  Series s{.name = std::move(name), .x = std::move(x)};
  for (const auto& run : runs) {
    if (run.size() == s.x.size()) continue;
    fail(ErrorKind::value, "over_runs: \"", s.name, "\": a run has ", run.size(), " values for ", s.x.size(),
         " places");
  }
  for (size_t i = 0; i < s.x.size(); ++i) {
    std::vector<double> values;
    for (const auto& run : runs) {
      if (std::isfinite(run[i])) values.push_back(run[i]);
    }
    std::sort(values.begin(), values.end());
    const size_t n = values.size();
    s.y.push_back(n == 0 ? std::nan("") : (values[(n - 1) / 2] + values[n / 2]) / 2);
    s.low.push_back(n == 0 ? std::nan("") : values.front());
    s.high.push_back(n == 0 ? std::nan("") : values.back());
  }
  return s;
}

std::vector<double> numbers(const Tensor& tensor) { return tensor.to(DType::f64).to_vector<double>(); }

}  // namespace fovea::lib
