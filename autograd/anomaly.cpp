// What a tape with the option `anomaly` does: it looks at every result and every gradient, and names the first
// operation that produces a NaN or an infinity, the place in the model, the shapes, and the input that led there.
#include <cmath>
#include <limits>
#include <sstream>

#include "autograd/tape.h"

namespace fovea {
namespace {

// "-inf at [1, 2]", or empty if every element is finite.
std::string first_bad(const Tensor& x) {
  if (!is_floating(x.dtype())) return "";
  const std::vector<double> values = x.to(DType::f64).to_vector<double>();
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) continue;
    std::ostringstream out;
    out << (std::isnan(values[i]) ? "NaN"
            : values[i] > 0       ? "inf"
                                  : "-inf")
        << " at " << index_at(int64_t(i), x.shape());
    return out.str();
  }
  return "";
}

// "[4, 8] from -3.1 to 2.7e+38 (at [0, 5])": its shape and range, and where its largest magnitude lies.
std::string extremes(const Tensor& x) {
  if (!x.defined()) return "not given";
  std::ostringstream out;
  out << x.shape();
  if (!is_floating(x.dtype()) || x.count() == 0) return out.str();
  const std::vector<double> values = x.to(DType::f64).to_vector<double>();
  double low = std::numeric_limits<double>::infinity(), high = -low;
  size_t largest = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    low = std::min(low, values[i]);
    high = std::max(high, values[i]);
    if (!(std::abs(values[i]) <= std::abs(values[largest]))) largest = i;
  }
  out << " from " << low << " to " << high << ", extreme at " << index_at(int64_t(largest), x.shape());
  return out.str();
}

std::string step_text(const TapeOptions& options) {
  return options.step >= 0 ? " at step " + std::to_string(options.step) : "";
}

// Stands in for the modules that were running when the operation was recorded.
struct RecordedPlace : ErrorContext {
  std::string place;
  explicit RecordedPlace(std::string p) : place(std::move(p)) {}
  std::string where() const override { return place; }
};

}  // namespace

void Tape::check_forward(const Node& node, const Tensor& y, std::span<const Variable* const> inputs) {
  const std::string bad = first_bad(y);
  if (bad.empty()) return;
  std::ostringstream from;
  for (size_t i = 0; i < inputs.size(); ++i) from << "; input " << i << " is " << extremes(inputs[i]->value());
  fail(ErrorKind::anomaly, node.name, ": forward gave ", bad, " of its result ", y.shape(), step_text(options_),
       from.str());
}

void Tape::check_backward(const Node& node, const Tensor& dy, std::span<const Tensor> grads) {
  for (size_t i = 0; i < grads.size(); ++i) {
    const std::string bad = grads[i].defined() ? first_bad(grads[i]) : "";
    if (bad.empty()) continue;
    size_t place = 0;
    while (nodes_[place] != &node) ++place;
    const RecordedPlace context(places_[place]);
    fail(ErrorKind::anomaly, node.name, ": backward gave ", bad, " of the gradient ", grads[i].shape(), " of input ", i,
         step_text(options_), "; the gradient of its result is ", extremes(dy));
  }
}

}  // namespace fovea
