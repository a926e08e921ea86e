// The tape: gradients of small computations worked out by hand, what may and may not be done with it, its memory.
#include "autograd/tape.h"

#include <doctest/doctest.h>

#include <cmath>
#include <sstream>

#include "autograd/checkpoint.h"
#include "autograd/dropout.h"
#include "autograd/elementwise.h"
#include "autograd/matmul.h"
#include "autograd/reduce.h"
#include "autograd/views.h"
#include "tensor/random.h"
#include "tensor/reduce.h"

using namespace fovea;

namespace {

Parameter leaf(double value) { return Parameter(scalar(value, DType::f64)); }
double grad(const Parameter& p) { return p.grad().item(); }

Tensor random_tensor(const Shape& shape, uint64_t seed = 1) {
  Rng rng(seed);
  return randn(shape, rng, DType::f64);
}

}  // namespace

TEST_CASE("a + a: one variable used twice gets both shares") {
  Parameter a = leaf(3);
  Tape tape;
  const Variable y = a + a;
  CHECK(y.item() == 6);
  CHECK(tape.size() == 2);  // the leaf once, the sum
  tape.backward(y);
  CHECK(grad(a) == 2);
}

TEST_CASE("a diamond, and a result used again further on") {
  Parameter x = leaf(0.7);
  Tape tape;
  const Variable square_x = x * x, left = sin(square_x), right = exp(square_x);
  const Variable y = left * right + square_x;
  tape.backward(y);
  const double s = 0.49;
  CHECK(grad(x) == doctest::Approx(2 * 0.7 * ((std::cos(s) + std::sin(s)) * std::exp(s) + 1)).epsilon(1e-14));
}

TEST_CASE("what the loss does not depend on gets no gradient") {
  Parameter a = leaf(2), b = leaf(5), unused = leaf(1);
  Tape tape;
  const Variable y = a * 3, other = b * 4;
  CHECK(other.item() == 20);
  tape.backward(y);
  CHECK(grad(a) == 3);
  CHECK_FALSE(b.has_grad());
  CHECK_FALSE(unused.has_grad());
  CHECK_THROWS_WITH_AS(
      b.grad(),
      "grad: parameter [] has no gradient; call tape.backward(loss) first, with a loss that depends on "
      "it",
      TapeError);
}

TEST_CASE("gradients of several backwards add up until zero_grad") {
  Parameter a = leaf(2);
  for (int i = 1; i <= 3; ++i) {
    Tape tape;
    tape.backward(a * double(i));
    CHECK(grad(a) == i * (i + 1) / 2);
  }
  a.zero_grad();
  CHECK_FALSE(a.has_grad());
}

TEST_CASE("a gradient is added to in place: the buffer stays the same") {
  Parameter a(random_tensor({4}));
  {
    Tape tape;
    tape.backward(sum(a * a));
  }
  const Storage first = a.grad().storage();
  const Tensor once = a.grad().clone();
  {
    Tape tape;
    tape.backward(sum(a * a));
  }
  CHECK(a.grad().storage() == first);
  CHECK(identical(a.grad(), once + once));
}

TEST_CASE("gradients of parts are added to the parts: overlapping ones, ones that arrive first, last or shared") {
  const auto gradient_of = [](bool whole) {  // a tape that looks for anomalies asks each part for its whole gradient
    Parameter a(random_tensor({4, 5}));
    Tape tape({.anomaly = whole});
    const Variable x = a * 2;
    const Variable rows = slice(x, 0, 1, 4, 2), row = select(x, 0, 1), corner = narrow(x, 1, 3, 2);
    const Variable twice = x + x, on_diagonal = diagonal(x);
    tape.backward(sum(square(rows)) + sum(exp(row)) + sum(corner * corner) + sum(sin(twice)) + sum(exp(on_diagonal)) +
                  sum(select(row, 0, 2)));
    return a.grad();
  };
  CHECK(identical(gradient_of(false), gradient_of(true)));
  CHECK(max(abs(gradient_of(false))).item() > 1);

  Parameter a(random_tensor({3, 3}));  // the cotangent, which x + x hands on, is not changed
  const Tensor dy = random_tensor({3, 3}, 2), before = dy.clone();
  Tape tape;
  const Variable x = a * 1, first = select(x, 0, 0);
  tape.backward(x + first, dy);
  CHECK(identical(dy, before));
  CHECK(max_abs_difference(select(a.grad(), 0, 0), select(dy, 0, 0) + sum(dy, {0})) < 1e-15);
}

