// gradcheck: holds the gradients of a backward against differences of the forward, in f64.
//
//   GradcheckReport report = gradcheck(
//       [](std::span<const Variable> in) { return my_operation(in[0], in[1]); },
//       {randn({2, 3}, rng, DType::f64), randn({3, 4}, rng, DType::f64)});
//   std::cout << report;                       // "gradcheck: ok, 216 comparisons, …" or a table of what differs
//
// The numeric side: the five-point central difference, (f(−2h) − 8 f(−h) + 8 f(h) − f(2h)) / 12h, whose error falls
// with h⁴. The step is h = step · max(|x|, 0.3). An input of up to `full_inputs` elements is moved one element at a
// time; a larger one along random directions, and where one of those fails, halving it finds the element.
//
// The analytic side: a backward from each output element (the full Jacobian) where there are up to `full_outputs` of
// them, and always from random cotangents. Never from all ones: the sum of a softmax does not depend on its input, and
// a backward that returns zeros would pass.
//
// An entry passes where |analytic − numeric| ≤ tolerance · max(|analytic|, |numeric|, s/1000); s is the largest output
// or gradient met for that input. So the bound is relative, but for entries so small that they drown in the rounding of
// the differences.
#pragma once
#include <functional>
#include <iosfwd>
#include <span>
#include <string>
#include <vector>

#include "autograd/variable.h"

namespace fovea {

struct GradcheckOptions {
  double tolerance = 1e-8;
  double step = 1e-3;
  int projections = 2;        // random cotangents, and random directions for large inputs
  int64_t full_outputs = 64;  // 0: random cotangents only
  int64_t full_inputs = 256;  // 0: random directions only
  uint64_t seed = 1;          // of the random ones
};

// One entry of the Jacobian, or of a projection of it.
struct GradcheckEntry {
  std::string input;   // "input 0 [2, 3]", or the parameter's name
  std::string index;   // "[1, 2]", or "along random direction 0"
  std::string output;  // "y[0, 1]", or "random cotangent 0"
  double analytic = 0, numeric = 0;
  double error = 0;  // |analytic − numeric| / max(…), as above; infinite where a NaN is met
  std::string note;  // "no gradient arrived", "the slope jumps …"
};

struct GradcheckReport {
  bool ok = true;
  double worst = 0;      // the largest error, passed or not
  int64_t compared = 0;  // entries
  int64_t failed = 0;
  std::vector<GradcheckEntry> failures;  // the worst few, largest error first
  std::string problem;                   // why nothing could be compared: the function is not deterministic
  double tolerance = 0;
  explicit operator bool() const { return ok; }
};

std::ostream& operator<<(std::ostream& out, const GradcheckReport& report);

// A function of tensors. Each becomes a leaf, its strides kept; the tensors themselves stay as they are. fn must give
// the same result every time (a random generator has to be made inside it). Inputs that are not f64 are a DTypeError.
GradcheckReport gradcheck(const std::function<Variable(std::span<const Variable>)>& fn,
                          const std::vector<Tensor>& inputs, const GradcheckOptions& options = {});

// The parameters of a model: moved in place while this runs; afterwards numbers and gradients are what they were.
// Frozen parameters are left out.
GradcheckReport gradcheck(const std::vector<NamedParameter>& parameters, const std::function<Variable()>& fn,
                          const GradcheckOptions& options = {});

}  // namespace fovea
