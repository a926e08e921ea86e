// A tape that looks for anomalies names the operation, place, shapes and extreme input of the first NaN or infinity.
#include <doctest/doctest.h>

#include <cmath>

#include "autograd/elementwise.h"
#include "autograd/matmul.h"
#include "autograd/reduce.h"
#include "autograd/tape.h"

using namespace fovea;

namespace {
struct Place : ErrorContext {
  std::string where() const override { return "model.blocks.2.attention"; }
};
constexpr TapeOptions looking{.anomaly = true, .step = 17};
}  // namespace

TEST_CASE("an infinity in the forward: operation, place, shapes, the input it came from, the step") {
  Parameter x(tensor({{1, 2, 3}, {4, 0, -5}}, DType::f64));
  Tape tape(looking);
  const Place place;
  CHECK_THROWS_WITH_AS(reciprocal(x),
                       "reciprocal: forward gave inf at [1, 1] of its result [2, 3] at step 17; input 0 is [2, 3] from "
                       "-5 to 4, extreme at [1, 2] (in model.blocks.2.attention)",
                       AnomalyError);
}

TEST_CASE("an overflow of f32 names both operands") {
  Parameter a(tensor({1, 3e38})), b(tensor({1, 10}));
  Tape tape({.anomaly = true});
  CHECK_THROWS_WITH_AS(
      a * b,
      "mul: forward gave inf at [1] of its result [2]; input 0 is [2] from 1 to 3e+38, extreme at [1]; "
      "input 1 is [2] from 1 to 10, extreme at [1]",
      AnomalyError);
}

TEST_CASE("a NaN in the backward is traced to the operation and to the place where it was recorded") {
  Parameter x(tensor({4, 0, 1}, DType::f64));
  Tape tape(looking);
  Variable y;
  {
    const Place place;
    y = sqrt(x);  // finite, but its slope at 0 is not
  }
  const Variable loss = sum(y * y);
  CHECK_THROWS_WITH_AS(tape.backward(loss),
                       "sqrt: backward gave NaN at [1] of the gradient [3] of input 0 at step 17; the gradient of its "
                       "result is [3] from 0 to 4, extreme at [0] (in model.blocks.2.attention)",
                       AnomalyError);
}

TEST_CASE("a tape that does not look says nothing, and one that looks lets finite numbers pass") {
  Parameter x(tensor({1, 0}, DType::f64));
  {
    Tape tape;
    CHECK_FALSE(std::isfinite(log(x).value().at({1})));
  }
  Tape tape(looking);
  tape.backward(sum(exp(x)));
  CHECK(x.grad().at({1}) == 1);
}
