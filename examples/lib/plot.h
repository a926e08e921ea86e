// Pictures of numbers as SVG: lines with bands, points, histograms, bars, heat maps, and several of them in a grid.
//
//   Plot plot = line_plot({.title = "Copying over a distance",
//                          .x = {.label = "distance", .log = true, .ticks = {8, 32, 128}},
//                          .y = {.label = "accuracy", .low = 0, .high = 1}},
//                         {{"attention", distance, median, lowest, highest}, {"convolution", distance, other}});
//   write_file_atomically("copy.svg", plot.svg());
//
// Series have the colours of Okabe & Ito (2008), which colour-blind readers tell apart, and different marks and dashes;
// everything is legible on white paper and on a dark screen. Text is measured, so that labels find their room.
//
// Values that are no number leave a gap in a line and no mark elsewhere; so do values <= 0 on a logarithmic axis.
// A series without one value to show is named in the legend with "(no data)". Lists of different lengths are a
// ValueError.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace fovea::lib {

struct Plot {
  double width = 0, height = 0;  // in pixels
  std::string title = {};        // also what a screen reader says
  std::string body = {};         // SVG elements

  std::string svg() const;         // a file of its own, on its own paper
  std::string inline_svg() const;  // for a page that has plot_style() in its <style>
};

// The colours of a dark screen: those of white paper are in the elements themselves.
std::string plot_style();

struct Axis {
  std::string label = {};
  bool log = false;
  std::optional<double> low = {}, high = {};  // else what the data needs
  std::vector<double> ticks = {};             // else round numbers, or powers of ten
  std::vector<std::string> tick_labels = {};  // one for each of `ticks`, else the numbers
};

struct Reference {  // a thin line across the plot
  double at = 0;
  std::string label = {};
};

struct PlotOptions {
  std::string title = {};
  Axis x = {}, y = {};
  std::vector<Reference> x_lines = {}, y_lines = {};  // upright at x = …, level at y = …
  double width = 560, height = 340;
};

// --- lines and points --------------------------------------------------------------------------------------------

enum class Mark { line, dashed, line_and_points, points };

struct Series {
  std::string name = {};  // for the legend
  std::vector<double> x = {}, y = {};
  std::vector<double> low = {}, high = {};  // a band around y, or error bars of points; empty: none
  Mark mark = Mark::line;
  int colour = -1;  // 0 to 7, grey: 7; -1: the place of the series in the list
};

Plot line_plot(const PlotOptions& options, const std::vector<Series>& series);
Plot scatter_plot(const PlotOptions& options, std::vector<Series> series);  // all with Mark::points

// The median of several runs over the same x, with the range of the runs as its band. runs: [run][point].
Series over_runs(std::string name, std::vector<double> x, const std::vector<std::vector<double>>& runs);

// --- histograms and bars -----------------------------------------------------------------------------------------

struct Sample {
  std::string name = {};
  std::vector<double> values = {};
};
// How many values fall into each of so many bins of equal width (of equal ratio on a logarithmic x axis).
Plot histogram(const PlotOptions& options, const std::vector<Sample>& samples, int bins = 40);

struct Bars {
  std::string name = {};
  std::vector<double> values = {};          // one for each category
  std::vector<double> low = {}, high = {};  // error bars; empty: none
};
// Bars of several series stand side by side over each category, with their numbers above where there is room.
Plot bar_plot(const PlotOptions& options, const std::vector<std::string>& categories, const std::vector<Bars>& bars);

// --- heat maps ---------------------------------------------------------------------------------------------------

enum class Palette { sequential, diverging };  // dark to bright; blue, white at 0, red

struct HeatOptions {
  std::string title = {};
  std::string rows = {}, columns = {};                         // what the axes are: "query", "key"
  std::vector<std::string> row_names = {}, column_names = {};  // one each (of which some may be empty), or none
  std::string bar = {};                                        // what the colours are: "weight"
  Palette palette = Palette::sequential;
  std::optional<double> low = {}, high = {};  // else those of the data (diverging: the same on both sides of 0)
  int decimals = -1;                          // of the number in each cell; -1: no numbers
  double cell = 0;                            // pixels; 0: what suits the number of cells
};
// values [rows, columns]; row 0 is on top. A cell that is NaN or infinite is hatched and says so.
Plot heat_map(const HeatOptions& options, const Tensor& values);

// --- several in one ----------------------------------------------------------------------------------------------

// The plots in rows of `columns`, under one title.
Plot small_multiples(std::string title, int columns, const std::vector<Plot>& plots);

// The elements of any tensor, row by row, as a series wants them.
std::vector<double> numbers(const Tensor& tensor);

}  // namespace fovea::lib
