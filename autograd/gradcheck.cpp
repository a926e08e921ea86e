#include "autograd/gradcheck.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <sstream>

#include "autograd/tape.h"
#include "tensor/elementwise.h"
#include "tensor/random.h"

namespace fovea {
namespace {

using Numbers = std::vector<double>;

constexpr size_t failures_shown = 5;

double inner(const Numbers& a, const Numbers& b) { return std::inner_product(a.begin(), a.end(), b.begin(), 0.0); }

// Adds to the failures that are shown: the largest errors, in order.
template <class Failure> void keep_worst(std::vector<Failure>& worst, const Failure& failure) {
  size_t place = worst.size();
  while (place > 0 && worst[place - 1].error < failure.error) --place;
  worst.insert(worst.begin() + int64_t(place), failure);
  if (worst.size() > failures_shown) worst.pop_back();
}

std::string index_text(int64_t place, const Shape& shape) {
  std::ostringstream out;
  out << index_at(place, shape);
  return out.str();
}

// Numbers and gradients of parameters, put back at the end, whatever happens.
class Restored {
 public:
  explicit Restored(const std::vector<NamedParameter>& parameters) : parameters_(parameters) {
    for (const auto& [name, p] : parameters_) {
      values_.push_back(p->value().clone());
      grads_.push_back(p->has_grad() ? p->grad() : Tensor());
    }
  }
  ~Restored() {
    for (size_t i = 0; i < parameters_.size(); ++i) {
      Parameter& p = *parameters_[i].parameter;
      p.value().copy_(values_[i]);
      p.zero_grad();
      if (grads_[i].defined()) p.set_grad(grads_[i]);
    }
  }
  Restored(const Restored&) = delete;
  Restored& operator=(const Restored&) = delete;

 private:
  const std::vector<NamedParameter>& parameters_;
  std::vector<Tensor> values_, grads_;
};

// What the backward says for one cotangent: a gradient per parameter; empty where none arrived.
struct Analytic {
  std::string label;
  Numbers cotangent;
  std::vector<Numbers> grads;
};

// Elements [first, last) of a parameter that are moved together, element i by t · speed[i].
struct Move {
  size_t parameter;
  int64_t first, last;
  Numbers speed;  // 0 outside
  std::string label;
};

// A comparison: the slope along a move, seen through a cotangent.
struct Comparison {
  size_t move, cotangent;
  double analytic, numeric, error = 0;
};

class Check {
 public:
  Check(std::vector<NamedParameter> parameters, const std::function<Variable()>& fn, const GradcheckOptions& options)
      : parameters_(std::move(parameters)), fn_(fn), options_(options), rng_(options.seed) {}

  GradcheckReport run() {
    report_.tolerance = options_.tolerance;
    require_f64();
    const Restored restored(parameters_);
    if (!evaluates()) return report_;
    differentiate();
    for (size_t p = 0; p < parameters_.size(); ++p) compare(p);
    return report_;
  }

 private:
  Tensor& value(size_t parameter) { return parameters_[parameter].parameter->value(); }

  std::string name_of(size_t parameter) {
    std::ostringstream out;
    out << parameters_[parameter].name << ' ' << value(parameter).shape();
    return out.str();
  }

  void require_f64() {
    for (size_t p = 0; p < parameters_.size(); ++p) {
      if (value(p).dtype() != DType::f64)
        fail(ErrorKind::dtype, "gradcheck: ", name_of(p), " is ", value(p).dtype(),
             "; differences need f64: convert with .to(DType::f64)");
    }
  }

  Tensor forward() {
    const Tape::Pause pause;
    return fn_().value().clone();  // a copy: it may be a view of what is moved next
  }

  // The result at the point itself; false if fn gives another one when asked again.
  bool evaluates() {
    const Tensor y = forward();
    if (y.dtype() != DType::f64)
      fail(ErrorKind::dtype, "gradcheck: the function returned ", y.dtype(), "; differences need f64 all the way");
    shape_ = y.shape();
    y_ = y.to_vector<double>();
    if (identical(y, forward())) return true;
    report_.ok = false;
    report_.problem =
        "the function gave two different results for the same input, so it has no derivative; does it draw random "
        "numbers? Make the generator anew inside the function";
    return false;
  }

  // --- the analytic side ---

  void differentiate() {
    const auto count = int64_t(y_.size());
    for (int64_t j = 0; count <= options_.full_outputs && j < count; ++j) {
      Numbers one_hot(y_.size(), 0.0);
      one_hot[size_t(j)] = 1;
      backward("y" + index_text(j, shape_), std::move(one_hot));
    }
    for (int i = 0; i < options_.projections; ++i)
      backward("random cotangent " + std::to_string(i), randn(shape_, rng_, DType::f64).to_vector<double>());
  }

