// Lesson 2: a regression that learns. A small network bends itself to fifty noisy points of a curve,
//
//   y = 2 sin x + x^0.8 + noise,
//
// by the loop that all training has: forward, loss, backward, step.
#include <exception>
#include <iomanip>
#include <iostream>
#include <string>

#include "autograd/autograd.h"
#include "nn/linear.h"
#include "nn/losses.h"
#include "optim/adam.h"

using namespace fovea;

namespace {

struct Network : nn::Module {
  nn::Linear in, middle, out;

  explicit Network(Rng& rng) : in(1, 32, rng), middle(32, 32, rng), out(32, 1, rng) {}
  Variable operator()(const Variable& x) const {  // [N, 1] -> [N, 1]
    nn::Scope scope(*this);
    return out(tanh(middle(tanh(in(x)))));  // [N, 32] in between
  }
  void visit(nn::Visitor& v) override {
    v("in", in);
    v("middle", middle);
    v("out", out);
  }
};

Tensor curve(const Tensor& x) { return 2.0 * sin(x) + pow(x, 0.8); }

// The points as o, the curve as ., the network as #; one line of text for each step of y.
void plot(const Tensor& x, const Tensor& points, const Tensor& truth_x, const Tensor& truth, const Tensor& fit) {
  constexpr int rows = 18, columns = 72;
  std::vector<std::string> canvas(rows, std::string(columns, ' '));
  const auto put = [&](const Tensor& xs, const Tensor& ys, char mark) {
    for (int64_t i = 0; i < xs.count(); ++i) {
      const int column = int(xs.at({i, 0}) / 5 * (columns - 1) + 0.5);
      const int row = int((5 - ys.at({i, 0})) / 6 * (rows - 1) + 0.5);
      if (row >= 0 && row < rows) canvas[size_t(row)][size_t(column)] = mark;
    }
  };
  put(truth_x, truth, '.');
  put(x, points, 'o');
  put(truth_x, fit, '#');
  for (const std::string& line : canvas) std::cout << "  " << line.substr(0, line.find_last_not_of(' ') + 1) << '\n';
  std::cout << "  o data   . the curve behind it   # the network\n";
}

}  // namespace

int main() try {
  Rng rng(42);
  const Tensor x = uniform({50, 1}, 0, 5, rng);                // [50, 1]
  const Tensor y = curve(x) + randn({50, 1}, rng) * 0.5;       // [50, 1]
  const Tensor grid = reshape(linspace(0, 5, 200), {200, 1});  // [200, 1]

  Network network(rng);
  optim::Adam optimiser(network.parameters());
  std::cout << network.parameter_count() << " parameters, " << x.count() << " noisy points\n\n"
            << "  step   training loss   error against the curve behind the noise\n";
  for (int step = 0; step <= 600; ++step) {
    network.zero_grad();
    Tape tape;
    const Variable loss = nn::mse(network(x), y);
    tape.backward(loss);
    optimiser.step(1e-2);
    if (step % 100 == 0) {
      const double error = nn::mse(network(grid), curve(grid)).item();
      std::cout << std::fixed << std::setprecision(4) << std::setw(6) << step << std::setw(16) << loss.item()
                << std::setw(16) << error << '\n';
    }
  }
  std::cout << '\n';
  plot(x, y, grid, curve(grid), network(grid).value());
} catch (const std::exception& error) {  // what the environment asks for and the machine does not have, for one
  std::cerr << "2_regression: " << error.what() << '\n';
  return 1;
}
