// Single operations against PyTorch: values and gradients of tests/golden/ops.safetensors, in f64 and f32.
#include <functional>

#include "autograd/einsum.h"
#include "autograd/elementwise.h"
#include "autograd/indexing.h"
#include "autograd/matmul.h"
#include "autograd/reduce.h"
#include "autograd/rows.h"
#include "autograd/tape.h"
#include "autograd/views.h"
#include "golden_file.h"
#include "nn/losses.h"

using namespace fovea;

namespace {

using In = std::span<const Variable>;
using Constant = std::function<Tensor(const std::string&)>;  // a tensor of the case without a gradient

struct GoldenCase {
  std::string name;
  std::vector<std::string> inputs;  // those with gradients
  std::function<Variable(In, const Constant&)> fn;
};

GoldenCase of_x(const std::string& name, std::function<Variable(const Variable&)> fn) {
  return {name, {"x"}, [fn](In in, const Constant&) { return fn(in[0]); }};
}

GoldenCase of_a_b(const std::string& name, std::function<Variable(const Variable&, const Variable&)> fn) {
  return {name, {"a", "b"}, [fn](In in, const Constant&) { return fn(in[0], in[1]); }};
}

GoldenCase of_loss(const std::string& name, std::function<Variable(const Variable&, const Constant&)> fn) {
  return {name, {"x"}, [fn](In in, const Constant& get) { return fn(in[0], get); }};
}

using V = const Variable&;

std::vector<GoldenCase> elementwise() {
  using Unary = Variable (*)(const Variable&);
  std::vector<GoldenCase> cases;
  const std::pair<const char*, Unary> unary[] = {{"gelu", gelu},         {"gelu_tanh", gelu_tanh},
                                                 {"relu", relu},         {"silu", silu},
                                                 {"softplus", softplus}, {"tanh", tanh},
                                                 {"sigmoid", sigmoid},   {"erf", erf},
                                                 {"exp", exp},           {"expm1", expm1},
                                                 {"sin", sin},           {"cos", cos},
                                                 {"abs", abs},           {"log", log},
                                                 {"log1p", log1p},       {"sqrt", sqrt},
                                                 {"rsqrt", rsqrt},       {"reciprocal", reciprocal}};
  for (const auto& [name, fn] : unary) cases.push_back(of_x(name, fn));
  cases.push_back(of_x("leaky_relu", [](V x) { return leaky_relu(x); }));
  cases.push_back(of_x("elu", [](V x) { return elu(x); }));
  cases.push_back(of_a_b("mul_broadcast", [](V a, V b) { return a * b; }));
  cases.push_back(of_a_b("div_broadcast", [](V a, V b) { return a / b; }));
  cases.push_back(of_a_b("pow_broadcast", [](V a, V b) { return pow(a, b); }));
  cases.push_back(
      {"masked_fill", {"x"}, [](In in, const Constant& get) { return masked_fill(in[0], get("mask"), -1.5); }});
  cases.push_back(
      {"where", {"a", "b"}, [](In in, const Constant& get) { return where(get("condition"), in[0], in[1]); }});
  return cases;
}

std::vector<GoldenCase> rows_and_reductions() {
  std::vector<GoldenCase> cases;
  for (int axis = 0; axis < 3; ++axis) {
    const std::string end = "_axis" + std::to_string(axis);
    cases.push_back(of_x("softmax" + end, [axis](V x) { return softmax(x, axis); }));
    cases.push_back(of_x("log_softmax" + end, [axis](V x) { return log_softmax(x, axis); }));
    cases.push_back(of_x("logsumexp" + end, [axis](V x) { return logsumexp(x, {axis}); }));
    cases.push_back(of_x("cumsum" + end, [axis](V x) { return cumsum(x, axis); }));
  }
  cases.push_back(of_x("softmax_large", [](V x) { return softmax(x); }));
  cases.push_back(of_x("softmax_minus_infinity", [](V x) { return softmax(x); }));
  cases.push_back(of_x("log_softmax_large", [](V x) { return log_softmax(x); }));
  cases.push_back(of_x("logsumexp_large", [](V x) { return logsumexp(x, {-1}); }));
  cases.push_back(of_x("layer_norm_plain", [](V x) { return layer_norm(x); }));
  cases.push_back(
      {"layer_norm", {"x", "weight", "bias"}, [](In in, const Constant&) { return layer_norm(in[0], in[1], in[2]); }});
  cases.push_back({"rms_norm", {"x", "weight"}, [](In in, const Constant&) { return rms_norm(in[0], in[1]); }});
  cases.push_back(of_x("var_unbiased", [](V x) { return var(x, {1}); }));
  cases.push_back(of_x("var_biased", [](V x) { return var(x, {1}, false, 0); }));
  cases.push_back(of_x("var_all", [](V x) { return var(x); }));
  cases.push_back(of_x("std_unbiased", [](V x) { return stddev(x, {1}); }));
  cases.push_back(of_x("std_biased", [](V x) { return stddev(x, {1}, false, 0); }));
  cases.push_back(of_x("std_all", [](V x) { return stddev(x); }));
  cases.push_back(of_x("norm", [](V x) { return norm(x); }));
  cases.push_back(of_x("norm_axis1", [](V x) { return norm(x, 2, {1}); }));
  return cases;
}

std::vector<GoldenCase> losses() {
  using Options = CrossEntropyOptions;
  return {
      of_loss("cross_entropy", [](V x, auto& get) { return cross_entropy(x, get("target")); }),
      of_loss("cross_entropy_large", [](V x, auto& get) { return cross_entropy(x, get("target")); }),
      of_loss("cross_entropy_ignore", [](V x, auto& get) { return cross_entropy(x, get("target")); }),
      of_loss("cross_entropy_smooth",
              [](V x, auto& get) {
                return cross_entropy(x, get("target"), Options{.class_weights = {}, .label_smoothing = 0.1});
              }),
      of_loss("cross_entropy_weight",
              [](V x, auto& get) { return cross_entropy(x, get("target"), Options{.class_weights = get("weight")}); }),
      of_loss("cross_entropy_all",
              [](V x, auto& get) {
                return cross_entropy(x, get("target"), Options{.class_weights = get("weight"), .label_smoothing = 0.1});
              }),
      of_loss("nll", [](V x, auto& get) { return nn::nll(x, get("target")); }),
      of_loss("nll_all",
              [](V x, auto& get) { return nn::nll(x, get("target"), Options{.class_weights = get("weight")}); }),
      of_loss("mse", [](V x, auto& get) { return nn::mse(x, get("target")); }),
      of_loss("l1", [](V x, auto& get) { return nn::l1(x, get("target")); }),
      of_loss("bce_with_logits", [](V x, auto& get) { return nn::binary_cross_entropy_with_logits(x, get("target")); }),
      of_loss("kl_div", [](V x, auto& get) { return nn::kl_divergence(x, get("target")); }),
  };
}

GoldenCase of_einsum(const std::string& name, const std::string& equation, std::vector<std::string> operands) {
  return {name, std::move(operands),
          [equation](In in, const Constant&) { return einsum(equation, std::vector<Variable>(in.begin(), in.end())); }};
}

std::vector<GoldenCase> products() {
  return {
      of_a_b("matmul", [](V a, V b) { return matmul(a, b); }),
      of_a_b("matmul_batched", [](V a, V b) { return matmul(a, b); }),
      of_a_b("matmul_row", [](V a, V b) { return matmul(a, b); }),
      of_a_b("matmul_odd", [](V a, V b) { return matmul(a, b); }),
      of_einsum("einsum_scores", "bhld,bhsd->bhls", {"a", "b"}),
      of_einsum("einsum_implicit", "ij,jk", {"a", "b"}),
      of_einsum("einsum_outer", "i,j->ij", {"a", "b"}),
      of_einsum("einsum_transposed", "kji->ijk", {"a"}),
      of_einsum("einsum_diagonal", "bii->bi", {"a"}),
      of_einsum("einsum_trace", "ii", {"a"}),
      of_einsum("einsum_ellipsis", "...ij,...kj->...ik", {"a", "b"}),
      of_einsum("einsum_sum", "bij->j", {"a"}),
      of_einsum("einsum_three", "bi,ij,bj->b", {"a", "b", "c"}),
      {"conv1d",
       {"x", "weight"},
       [](In in, const Constant&) {  // [2, 7, 3] -> windows [2, 4, 3, 4] -> [2, 4, 12] -> [2, 4, 5]
         return matmul(flatten(unfold(in[0], 1, 4, 1), 2), reshape(in[1], {12, 5}));
       }},
  };
}

std::vector<GoldenCase> moves() {
  return {
      of_x("unfold", [](V x) { return unfold(x, 1, 3, 2); }),
      {"embedding", {"weight"}, [](In in, const Constant& get) { return take_rows(in[0], get("index")); }},
      {"gather", {"x"}, [](In in, const Constant& get) { return gather(in[0], 0, get("index")); }},
      {"gather_axis1", {"x"}, [](In in, const Constant& get) { return gather(in[0], 1, get("index")); }},
      {"scatter_add",
       {"x", "source"},
       [](In in, const Constant& get) { return scatter_add(in[0], 0, get("index"), in[1]); }},
  };
}

void check_all(DType dtype) {
  GoldenFile golden("ops", dtype);
  int cases = 0;
  for (const auto& part : {elementwise(), rows_and_reductions(), losses(), products(), moves()}) {
    for (const GoldenCase& one : part) {
      CAPTURE(one.name);
      const Constant get = [&](const std::string& name) { return golden[one.name + "." + name]; };
      std::vector<Parameter> leaves;
      for (const std::string& input : one.inputs) leaves.emplace_back(get(input));
      const std::vector<Variable> arguments(leaves.begin(), leaves.end());
      Tape tape;
      const Variable y = one.fn(arguments, get);
      golden.check(one.name + ".y", y.value());
      tape.backward(y, get("g"));
      for (size_t i = 0; i < leaves.size(); ++i)
        golden.check(one.name + "." + one.inputs[i] + ".grad", leaves[i].grad());
      ++cases;
    }
  }
  CHECK(cases == 83);
  CHECK(golden.unused() == "");
}

}  // namespace

TEST_CASE("operations and their gradients agree with PyTorch to 1e-10 in f64") { check_all(DType::f64); }
TEST_CASE("operations and their gradients agree with PyTorch to 1e-4 in f32") { check_all(DType::f32); }