  void backward(std::string label, Numbers cotangent) {
    for (const auto& [name, p] : parameters_) p->zero_grad();
    Tape tape;
    const Variable y = fn_();
    if (y.needs_grad()) tape.backward(y, from_vector(cotangent, shape_));
    Analytic result{std::move(label), std::move(cotangent), {}};
    for (size_t p = 0; p < parameters_.size(); ++p) {
      const Parameter& parameter = *parameters_[p].parameter;
      if (parameter.has_grad() && parameter.grad().shape() != parameter.shape())
        fail(ErrorKind::shape, "gradcheck: ", name_of(p), " got a gradient of shape ", parameter.grad().shape());
      result.grads.push_back(parameter.has_grad() ? parameter.grad().to_vector<double>() : Numbers{});
    }
    analytic_.push_back(std::move(result));
  }

  // --- the numeric side ---

  // The results with the elements moved by -2h, -h, 0, h and 2h.
  std::array<Numbers, 5> stencil(const Move& move) {
    Tensor& x = value(move.parameter);
    const Tensor start = x.clone();
    const Tensor speed = from_vector(move.speed, start.shape());
    std::array<Numbers, 5> results;
    for (size_t i = 0; i < 5; ++i) {
      if (i == 2) continue;
      x.copy_(start + speed * ((double(i) - 2) * options_.step));
      results[i] = forward().to_vector<double>();
    }
    x.copy_(start);
    results[2] = y_;
    return results;
  }

  // The derivative of every output along the move. Differences are taken output by output, before anything is added up.
  Numbers slopes(const Move& move) {
    const auto f = stencil(move);
    Numbers slope(y_.size());
    for (size_t j = 0; j < slope.size(); ++j)
      slope[j] = ((f[0][j] - f[4][j]) + 8 * (f[3][j] - f[1][j])) / (12 * options_.step);
    return slope;
  }

  // --- the comparison ---

  std::vector<Move> moves_of(size_t p) {
    const Tensor& x = value(p);
    Numbers reach = x.to_vector<double>();
    for (double& r : reach) r = std::max(std::abs(r), 0.3);
    std::vector<Move> moves;
    if (x.count() <= options_.full_inputs) {
      for (int64_t i = 0; i < x.count(); ++i) {
        Numbers speed(reach.size(), 0.0);
        speed[size_t(i)] = reach[size_t(i)];
        moves.push_back({p, i, i + 1, std::move(speed), index_text(i, x.shape())});
      }
      return moves;
    }
    for (int d = 0; d < options_.projections; ++d) {
      Numbers speed = randn(x.shape(), rng_, DType::f64).to_vector<double>();
      for (size_t i = 0; i < speed.size(); ++i) speed[i] *= reach[i] / std::sqrt(double(speed.size()));
      moves.push_back({p, 0, x.count(), std::move(speed), "along random direction " + std::to_string(d)});
    }
    return moves;
  }

  double analytic_slope(const Move& move, const Analytic& analytic) {
    const Numbers& grad = analytic.grads[move.parameter];
    return grad.empty() ? 0 : inner(grad, move.speed);
  }

  double error_of(double analytic, double numeric) const {
    const double error = std::abs(analytic - numeric);
    const double bound = std::max({std::abs(analytic), std::abs(numeric), scale_ / 1000});
    if (error == 0) return 0;
    return std::isfinite(error / bound) ? error / bound : std::numeric_limits<double>::infinity();
  }

  void compare(size_t p) {
    const std::vector<Move> moves = moves_of(p);
    std::vector<Comparison> all;
    scale_ = 0;
    for (const Analytic& a : analytic_) {
      double total = 0;  // roundings of different outputs add up as a random walk does
      for (size_t j = 0; j < y_.size(); ++j) total = std::hypot(total, a.cotangent[j] * y_[j]);
      if (std::isfinite(total)) scale_ = std::max(scale_, total);
    }
    for (size_t m = 0; m < moves.size(); ++m) {
      const Numbers slope = slopes(moves[m]);
      for (size_t c = 0; c < analytic_.size(); ++c) {
        all.push_back({m, c, analytic_slope(moves[m], analytic_[c]), inner(analytic_[c].cotangent, slope)});
        if (std::isfinite(all.back().numeric)) scale_ = std::max(scale_, std::abs(all.back().numeric));
      }
    }
    std::vector<Comparison> failed;
    for (Comparison& one : all) {
      one.error = error_of(one.analytic, one.numeric);
      report_.worst = std::max(report_.worst, one.error);
      if (one.error <= options_.tolerance) continue;
      ++report_.failed;
      keep_worst(failed, one);
    }
    report_.compared += int64_t(all.size());
    report_.ok = report_.ok && failed.empty();
    for (const Comparison& one : failed) keep_worst(report_.failures, describe(moves[one.move], one));
  }

  // --- telling about it ---

