// Rows of the table: one result element per element.
#include "autograd/dropout.h"
#include "autograd/elementwise.h"
#include "op_cases.h"
#include "tensor/views.h"

namespace fovea::tests {
namespace {

OpCase unary(const char* name, Variable (*fn)(const Variable&), Input input = normal({3, 5})) {
  return {name, Sizes::any, {input}, [fn](In x) { return fn(x[0]); }};
}

// With equal shapes; both broadcast; a scalar beside a tensor; a tensor with itself.
void add_binary(std::vector<OpCase>& rows, const std::string& name, Variable (*fn)(const Variable&, const Variable&),
                Input (*fill)(const Shape&), bool with_itself = true) {
  const auto both = [fn](In x) { return fn(x[0], x[1]); };
  rows.push_back({name, Sizes::any, {fill({3, 4}), fill({3, 4})}, both});
  rows.push_back({name + " broadcast", Sizes::any, {fill({2, 1, 4}), fill({3, 1})}, both});
  rows.push_back({name + " scalar right", Sizes::any, {fill({3, 4}), fill({})}, both});
  rows.push_back({name + " scalar left", Sizes::any, {fill({1, 1}), fill({4})}, both});
  if (with_itself)
    rows.push_back({name + " itself", Sizes::any, {fill({2, 3})}, [fn](In x) { return fn(x[0], x[0]); }});
}

// A pattern of true and false that does not repeat with any small period.
Tensor pattern(const Shape& shape) {
  Rng rng(3);
  return bernoulli(0.5, shape, rng);
}

}  // namespace

std::vector<OpCase> elementwise_cases() {
  std::vector<OpCase> rows;
  add_binary(rows, "add", operator+, normal);
  add_binary(rows, "sub", operator-, normal);
  add_binary(rows, "mul", operator*, normal);
  add_binary(rows, "div", operator/, clear);
  add_binary(rows, "pow", pow, positive);
  add_binary(rows, "minimum", minimum, distinct, false);
  add_binary(rows, "maximum", maximum, distinct, false);

  const auto one = [&](const char* name, Input input, std::function<Variable(In)> fn) {
    rows.push_back({name, Sizes::any, {input}, std::move(fn)});
  };
  one("x + s", normal({3, 4}), [](In x) { return x[0] + 1.5; });
  one("x - s", normal({3, 4}), [](In x) { return x[0] - 1.5; });
  one("x * s", normal({3, 4}), [](In x) { return x[0] * 1.5; });
  one("x / s", normal({3, 4}), [](In x) { return x[0] / 1.5; });
  one("s + x", normal({3, 4}), [](In x) { return 1.5 + x[0]; });
  one("s - x", normal({3, 4}), [](In x) { return 1.5 - x[0]; });
  one("s * x", normal({3, 4}), [](In x) { return 1.5 * x[0]; });
  one("s / x", clear({3, 4}), [](In x) { return 1.5 / x[0]; });
  one("-x", normal({7}), [](In x) { return -x[0]; });
  one("x += x *= 2", normal({2, 3}), [](In x) {
    Variable y = x[0];
    y *= y;
    y += x[0];
    y -= square(x[0]) * 0.5;
    y /= exp(x[0]);
    return y;
  });

  for (const OpCase& row : {unary("neg", neg),
                            unary("abs", abs, clear({3, 5})),
                            unary("sign", sign, clear({3, 5})),
                            unary("exp", exp),
                            unary("expm1", expm1),
                            unary("log", log, positive({3, 5})),
                            unary("log1p", log1p, positive({3, 5})),
                            unary("sqrt", sqrt, positive({3, 5})),
                            unary("rsqrt", rsqrt, positive({3, 5})),
                            unary("reciprocal", reciprocal, clear({3, 5})),
                            unary("square", square),
                            unary("sin", sin),
                            unary("cos", cos),
                            unary("tanh", tanh),
                            unary("sigmoid", sigmoid),
                            unary("erf", erf),
                            unary("relu", relu, clear({3, 5})),
                            unary("gelu", gelu),
                            unary("gelu_tanh", gelu_tanh),
                            unary("silu", silu),
                            unary("softplus", softplus)})
    rows.push_back(row);
  one("tanh of a scalar", normal({}), [](In x) { return tanh(x[0]); });
  one("exp of four axes", normal({2, 1, 3, 2}), [](In x) { return exp(x[0]); });
  one("pow 3", normal({3, 5}), [](In x) { return pow(x[0], 3); });
  one("pow 2.5", positive({3, 5}), [](In x) { return pow(x[0], 2.5); });
  one("pow -1", clear({3, 5}), [](In x) { return pow(x[0], -1); });
  one("leaky_relu", clear({3, 5}), [](In x) { return leaky_relu(x[0], 0.1); });
  one("elu", clear({3, 5}), [](In x) { return elu(x[0], 1.3); });
  one("clamp", distinct({3, 5}), [](In x) { return clamp(x[0], -1.03, 0.97); });

  rows.push_back({"where", Sizes::any, {normal({3, 4}), normal({3, 4})}, [](In x) {
                    return where(pattern(x[0].shape()), x[0], x[1]);
                  }});
  rows.push_back({"where broadcast", Sizes::fixed, {normal({2, 1, 4}), normal({3, 4})}, [](In x) {
                    return where(pattern({3, 1}), x[0], x[1]);
                  }});
  rows.push_back({"masked_fill", Sizes::any, {normal({3, 5})}, [](In x) {
                    return masked_fill(x[0], pattern(x[0].shape()), -1.5);
                  }});
  rows.push_back({"masked_fill broadcast", Sizes::fixed, {normal({2, 3, 4})}, [](In x) {
                    return masked_fill(x[0], pattern({3, 1}), 0.5);
                  }});
  rows.push_back({"dropout", Sizes::any, {normal({4, 5})}, [](In x) {
                    Rng rng(5);
                    return dropout(x[0], 0.3, rng);
                  }});
  return rows;
}

}  // namespace fovea::tests