TEST_CASE("two leaves that receive the same gradient do not share a buffer, nor with the cotangent") {
  Parameter a(random_tensor({3})), b(random_tensor({3}, 2));
  Tensor dy = ones({3}, DType::f64);
  Tape tape;
  const Variable y = a + b;
  tape.backward(y, dy);
  CHECK_FALSE(a.grad().storage() == b.grad().storage());
  CHECK_FALSE(a.grad().storage() == dy.storage());
  a.grad().mul_(10);
  dy.fill_(7);
  CHECK(identical(b.grad(), ones({3}, DType::f64)));
}

TEST_CASE("the cotangent itself is not changed where it is added to") {
  Parameter a(random_tensor({3}));
  const Tensor dy = ones({3}, DType::f64);
  Tape tape;
  const Variable y = a + a;
  tape.backward(y, dy);
  CHECK(identical(a.grad(), full({3}, 2, DType::f64)));
  CHECK(identical(dy, ones({3}, DType::f64)));
}

TEST_CASE("backward twice, of a vector, of a constant: errors in words") {
  Parameter a(random_tensor({2, 3}));
  {
    Tape tape;
    const Variable y = sum(a);
    tape.backward(y);
    CHECK_THROWS_WITH_AS(tape.backward(y),
                         "backward: this tape has been walked already and what it saved is freed; record the forward "
                         "again on a new tape",
                         TapeError);
  }
  Tape tape;
  CHECK_THROWS_WITH_AS(tape.backward(a * 2),
                       "backward: the loss must be one number, got [2, 3]; reduce it with mean() or sum(), or pass the "
                       "gradient to start from",
                       ShapeError);
  CHECK_THROWS_WITH_AS(tape.backward(a * 2, ones({3}, DType::f64)), "backward: y is [2, 3] f64, its gradient [3] f64",
                       ShapeError);
  CHECK_THROWS_WITH_AS(tape.backward(Variable(scalar(1))),
                       "backward: the loss depends on no parameter, or was computed before this tape began", TapeError);
}

TEST_CASE("without a tape nothing is recorded; frozen parameters and detached values are constants") {
  Parameter a = leaf(2), frozen = leaf(3);
  CHECK_FALSE((a * 2).needs_grad());
  frozen.set_trainable(false);
  CHECK_FALSE(frozen.needs_grad());
  Tape tape;
  CHECK_FALSE((frozen * 2).needs_grad());
  CHECK(tape.size() == 0);
  const Variable y = a * frozen * detach(a * 5);
  tape.backward(y);
  CHECK(grad(a) == 30);
  CHECK_FALSE(frozen.has_grad());
}

TEST_CASE("a variable of a tape that has finished") {
  Parameter a = leaf(2);
  Variable kept;
  {
    Tape tape;
    kept = a * 2;
  }
  CHECK_FALSE((kept * 2).needs_grad());  // its value may be used
  Tape tape;
  CHECK_THROWS_WITH_AS(kept * 2,
                       "mul_scalar: variable [] was recorded by a tape that has finished; detach() it to use its "
                       "value, compute it again under this tape, or, inside checkpoint(), pass it in through x",
                       TapeError);
  CHECK((detach(kept) * 2).item() == 8);
}

TEST_CASE("tapes nest: the innermost records, and an outer variable does not leak in") {
  Parameter a = leaf(3);
  Tape outer;
  const Variable y = a * a;
  {
    Parameter inner_leaf(y.value());
    Tape inner;
    CHECK(Tape::recording() == &inner);
    CHECK_THROWS_WITH_AS(y * 2,
                         "mul_scalar: variable [] belongs to an outer tape; its gradient would be lost on this inner "
                         "one. Pass it in as a Parameter, or detach() it",
                         TapeError);
    const Variable z = inner_leaf * inner_leaf;
    inner.backward(z);
    CHECK(grad(inner_leaf) == 18);
  }
  CHECK(Tape::recording() == &outer);
  const Variable z = y * a;  // a³
  outer.backward(z);
  CHECK(grad(a) == 27);
  CHECK(Tape::recording() == nullptr);
}

TEST_CASE("one leaf on two tapes in turn keeps its places apart") {
  Parameter a = leaf(3);
  Tape outer;
  const Variable y = a * 2;
  {
    Tape inner;
    inner.backward(a * 5);
  }
  CHECK(grad(a) == 5);
  const Variable z = y * a;  // d(2 a²) = 4 a
  outer.backward(z);
  CHECK(grad(a) == 5 + 12);
}

TEST_CASE("a million nodes deep") {
  Parameter a = leaf(1);
  Tape tape;
  Variable y = a;
  for (int i = 0; i < 1'000'000; ++i) y = y + 1e-6;
  CHECK(tape.size() == 1'000'001);
  CHECK(y.item() == doctest::Approx(2));
  tape.backward(y);
  CHECK(grad(a) == 1);
}

