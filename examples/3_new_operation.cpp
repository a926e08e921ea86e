// Lesson 3: adding an operation and a layer, and having them proven right.
//
// The operation is the soft cap, y = c · tanh(x / c), which keeps logits within ±c (used by Gemma 2). It could be
// composed from what is there; as one operation it saves one tensor instead of two, and shows how it is done.
#include <exception>
#include <iostream>

#include "autograd/autograd.h"
#include "autograd/operation.h"
#include "nn/init.h"
#include "nn/module.h"
#include "tensor/random.h"

using namespace fovea;

namespace {

// --- an operation: one struct, forward and backward side by side, the formula above them -----------------------------

struct SoftCap {  // y = c tanh(x / c);   dx = dy (1 − (y / c)²)
  double cap;
  Tensor y;  // saved for backward
  Tensor forward(const Tensor& x) { return y = cap * tanh(x / cap); }
  Grads<1> backward(const Tensor& dy, Needs<1>) const { return {dy * (1.0 - square(y / cap))}; }
};

Variable soft_cap(const Variable& x, double cap) { return record(SoftCap{cap, {}}, x); }

// --- a layer: a struct of parameters, a call, and visit() naming each member once ------------------------------------

struct Bilinear : nn::Module {  // how well a key fits a query: q W kᵀ (Luong et al. 2015, "general"), capped
  Parameter weight;             // [d_q, d_k]
  double cap;

  Bilinear(int64_t d_q, int64_t d_k, double cap_at, Rng& rng)
      : weight(nn::xavier_uniform({d_q, d_k}, rng)), cap(cap_at) {}

  Variable operator()(const Variable& q, const Variable& k) const {
    nn::Scope scope(*this);                                                 // errors say where they arose
    return soft_cap(matmul(matmul(q, weight), transpose(k, -1, -2)), cap);  // [B, Lq, d_q], [B, Lk, d_k] -> [B, Lq, Lk]
  }
  void visit(nn::Visitor& v) override { v("weight", weight); }
};

// --- the proof -------------------------------------------------------------------------------------------------------

void check_operation() {
  std::cout << "soft_cap, its backward against differences of its forward:\n  "
            << gradcheck([](std::span<const Variable> in) { return soft_cap(in[0], 3.0); },
                         {tensor({{-9, -2, 0}, {0.5, 2, 7}}, DType::f64)})
            << "\n";
}

// The same operation with a slip in the derivative, as it happens: the checker says where and by how much.
struct WrongSoftCap {
  double cap;
  Tensor y;
  Tensor forward(const Tensor& x) { return y = cap * tanh(x / cap); }
  Grads<1> backward(const Tensor& dy, Needs<1>) const { return {dy * (1.0 - square(y))}; }  // forgot to divide by c
};

void check_wrong_operation() {
  std::cout << "the same with a slip in backward:\n"
            << gradcheck(
                   [](std::span<const Variable> in) {
                     return record(WrongSoftCap{3.0, {}}, in[0]);
                   },
                   {tensor({{-9, -2, 0}, {0.5, 2, 7}}, DType::f64)})
            << "\n";
}

void check_layer() {
  Rng rng(7);
  Bilinear score(3, 4, 5.0, rng);
  score.to(DType::f64);
  const Tensor q = randn({2, 5, 3}, rng, DType::f64), k = randn({2, 6, 4}, rng, DType::f64);
  std::cout << "the layer, all its parameters:\n  " << gradcheck(score.parameters(), [&] { return score(q, k); })
            << "\n";
  try {
    score(q, randn({2, 6, 3}, rng, DType::f64));  // keys of the wrong width
  } catch (const ShapeError& error) {
    std::cout << "and its error for keys of the wrong width:\n  " << error.what() << "\n";
  }
}

}  // namespace

int main() try {
  check_operation();
  check_wrong_operation();
  check_layer();
} catch (const std::exception& error) {  // what the environment asks for and the machine does not have, for one
  std::cerr << "3_new_operation: " << error.what() << '\n';
  return 1;
}