  // Halves a direction that fails for as long as one of the halves fails too: most often down to one element.
  Move narrowed(Move move, Comparison& one) {
    while (move.last - move.first > 1) {
      const int64_t middle = move.first + (move.last - move.first) / 2;
      bool found = false;
      for (const auto& [first, last] : {std::pair(move.first, middle), std::pair(middle, move.last)}) {
        Move half = move;
        half.first = first, half.last = last;
        for (int64_t i = 0; i < int64_t(half.speed.size()); ++i)  // the length of the direction stays
          half.speed[size_t(i)] *= i >= first && i < last ? std::sqrt(2.0) : 0;
        const double analytic = analytic_slope(half, analytic_[one.cotangent]);
        const double numeric = inner(analytic_[one.cotangent].cotangent, slopes(half));
        const double error = error_of(analytic, numeric);
        if (error <= options_.tolerance) continue;
        one.analytic = analytic, one.numeric = numeric, one.error = error;
        move = std::move(half);
        found = true;
        break;
      }
      if (!found) break;
    }
    if (move.last - move.first == 1) move.label = index_text(move.first, value(move.parameter).shape());
    return move;
  }

  // Smooth functions have much the same slope in all four parts of the stencil.
  std::string kink_text(const Move& move, const Comparison& one) {
    const auto f = stencil(move);
    double low = std::numeric_limits<double>::infinity(), high = -low;
    for (size_t i = 0; i + 1 < f.size(); ++i) {
      const Numbers& cotangent = analytic_[one.cotangent].cotangent;
      const double slope = (inner(cotangent, f[i + 1]) - inner(cotangent, f[i])) / options_.step;
      low = std::min(low, slope), high = std::max(high, slope);
    }
    if (!(high - low > 0.05 * std::max({std::abs(low), std::abs(high), scale_ / 1000}))) return "";
    return "the slope jumps near this point: a kink (relu, abs, max)? Then move the input away from it";
  }

  GradcheckEntry describe(Move move, Comparison one) {
    move = narrowed(std::move(move), one);
    const Analytic& analytic = analytic_[one.cotangent];
    const bool single = move.last - move.first == 1;
    const double unit = single ? move.speed[size_t(move.first)] : 1;
    std::string note;
    if (analytic.grads[move.parameter].empty())
      note = "no gradient arrived";
    else if (std::isfinite(one.numeric))
      note = kink_text(move, one);
    else
      note = "the function is not finite near this point";
    return {
        name_of(move.parameter), move.label, analytic.label, one.analytic / unit, one.numeric / unit, one.error, note};
  }

  std::vector<NamedParameter> parameters_;
  const std::function<Variable()>& fn_;
  GradcheckOptions options_;
  Rng rng_;
  Shape shape_;  // of the result …
  Numbers y_;    // … and its elements at the point itself
  std::vector<Analytic> analytic_;
  double scale_ = 0;
  GradcheckReport report_;
};

// A copy with the same strides, so that a check of a transposed input checks just that. Elements that overlap (an
// expanded tensor) are told apart.
Tensor copy_with_strides(const Tensor& x) {
  int64_t span = 1;
  for (int axis = 0; axis < x.rank(); ++axis) span += (x.shape()[axis] - 1) * x.strides()[axis];
  if (x.count() == 0 || span < x.count()) return x.clone();
  Tensor copy = zeros({span}, x.dtype()).view(x.shape(), x.strides());
  copy.copy_(x);
  return copy;
}

}  // namespace

GradcheckReport gradcheck(const std::vector<NamedParameter>& parameters, const std::function<Variable()>& fn,
                          const GradcheckOptions& options) {
  std::vector<NamedParameter> trainable;
  for (const NamedParameter& p : parameters) {
    if (p.parameter->trainable()) trainable.push_back(p);
  }
  return Check(trainable, fn, options).run();
}

GradcheckReport gradcheck(const std::function<Variable(std::span<const Variable>)>& fn,
                          const std::vector<Tensor>& inputs, const GradcheckOptions& options) {
  std::vector<Parameter> leaves;
  std::vector<NamedParameter> named;
  for (const Tensor& x : inputs) leaves.emplace_back(copy_with_strides(x));
  const std::vector<Variable> arguments(leaves.begin(), leaves.end());
  for (size_t i = 0; i < leaves.size(); ++i) named.push_back({"input " + std::to_string(i), &leaves[i]});
  return gradcheck(
      named, [&] { return fn(arguments); }, options);
}

std::ostream& operator<<(std::ostream& out, const GradcheckReport& report) {
  std::ostringstream text;
  text.precision(2);
  if (!report.problem.empty()) {
    text << "gradcheck: FAILED, " << report.problem << '\n';
    return out << text.str();
  }
  text << "gradcheck: " << (report.ok ? "ok, " : "FAILED, ");
  if (!report.ok) text << report.failed << " of ";
  text << report.compared << (report.ok ? " comparisons" : " comparisons differ") << ", worst relative error "
       << report.worst << " (tolerance " << report.tolerance << ")\n";
  for (const GradcheckEntry& e : report.failures) {
    text.precision(12);
    text << "  " << e.input << " at " << e.index << ", d " << e.output << ": analytic " << e.analytic << ", numeric "
         << e.numeric;
    text.precision(2);
    text << ", relative error " << e.error << (e.note.empty() ? "" : " (" + e.note + ")") << '\n';
  }
  return out << text.str();
}

}  // namespace fovea