TEST_CASE("a tape dropped without a backward, with nodes of every kind on it") {
  Parameter a(random_tensor({3, 3}));
  const int64_t before = memory_stats().live_bytes;
  {
    Tape tape;
    const Variable y = matmul(exp(a), transpose(a));
    CHECK(memory_stats().live_bytes > before);
  }
  CHECK(memory_stats().live_bytes == before);
}

TEST_CASE("memory is flat over a thousand steps") {
  Parameter w(random_tensor({32, 32}));
  const Tensor x = random_tensor({16, 32}, 2);
  MemoryStats settled;
  for (int step = 0; step < 1000; ++step) {
    Rng rng(uint64_t(step) + 1);
    {
      Tape tape;
      const Variable h = dropout(tanh(matmul(Variable(x), w)), 0.1, rng);
      tape.backward(mean(square(matmul(h, transpose(w)))));
    }
    w.value().add_(w.grad(), -0.01);
    w.zero_grad();
    if (step == 10) settled = memory_stats();
  }
  CHECK(memory_stats().live_bytes == settled.live_bytes);
  CHECK(memory_stats().system_calls == settled.system_calls);
  CHECK(memory_stats().peak_bytes == settled.peak_bytes);
}

TEST_CASE("the walk frees what the operations saved, and the count of saved bytes says what they hold") {
  Parameter a(random_tensor({100}));
  Tape tape;
  const Variable y = exp(a), z = sum(square(y));  // exp saves its output, square its input: the same 100 numbers
  CHECK(tape.saved_bytes() == 2 * 100 * 8);
  tape.backward(z);
  CHECK(tape.saved_bytes() == 0);
}

TEST_CASE("the printout of a tape") {
  Parameter a(random_tensor({2, 3}));
  Tape tape;
  const Variable y = mean(exp(a) * Variable(ones({3}, DType::f64)));
  std::ostringstream out;
  tape.print(out);
  CHECK(out.str() ==
        "place  operation  inputs  result      saved bytes\n"
        "%0     leaf               [2, 3] f64            0\n"
        "%1     exp        %0      [2, 3] f64           48\n"
        "%2     mul        %1 ·    [2, 3] f64           72\n"
        "%3     mean       %2      [] f64                0\n"
        "4 operations, 120 bytes saved for backward\n");
  tape.backward(y);
  std::ostringstream walked;
  tape.print(walked);
  CHECK(walked.str() == "tape: 4 operations, walked; print it before backward() to see them\n");

  Tape measured({.timing = true});
  const Variable z = exp(a);
  std::ostringstream times;
  measured.print(times);
  CHECK(times.str().find(" us\n") != std::string::npos);
}

TEST_CASE("checkpoint gives the gradients, masks and generator states of the plain computation") {
  const auto block = [](Parameter& w, Rng& rng, const Variable& x) {
    return dropout(tanh(matmul(dropout(x, 0.5, rng), w)), 0.3, rng);
  };
  const auto run = [&](bool checkpointed, Parameter& x, Parameter& w, Rng& rng) {
    Tape tape;
    const auto fn = [&](const Variable& z) { return block(w, rng, z); };
    Variable y = checkpointed ? checkpoint(fn, x) : fn(x);
    y = checkpointed ? checkpoint(fn, y) : fn(y);
    tape.backward(sum(square(y)));
    return y.value();
  };
  Parameter x(random_tensor({4, 6})), w(random_tensor({6, 6}, 2));
  Parameter x2(x), w2(w);
  Rng rng(9), rng2(9);
  const Tensor y = run(false, x, w, rng), y2 = run(true, x2, w2, rng2);
  CHECK(identical(y, y2));
  CHECK(identical(x.grad(), x2.grad()));
  CHECK(max_abs_difference(w.grad(), w2.grad()) < 1e-14);
  CHECK(rng == rng2);  // each draw was counted once, though the forward ran twice
}

TEST_CASE("checkpoint saves its input only, reaches parameters inside, and refuses captured variables") {
  Parameter w(random_tensor({50, 50}));
  const Tensor x = random_tensor({10, 50}, 2);
  {
    Tape tape;
    const Variable y = checkpoint([&](const Variable& z) { return exp(tanh(matmul(z, w))); }, Variable(x));
    CHECK(tape.saved_bytes() == 10 * 50 * 8);
    tape.backward(sum(y));
    CHECK(w.has_grad());
  }
  Tape tape;
  const Variable scale = w * 2;
  const Variable y = checkpoint([&](const Variable& z) { return matmul(z, scale); }, Variable(x));
  CHECK_THROWS_WITH_AS(tape.backward(sum(y)),
                       doctest::Contains("matmul: variable [50, 50] was recorded by a tape that has finished"),
                       TapeError);
}
