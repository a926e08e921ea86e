#include "tensor/print.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

#include "tensor/views.h"

namespace fovea {
namespace {

// --- one number --------------------------------------------------------------------------------------------

template <class... Format> std::string digits(double value, Format... format) {
  char text[400];  // the largest double has 309 digits before the point
  return std::string(text, std::to_chars(text, text + sizeof text, value, format...).ptr);
}

// The fewest digits that say which f32 or f64 this is.
std::string shortest(double value, DType dtype, std::chars_format format) {
  if (dtype == DType::f64) return digits(value, format);
  char text[400];
  return std::string(text, std::to_chars(text, text + sizeof text, float(value), format).ptr);
}

// A number as its parts: "-12.5" is "-12" and "5"; "1.5e-07" has the exponent "e-07" besides.
struct Parts {
  std::string whole, fraction, exponent;
};

Parts cut(const std::string& text) {
  const size_t e = std::min(text.find('e'), text.size()), point = std::min(text.find('.'), e);
  return {text.substr(0, point), point < e ? text.substr(point + 1, e - point - 1) : "", text.substr(e)};
}

// With the fewest digits that tell the number from its neighbours, but at most `precision` after the point.
Parts parts_of(double value, DType dtype, int precision, bool scientific) {
  const std::chars_format format = scientific ? std::chars_format::scientific : std::chars_format::fixed;
  Parts parts = cut(shortest(value, dtype, format));
  if (int(parts.fraction.size()) > precision) parts = cut(digits(value, format, precision));
  while (!parts.fraction.empty() && parts.fraction.back() == '0') parts.fraction.pop_back();
  return parts;
}

// --- one column width for all ------------------------------------------------------------------------------

// How every element is written, decided by looking at all that will be seen (NumPy's rules). Elements are tensors
// without axes.
class Format {
 public:
  Format(const std::vector<Tensor>& seen, DType dtype, int precision) : dtype_(dtype), precision_(precision) {
    if (is_floating(dtype)) {
      std::vector<double> values;
      for (const Tensor& x : seen) values.push_back(x.item());
      measure_floating(values);
    } else {
      if (dtype == DType::boolean) width_ = 5;  // "False", though all be true
      for (const Tensor& x : seen) width_ = std::max(width_, plain(x).size());
    }
  }

  std::string operator()(const Tensor& element) const {
    const std::string text = is_floating(dtype_) ? floating(element.item()) : plain(element);
    return std::string(width_ - std::min(width_, text.size()), ' ') + text;
  }

 private:
  std::string plain(const Tensor& element) const {
    if (dtype_ == DType::boolean) return *element.data<bool>() ? "True" : "False";
    return std::to_string(*element.data<int64_t>());
  }

  void measure_floating(const std::vector<double>& seen) {
    double largest = 0, smallest = INFINITY;  // of the magnitudes above 0
    for (double v : seen) {
      if (!std::isfinite(v) || v == 0) continue;
      largest = std::max(largest, std::abs(v));
      smallest = std::min(smallest, std::abs(v));
    }
    scientific_ = largest > 0 && (largest >= 1e8 || smallest < 1e-4 || largest / smallest > 1000);
    size_t whole = 0, other = 0;
    bool any_finite = false;
    for (double v : seen) {
      if (!std::isfinite(v)) {
        other = std::max(other, floating(v).size());
        continue;
      }
      any_finite = true;
      const Parts parts = parts_of(v, dtype_, precision_, scientific_);
      whole = std::max(whole, parts.whole.size());
      fraction_ = std::max(fraction_, parts.fraction.size());
      exponent_ = std::max(exponent_, parts.exponent.size());
    }
    width_ = std::max(any_finite ? whole + 1 + fraction_ + exponent_ : 0, other);
  }

  // Fixed numbers end in spaces, scientific ones in digits, so that the points stand below each other.
  std::string floating(double value) const {
    if (std::isnan(value)) return "nan";
    if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
    Parts parts = scientific_ ? cut(digits(value, std::chars_format::scientific, int(fraction_)))
                              : parts_of(value, dtype_, precision_, false);
    parts.fraction.resize(std::max(fraction_, parts.fraction.size()), ' ');
    if (scientific_) parts.exponent.insert(2, exponent_ - parts.exponent.size(), '0');  // e+02 beside e-300: e+002
    return parts.whole + "." + parts.fraction + parts.exponent;
  }

  DType dtype_;
  int precision_;
  bool scientific_ = false;
  size_t fraction_ = 0;  // characters after the point
  size_t exponent_ = 0;  // characters from the e on
  size_t width_ = 0;
};

// --- rows and brackets -------------------------------------------------------------------------------------

struct Printer {
  const PrintOptions& options;
  bool summarised;
  std::string out = {};

  // The indices of an axis that are shown; -1 stands for those left out.
  std::vector<int64_t> shown(int64_t size) const {
    const int64_t edge = summarised && size > 2 * options.edge_items ? options.edge_items : size;
    std::vector<int64_t> indices;
    for (int64_t i = 0; i < edge; ++i) indices.push_back(i);
    if (edge < size) indices.push_back(-1);
    for (int64_t i = std::max(edge, size - edge); i < size; ++i) indices.push_back(i);
    return indices;
  }

  void collect(const Tensor& x, std::vector<Tensor>& seen) const {
    if (x.rank() == 0) return seen.push_back(x);
    for (int64_t i : shown(x.shape()[0])) {
      if (i >= 0) collect(select(x, 0, i), seen);
    }
  }

  // `depth` brackets are open to the left of this one, and as many will close to its right.
  void write(const Tensor& x, const Format& format, int depth) {
    if (x.rank() == 1) return write_row(x, format, depth);
    const std::string separator = std::string(size_t(x.rank() - 1), '\n') + std::string(size_t(depth + 1), ' ');
    out += '[';
    bool first = true;
    for (int64_t i : shown(x.shape()[0])) {
      if (!first) out += separator;
      first = false;
      if (i < 0)
        out += "...";
      else
        write(select(x, 0, i), format, depth + 1);
    }
    out += ']';
  }

  void write_row(const Tensor& x, const Format& format, int depth) {
    const std::string indent(size_t(depth + 1), ' ');
    const size_t width = size_t(std::max(options.line_width - depth - 1, 1));  // leaves room for the brackets
    std::string line = indent, lines;
    for (int64_t i : shown(x.shape()[0])) {
      const std::string word = i < 0 ? "..." : format(select(x, 0, i));
      const bool breaks = line.size() > indent.size() && line.size() + word.size() > width;
      if (breaks) {
        lines += line.substr(0, line.find_last_not_of(' ') + 1) + '\n';
        line = indent;
      }
      line += word + ' ';
    }
    line.pop_back();
    out += '[' + (lines + line).substr(indent.size()) + ']';
  }
};

}  // namespace

std::string to_string(const Tensor& x, const PrintOptions& options) {
  if (!x.defined()) return "(undefined)";
  std::string text = "[]";
  if (x.count() > 0) {
    Printer printer{options, x.count() > options.threshold};
    std::vector<Tensor> seen;
    printer.collect(x, seen);
    const Format format(seen, x.dtype(), options.precision);
    if (x.rank() == 0) return format(x).substr(format(x).find_first_not_of(' '));
    printer.write(x, format, 0);
    text = printer.out;
  }
  if (!options.closing_line) return text;
  std::ostringstream closing;
  closing << '\n' << x.dtype() << ' ' << x.shape();
  return text + closing.str();
}

std::ostream& operator<<(std::ostream& out, const Tensor& x) { return out << to_string(x); }

}  // namespace fovea
