// Ten steps of each optimiser, and clipping, against PyTorch's numbers.
#include "optim/adam.h"
#include "optim/clip.h"
#include "optim/sgd.h"
#include "tensor/views.h"
#include "tests/golden_file.h"

using namespace fovea;

namespace {

template <class Optimizer, class Config>
void check_steps(GoldenFile& golden, const std::string& name, double lr, double decay, const Config& config) {
  CAPTURE(name);
  Parameter p(golden["initial"].clone());
  Optimizer optimizer({optim::ParameterGroup{.parameters = {{"p", &p}}, .weight_decay = decay}}, config);
  const Tensor gradients = golden["gradients"];
  Tensor trace = empty({10, 3, 4}, golden.dtype());
  for (int step = 0; step < 10; ++step) {
    p.set_grad(select(gradients, 0, step).clone());
    optimizer.step(lr);
    select(trace, 0, step).copy_(p.value());
  }
  golden.check(name + ".steps", trace);
}

}  // namespace

TEST_CASE("optimisers take PyTorch's steps") {
  for (const DType dtype : {DType::f64, DType::f32}) {
    GoldenFile golden("optim", dtype);
    using optim::AdamConfig, optim::SGDConfig;
    check_steps<optim::SGD>(golden, "sgd", 0.1, 0, SGDConfig{});
    check_steps<optim::SGD>(golden, "sgd_momentum", 0.1, 0, SGDConfig{.momentum = 0.9});
    check_steps<optim::SGD>(golden, "sgd_nesterov", 0.1, 0, SGDConfig{.momentum = 0.9, .nesterov = true});
    check_steps<optim::SGD>(golden, "sgd_decay", 0.1, 0.01, SGDConfig{});
    check_steps<optim::SGD>(golden, "sgd_all", 0.1, 0.01, SGDConfig{.momentum = 0.9, .nesterov = true});
    check_steps<optim::Adam>(golden, "adam", 0.01, 0, AdamConfig{});
    check_steps<optim::Adam>(golden, "adam_decay", 0.01, 0.1, AdamConfig{});
    check_steps<optim::AdamW>(golden, "adamw", 0.01, 0.1, AdamConfig{.beta2 = 0.99});

    for (const auto& [name, limit] : {std::pair{"clip.", 1.0}, std::pair{"clip_not.", 100.0}}) {
      const std::string at = name;
      Parameter a(zeros({3, 4}, dtype)), b(zeros({5}, dtype)), without(zeros({2}, dtype));
      a.set_grad(golden[at + "a"].clone());
      b.set_grad(golden[at + "b"].clone());
      golden.check(at + "norm", optim::clip_grad_norm({{"a", &a}, {"b", &b}, {"without", &without}}, limit));
      golden.check(at + "a_clipped", a.grad());
      golden.check(at + "b_clipped", b.grad());
    }
    CHECK(golden.unused() == "");
  }
}
