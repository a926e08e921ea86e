// Lesson 1: the tape, on single numbers.
//
// A computation on variables is recorded while a Tape is alive; backward() walks the recording from its end and leaves
// in each Parameter how fast the result grows with it.
#include <exception>
#include <iostream>

#include "autograd/elementwise.h"
#include "autograd/tape.h"

using namespace fovea;

namespace {

void one_product() {
  std::cout << "--- y = a · b + sin(a)\n";
  Parameter a(scalar(2.0, DType::f64)), b(scalar(3.0, DType::f64));
  Tape tape;
  const Variable product = a * b;
  const Variable y = product + sin(a);
  tape.print();
  tape.backward(y);
  std::cout << "y = " << y.item() << "\n"
            << "dy/da = " << a.grad().item() << ", by hand b + cos a = " << 3 + cos(a.value()).item() << "\n"
            << "dy/db = " << b.grad().item() << ", by hand a = 2\n\n";
}

// The same variable twice is no special case: both uses send their share back, and the shares add up.
void used_twice() {
  std::cout << "--- y = a + a, and z = a · a · a\n";
  Parameter a(scalar(5.0, DType::f64));
  {
    Tape tape;
    tape.backward(a + a);
  }
  std::cout << "d(a + a)/da = " << a.grad().item() << "\n";
  a.zero_grad();  // gradients add up until they are dropped
  {
    Tape tape;
    tape.backward(a * a * a);
  }
  std::cout << "d(a³)/da at 5 = " << a.grad().item() << ", by hand 3a² = 75\n\n";
}

// Gradients add up over tapes, which is how a batch too large for memory is taken in parts.
void gradients_add_up() {
  std::cout << "--- three backward passes without zero_grad()\n";
  Parameter a(scalar(1.0, DType::f64));
  for (int i = 1; i <= 3; ++i) {
    Tape tape;
    tape.backward(a * 10.0);
    std::cout << "after pass " << i << ": " << a.grad().item() << "\n";
  }
  std::cout << "\n";
}

// A tape is walked once: the walk frees what the operations saved.
void backward_twice() {
  std::cout << "--- backward twice on one tape\n";
  Parameter a(scalar(1.0, DType::f64));
  Tape tape;
  const Variable y = exp(a);
  tape.backward(y);
  try {
    tape.backward(y);
  } catch (const TapeError& error) { std::cout << error.what() << "\n\n"; }
}

// Where no tape is alive nothing is recorded: evaluation needs no special mode.
void without_a_tape() {
  std::cout << "--- without a tape\n";
  Parameter a(scalar(1.0, DType::f64));
  const Variable y = exp(a) * 2.0;
  std::cout << "2e = " << y.item() << ", recorded: " << (y.needs_grad() ? "yes" : "no") << "\n";
}

}  // namespace

int main() try {
  one_product();
  used_twice();
  gradients_add_up();
  backward_twice();
  without_a_tape();
} catch (const std::exception& error) {  // what the environment asks for and the machine does not have, for one
  std::cerr << "1_tape: " << error.what() << '\n';
  return 1;
}
