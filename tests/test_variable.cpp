// Variables and parameters as values: copies, moves, gradients, freezing, errors.
#include "autograd/variable.h"

#include <doctest/doctest.h>

#include "autograd/elementwise.h"
#include "autograd/reduce.h"
#include "autograd/tape.h"

using namespace fovea;

TEST_CASE("a variable made from a tensor is a constant") {
  const Variable x = ones({2, 3});
  CHECK(x.defined());
  CHECK_FALSE(Variable().defined());
  CHECK_FALSE(x.needs_grad());
  CHECK(x.shape() == Shape{2, 3});
  CHECK(x.dtype() == DType::f32);
  CHECK(x.rank() == 2);
  CHECK(x.size(-1) == 3);
  CHECK(x.count() == 6);
  CHECK(Variable(scalar(2.5)).item() == 2.5);
}

TEST_CASE("copying a parameter copies its numbers, its gradient and whether it is frozen") {
  Parameter a(full({3}, 2, DType::f64));
  a.set_grad(ones({3}, DType::f64));
  Parameter b(a);
  b.value().fill_(7);
  b.grad().fill_(9);
  CHECK(identical(a.value(), full({3}, 2, DType::f64)));
  CHECK(identical(a.grad(), ones({3}, DType::f64)));
  a.set_trainable(false);
  Parameter c;
  c = a;
  CHECK_FALSE(c.trainable());
  CHECK(b.trainable());
  c = *&c;
  CHECK(identical(c.value(), a.value()));
  CHECK_FALSE(Parameter(Parameter()).defined());
}

TEST_CASE("moving a parameter keeps its place: a variable sliced from it before still leads to its gradient") {
  Parameter a(full({}, 3, DType::f64));
  const Variable alias = a;
  Parameter moved(std::move(a));
  Tape tape;
  tape.backward(alias * alias);
  CHECK(moved.grad().item() == 6);
}

TEST_CASE("an optimiser that changes a value in place does not need to tell the variables") {
  Parameter a(full({2}, 3, DType::f64));
  const Variable alias = a;
  a.value().add_(ones({2}, DType::f64), 0.5);
  CHECK(alias.value().at({1}) == 3.5);
}

TEST_CASE("gradients are set, dropped and checked") {
  Parameter a(ones({2, 3}));
  CHECK_FALSE(a.has_grad());
  CHECK_THROWS_WITH_AS(a.set_grad(ones({3, 2})), "set_grad: the parameter is [2, 3] f32, the gradient [3, 2] f32",
                       ShapeError);
  CHECK_THROWS_AS(a.set_grad(ones({2, 3}, DType::f64)), ShapeError);
  a.set_grad(full({2, 3}, 4));
  CHECK(a.grad().at({1, 2}) == 4);
  a.zero_grad();
  CHECK_FALSE(a.has_grad());
  Parameter().zero_grad();
}

TEST_CASE("a frozen parameter that is thawed gets gradients again") {
  Parameter a(full({}, 3, DType::f64));
  a.set_trainable(false);
  {
    Tape tape;
    CHECK_FALSE((a * 2).needs_grad());
  }
  a.set_trainable(true);
  Tape tape;
  tape.backward(a * 2);
  CHECK(a.grad().item() == 2);
}

TEST_CASE("dtypes are not mixed silently, and gradients have their parameter's dtype") {
  Parameter a(ones({2})), b(ones({2}, DType::f64));
  Tape tape;
  CHECK_THROWS_WITH_AS(a + b, "add: dtypes differ: a [2] is f32, b [2] is f64; convert one with .to()", DTypeError);
  tape.backward(sum(a * 3));
  CHECK(a.grad().dtype() == DType::f32);
}
