// Plots: ticks at round numbers, well-formed SVG, nothing cut off, what happens to values that are no numbers.
#include <cmath>
#include <limits>
#include <sstream>

#include "doctest/doctest.h"
#include "examples/lib/plot.h"
#include "examples/lib/plot_axes.h"
#include "examples/lib/plot_svg.h"
#include "tensor/elementwise.h"
#include "tensor/error.h"
#include "tensor/random.h"
#include "tests/messages.h"
#include "tests/xml.h"

using namespace fovea;
using namespace fovea::lib;

namespace {

constexpr double none = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();

using List = std::vector<double>;

std::string text_of(double value) { return tick_texts({value}, false)[0]; }

// The corners of a polyline or polygon.
std::vector<Pen::Point> corners(const XmlElement& element) {
  std::string places = element.attributes.at("points");
  std::replace(places.begin(), places.end(), ',', ' ');
  std::istringstream in(places);
  std::vector<Pen::Point> points;
  for (Pen::Point p; in >> p.x >> p.y;) points.push_back(p);
  return points;
}

std::vector<XmlElement> all(const XmlReader& xml, const std::string& name) {
  std::vector<XmlElement> found;
  std::copy_if(xml.elements.begin(), xml.elements.end(), std::back_inserter(found),
               [&](const XmlElement& e) { return e.name == name; });
  return found;
}

// Level text that begins or ends outside of the picture. (Of one plot: nested ones count from their own corner.)
std::string text_cut_off(const Plot& plot) {
  for (const XmlElement& e : all(XmlReader(plot.svg()), "text")) {
    if (e.attributes.count("transform")) continue;
    const auto attribute = [&](const std::string& name, const std::string& otherwise) {
      return e.attributes.count(name) ? e.attributes.at(name) : otherwise;
    };
    const double width = text_width(e.text, std::stod(attribute("font-size", px(font_size))));
    const std::string anchor = attribute("text-anchor", "start");
    const double x = std::stod(e.attributes.at("x")), y = std::stod(e.attributes.at("y"));
    const double left = anchor == "end" ? x - width : anchor == "middle" ? x - width / 2 : x;
    if (left < 0 || left + width > plot.width || y < 8 || y > plot.height) return e.text;
  }
  return "";
}

struct Named {
  const char* name;
  Plot plot;
};

// Every kind of plot, with what makes each of them hard.
std::vector<Named> every_kind() {
  Rng rng(7);
  const std::string long_title =
      "A title that is far too long for one line of a picture, but has words that can go on a second";
  const List x = {1, 2, 3, 4, 5}, y = {0.1, 10, 1000, 0.5, 7};
  const Tensor cells = randn({6, 5}, rng);
  const Plot lines = line_plot({.title = long_title,
                                .x = {.label = "x < 3 & y"},
                                .y = {.label = "y", .log = true},
                                .x_lines = {{1, "at the left edge"}, {1.1, "beside it"}, {5, "at the right edge"}},
                                .y_lines = {{100, "a level"}}},
                               {{"one <b>", x, y, y, y}, {"two \"quoted\"", x, {y.rbegin(), y.rend()}}});
  return {
      {"lines", lines},
      {"points", scatter_plot({.x = {.label = "d_k"}}, {{"p", x, y, y, y}, {"q", y, x}})},
      {"histogram", histogram({.title = "h", .x = {.log = true}}, {{"a", y}, {"b", x}}, 5)},
      {"bars",
       bar_plot({.title = "b", .y = {.label = "change"}}, {"first", "a rather long name", "third", "4", "5"},
                {{"s", {1, -2, 3, -1e7, 5}, {0, -3, 2, -2e7, 4}, {2, -1, 4, -1e6, 6}}, {"t", {5, 4, 3, none, 1}}})},
      {"heat map", heat_map({.title = long_title,
                             .rows = "r",
                             .columns = "c",
                             .bar = "weight",
                             .palette = Palette::diverging,
                             .decimals = 2},
                            cells)},
      {"named heat map",
       heat_map({.row_names = {"a", "b", "<c>", "d", "a longer name", "f"}, .column_names = {"1", "2", "3", "4", "&"}},
                cells)},
      {"several", small_multiples("all of them & more", 2, {lines, heat_map({}, cells), lines})},
      {"nothing", line_plot({}, {})},
      {"no bars", bar_plot({}, {}, {})},
      {"an empty sample", histogram({}, {{"a", {}}})},
      {"an empty heat map", heat_map({}, zeros({0, 3}))},
      {"one value", line_plot({}, {{"", {3}, {5}}})},
      {"a huge range", line_plot({.x = {.log = true}}, {{"", {1e-300, 1e300}, {-1e300, 1e300}}})},
  };
}

}  // namespace

