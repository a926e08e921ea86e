// The frame of a plot: scales, ticks at round numbers, grid, title, legend, and the room that each of them takes.
#pragma once
#include <string>
#include <vector>

#include "examples/lib/plot.h"
#include "examples/lib/plot_svg.h"

namespace fovea::lib {

// Round numbers in [low, high]: 1, 2 or 5 times a power of ten apart, about `wanted` of them.
std::vector<double> linear_ticks(double low, double high, int wanted = 6);
// Powers of ten in [low, high], 0 < low < high; thinned out over many decades, with 2 and 5 times them over few.
std::vector<double> log_ticks(double low, double high);
// Each with the decimals that tell them apart: "0.05", "1,500", "−2", "10⁻⁵".
std::vector<std::string> tick_texts(const std::vector<double>& ticks, bool log);

// What the values on an axis need; values that an axis cannot show are passed over.
class Extent {
 public:
  explicit Extent(bool log) : log_(log) {}
  void add(double value);
  void add(const std::vector<double>& values);
  bool empty() const { return low_ > high_; }
  bool shows(double value) const;
  double low() const { return low_; }
  double high() const { return high_; }

 private:
  bool log_;
  double low_ = 1e308, high_ = -1e308;
};

struct LegendEntry {
  std::string name;
  int colour = 0;
  enum class Sign { line, dashed, line_and_points, points, box } sign = Sign::line;
};

// The panel inside a plot, with what surrounds it drawn: values to pixels.
class Panel {
 public:
  enum class Room { tight, padded };  // whether the data keeps a distance from the frame
  // Extents that are empty stand for 0 to 1.
  Panel(const PlotOptions& options, const Extent& x, const Extent& y, const std::vector<LegendEntry>& legend,
        Room room_x = Room::padded, Room room_y = Room::padded, double more_room_below = 0);

  bool has_place(double x, double y) const;  // finite, and above 0 on a logarithmic axis
  bool shows(double x, double y) const;      // inside the frame
  Pen::Point operator()(double x, double y) const { return {at_x(x), at_y(y)}; }
  double at_x(double value) const;
  double at_y(double value) const;
  double left() const { return left_; }
  double right() const { return right_; }
  double top() const { return top_; }
  double bottom() const { return bottom_; }
  double low_y() const { return y_.low; }

  // What is drawn between the two is cut at the frame.
  void begin_inside();
  void end_inside() { pen.raw("</svg>\n"); }

  Pen pen;
  Plot finish();  // reference lines on top of what was drawn, then the plot

 private:
  struct Scale {
    bool log = false;
    double low = 0, high = 1;
    std::vector<double> ticks;
    std::vector<std::string> labels;
    double part(double value) const;  // 0 at low, 1 at high
  };
  static Scale scale_of(const Axis& axis, const Extent& extent, Room room, int ticks);
  void draw_title();
  void draw_legend(const std::vector<LegendEntry>& legend);
  void draw_axes();
  void draw_x_references();
  void draw_references();

  PlotOptions options_;
  Scale x_, y_;
  double left_ = 0, right_ = 0, top_ = 0, bottom_ = 0;
};

}  // namespace fovea::lib