TEST_CASE("plot: ticks of a linear axis are 1, 2 or 5 times a power of ten apart") {
  const auto about = [](const List& got, const List& wanted) {
    if (got.size() != wanted.size()) return false;
    for (size_t i = 0; i < got.size(); ++i) {
      if (std::abs(got[i] - wanted[i]) > 1e-12 * std::max(1.0, std::abs(wanted[i]))) return false;
    }
    return true;
  };
  CHECK(about(linear_ticks(0, 1, 5), {0, 0.2, 0.4, 0.6, 0.8, 1}));
  CHECK(about(linear_ticks(-3, 7, 5), {-2, 0, 2, 4, 6}));
  CHECK(about(linear_ticks(0, 1000, 4), {0, 500, 1000}));
  CHECK(about(linear_ticks(0.12, 0.14, 4), {0.12, 0.125, 0.13, 0.135, 0.14}));
  CHECK(about(linear_ticks(5, 5, 4), {5}));
  Rng rng(3);
  const List ends = numbers(randn({400}, rng, DType::f64) * 1000.0);
  for (size_t i = 0; i < 200; ++i) {
    const double low = std::min(ends[i], ends[200 + i]), high = std::max(ends[i], ends[200 + i]);
    const List ticks = linear_ticks(low, high, 6);
    CHECK(ticks.size() >= 2);
    CHECK(ticks.size() <= 7);
    CHECK(ticks.front() >= low - 1e-9);
    CHECK(ticks.back() <= high + 1e-9);
    const double step = ticks[1] - ticks[0], digit = step / std::pow(10, std::floor(std::log10(step * 1.0001)));
    CHECK((std::abs(digit - 1) < 1e-6 || std::abs(digit - 2) < 1e-6 || std::abs(digit - 5) < 1e-6));
  }
}

TEST_CASE("plot: ticks of a logarithmic axis are powers of ten, more over few decades and fewer over many") {
  CHECK(log_ticks(1, 1000) == List{1, 10, 100, 1000});
  CHECK(tick_texts(log_ticks(8, 256), true) == std::vector<std::string>{"10", "20", "50", "100", "200"});
  CHECK(tick_texts(log_ticks(1e-8, 1), true).front() == "10⁻⁸");
  CHECK(log_ticks(1e-30, 1e30).size() <= 9);
  CHECK(log_ticks(10, 12).size() >= 3);
}

TEST_CASE("plot: the text of a tick has the decimals that tell it from its neighbour") {
  CHECK(tick_texts({0, 0.05, 0.1}, false) == std::vector<std::string>{"0.00", "0.05", "0.10"});
  CHECK(tick_texts({-2, 0, 2}, false) == std::vector<std::string>{"−2", "0", "2"});
  CHECK(tick_texts({0.5, 1500}, true) == std::vector<std::string>{"0.5", "1,500"});
  CHECK(text_of(1500000) == "1,500,000");
  CHECK(text_of(-2e9) == "−2·10⁹");
  CHECK(text_of(1.5e-7) == "1.5·10⁻⁷");
}

TEST_CASE("plot: every kind is well-formed, finite and cuts no text off") {
  for (const Named& kind : every_kind()) {
    CAPTURE(std::string(kind.name));
    const std::string svg = kind.plot.svg();
    CHECK(XmlReader(svg).problem == "");
    CHECK(XmlReader(kind.plot.inline_svg()).problem == "");
    CHECK_FALSE(contains(svg, "nan"));
    CHECK_FALSE(contains(svg, "inf"));
    CHECK(kind.plot.width > 0);
    CHECK(kind.plot.height > 0);
    if (kind.name != std::string("several")) CHECK(text_cut_off(kind.plot) == "");
  }
}

TEST_CASE("plot: every ink has its colour for a dark screen") {
  const std::string style = plot_style();
  for (const auto& [name, plot] : every_kind()) {
    for (const XmlElement& element : XmlReader(plot.svg()).elements) {
      if (element.attributes.count("class")) CHECK(contains(style, "." + element.attributes.at("class") + "{"));
    }
  }
}

TEST_CASE("plot: text is escaped, and what XML cannot hold becomes a question mark") {
  CHECK(escaped_xml("a < b && \"c\" > d") == "a &lt; b &amp;&amp; &quot;c&quot; &gt; d");
  CHECK(escaped_xml("bell\x07, half \xC3") == "bell?, half ?");
  CHECK(escaped_xml("√d·注意") == "√d·注意");
  CHECK(XmlReader(line_plot({.title = "\x01<\xFF&"}, {{"</svg>", {1}, {2}}}).svg()).problem == "");
}

TEST_CASE("plot: an index after a single letter, and only there") {
  const auto runs = [](std::string_view text) {
    std::string all;
    for (const auto& [part, index] : text_runs(text)) all += (index ? "[" : "(") + std::string(part) + ")";
    return all;
  };
  CHECK(runs("q·k / √d_k, then") == "(q·k / √d)[k)(, then)");
  CHECK(runs("δ_ki W_q") == "(δ)[ki)( W)[q)");
  CHECK(runs("masked_softmax d_ _x x__y a_toolong") == "(masked_softmax d_ _x x__y a_toolong)");
  CHECK(runs("") == "");
  CHECK(text_width("d_k") < text_width("dk"));
}

TEST_CASE("plot: a value that is no number leaves a gap, a series without any says so") {
  const PlotOptions options{.title = "gaps"};
  const auto lines = [&](List y) {
    const XmlReader xml(line_plot(options, {{"s", {1, 2, 3, 4, 5}, std::move(y)}}).svg());
    return all(xml, "polyline").size();
  };
  CHECK(lines({1, 2, 3, 4, 5}) == 1);
  CHECK(lines({1, 2, none, 4, 5}) == 2);
  CHECK(lines({1, 2, infinity, -infinity, 5}) == 2);
  CHECK(lines({none, none, none, none, none}) == 0);
  CHECK(contains(line_plot(options, {{"s", {1}, {none}}}).svg(), "s (no data)"));
  CHECK(contains(line_plot({.y = {.log = true}}, {{"s", {1, 2}, {0, -1}}}).svg(), "s (no data)"));
  CHECK(contains(line_plot(options, {}).svg(), "no data"));
}

TEST_CASE("plot: lists of different lengths and impossible axes are refused") {
  const auto message = [](auto fn) -> std::string {
    try {
      fn();
    } catch (const Error& error) { return error.what(); }
    return "";
  };
  CHECK(message([] {
          line_plot({}, {{"loss", {1, 2}, {1}}});
        }) == "plot: the series \"loss\" has lists of different lengths: x 2, y 1, low 0, high 0");
  CHECK(contains(message([] { line_plot({}, {{"loss", {1}, {1}, {1}}}); }), "low 1, high 0"));
  CHECK(
      contains(message([] { line_plot({.x = {.label = "n", .log = true, .low = 0.0}}, {}); }), "needs 0 < low < high"));
  CHECK(contains(message([] { line_plot({.y = {.low = 1.0, .high = 1.0}}, {}); }), "low must be below high"));
  CHECK(contains(message([] {
                   line_plot({.x = {.ticks = {1, 2}, .tick_labels = {"a"}}}, {});
                 }),
                 "2 ticks and 1 labels"));
  CHECK(contains(message([] {
                   bar_plot({}, {"a", "b"}, {{"s", {1}}});
                 }),
                 "1 values, 0 low and 0 high for 2 categories"));
  CHECK(contains(message([] { heat_map({}, zeros({2})); }), "[rows, columns], got [2]"));
  CHECK(contains(message([] { heat_map({.row_names = {"a"}}, zeros({2, 2})); }), "1 names for 2 rows"));
  CHECK(contains(message([] { histogram({}, {}, 0); }), "bins is 0"));
  CHECK(contains(message([] { small_multiples("", 0, {}); }), "columns is 0"));
  CHECK(contains(message([] { over_runs("s", {1, 2}, {{1, 2}, {1}}); }), "1 values for 2 places"));
}

TEST_CASE("plot: values lie where they should") {
  // The panel's frame from the line that goes from corner to corner of its axes.
  const XmlReader xml(
      line_plot({.x = {.low = 0, .high = 4}, .y = {.low = 0, .high = 2}}, {{"", {0, 1, 2, 4}, {0, 1, 1, 2}}}).svg());
  const auto points = corners(all(xml, "polyline").at(0));
  REQUIRE(points.size() == 4);
  const double width = points[3].x - points[0].x, height = points[0].y - points[3].y;
  CHECK(points[1].x == doctest::Approx(points[0].x + width / 4).epsilon(1e-4));
  CHECK(points[1].y == doctest::Approx(points[0].y - height / 2).epsilon(1e-4));
  CHECK(width > 400);
  CHECK(height > 200);

  const XmlReader log(
      line_plot({.x = {.log = true, .low = 1, .high = 10000}}, {{"", {1, 100, 10000}, {0, 1, 3}}}).svg());
  const auto logs = corners(all(log, "polyline").at(0));
  CHECK(logs[1].x == doctest::Approx((logs[0].x + logs[2].x) / 2).epsilon(1e-4));
}

TEST_CASE("plot: a histogram counts every value once, the largest too") {
  const XmlReader xml(histogram({.y = {.low = 0, .high = 4}}, {{"", {0, 0.1, 0.2, 1, none, infinity}}}, 2).svg());
  const auto points = corners(all(xml, "polyline").at(0));  // up, over the first bin, over the second, down
  REQUIRE(points.size() == 6);
  CHECK(points[0].y - points[1].y == doctest::Approx(3 * (points[0].y - points[3].y)).epsilon(1e-3));
  CHECK(points[3].y < points[0].y);
}

TEST_CASE("plot: bars grow from zero in both directions") {
  const XmlReader xml(bar_plot({}, {"up", "down"}, {{"s", {2, -1}}}).inline_svg());
  std::vector<XmlElement> bars;
  for (const XmlElement& e : all(xml, "rect")) {
    if (e.attributes.count("class") && e.attributes.at("class") == "f-0" && std::stod(e.attributes.at("width")) > 30)
      bars.push_back(e);
  }
  REQUIRE(bars.size() == 2);
  const auto number = [&](size_t i, const char* name) { return std::stod(bars[i].attributes.at(name)); };
  CHECK(number(0, "height") == doctest::Approx(2 * number(1, "height")).epsilon(1e-3));
  CHECK(number(0, "y") + number(0, "height") == doctest::Approx(number(1, "y")).epsilon(1e-3));
}

TEST_CASE("plot: a heat map has the ends of its palette, numbers that can be read, and names what is no number") {
  const std::string svg =
      heat_map({.decimals = 1}, tensor({{0, 1}, {0.5, none}, {-infinity, infinity}}, DType::f64)).svg();
  CHECK(contains(svg, "<path fill=\"#440154\" d=\"M0 0h1v1h-1z\"/>"));
  CHECK(contains(svg, "<path fill=\"#fde725\" d=\"M1 0h1v1h-1z\"/>"));
  CHECK(contains(svg, "fill=\"#ffffff\">0.0<"));  // white on dark, black on bright
  CHECK(contains(svg, "fill=\"#111111\">1.0<"));
  for (const char* text : {">NaN<", ">−∞<", ">∞<"}) CHECK(contains(svg, text));

  const std::string both = heat_map({.palette = Palette::diverging}, tensor({{-1, 0, 4}}, DType::f64)).svg();
  CHECK(contains(both, "<path fill=\"#f7f7f7\" d=\"M1 0"));  // white is 0, whatever the range
  CHECK(contains(both, "<path fill=\"#67001f\" d=\"M2 0"));

  const std::string equal = heat_map({}, tensor({{1, 1, 1, 2}})).svg();
  CHECK(contains(equal, "M0 0h3v1h-3z"));  // neighbours of one colour are one box
}

TEST_CASE("plot: several runs as a median and a range, without those that broke") {
  const Series s = over_runs("loss", {1, 2, 3}, {{3, 1, none}, {1, 2, none}, {2, none, none}});
  CHECK(s.y[0] == 2);
  CHECK(s.low[0] == 1);
  CHECK(s.high[0] == 3);
  CHECK(s.y[1] == 1.5);
  CHECK(s.high[1] == 2);
  CHECK(std::isnan(s.y[2]));
}

TEST_CASE("plot: small multiples stand in rows") {
  const Plot one = line_plot({.width = 300, .height = 200}, {});
  const Plot grid = small_multiples("", 2, {one, one, one});
  CHECK(grid.width == 612);
  CHECK(grid.height == 412);
  CHECK(XmlReader(grid.svg()).count("svg") == 4 + 3);  // each has its panel inside
}
