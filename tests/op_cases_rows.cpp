// Rows of the table: reductions, what works along an axis, losses and products.
#include <limits>

#include "autograd/checkpoint.h"
#include "autograd/einsum.h"
#include "autograd/elementwise.h"
#include "autograd/losses.h"
#include "autograd/matmul.h"
#include "autograd/reduce.h"
#include "autograd/rows.h"
#include "op_cases.h"

namespace fovea::tests {
namespace {

using Reduce = std::function<Variable(const Variable&, const Axes&, bool)>;

// Over all axes, the last, the first with its place kept, and two of three.
void add_reduction(std::vector<OpCase>& rows, const std::string& name, const Reduce& fn, Input (*fill)(const Shape&),
                   Sizes sizes) {
  rows.push_back({name + " all", sizes, {fill({3, 4})}, [fn](In x) { return fn(x[0], {}, false); }});
  rows.push_back({name + " last", sizes, {fill({2, 3, 4})}, [fn](In x) { return fn(x[0], {-1}, false); }});
  rows.push_back({name + " first, kept", sizes, {fill({3, 4})}, [fn](In x) { return fn(x[0], {0}, true); }});
  rows.push_back({name + " outer two", sizes, {fill({2, 3, 4})}, [fn](In x) { return fn(x[0], {0, 2}, false); }});
}

// Targets that name each class, and two classes twice.
Tensor targets_for(const Variable& logits) {
  const int64_t classes = logits.size(-1), count = classes ? logits.count() / classes : 0;
  std::vector<int64_t> values;
  for (int64_t i = 0; i < count; ++i) values.push_back((i * 7 + 3) % classes);
  Shape shape = logits.shape();
  shape.erase(shape.rank() - 1);
  return from_vector(values, shape);
}

Tensor class_weights(const Variable& logits) { return linspace(0.5, 2, logits.size(-1), logits.dtype()); }

void add_losses(std::vector<OpCase>& rows) {
  const auto loss = [&](const char* name, const Shape& shape, std::function<Variable(const Variable&)> fn) {
    const bool ignores = std::string(name).find("ignore") != std::string::npos;  // of one row nothing might be left
    rows.push_back({name, ignores ? Sizes::many : Sizes::some, {normal(shape)}, [fn](In x) { return fn(x[0]); }});
  };
  loss("cross_entropy", {6, 5}, [](const Variable& x) { return cross_entropy(x, targets_for(x)); });
  loss("cross_entropy sum", {2, 3, 4},
       [](const Variable& x) { return cross_entropy(x, targets_for(x), {}, Reduction::sum); });
  loss("cross_entropy none", {6, 5},
       [](const Variable& x) { return cross_entropy(x, targets_for(x), {}, Reduction::none); });
  loss("cross_entropy ignore", {6, 5},
       [](const Variable& x) { return cross_entropy(x, targets_for(x), {.class_weights = {}, .ignore_index = 3}); });
  loss("cross_entropy smooth", {6, 5}, [](const Variable& x) {
    return cross_entropy(x, targets_for(x), {.class_weights = {}, .label_smoothing = 0.1});
  });
  loss("cross_entropy weights", {6, 5},
       [](const Variable& x) { return cross_entropy(x, targets_for(x), {.class_weights = class_weights(x)}); });
  loss("cross_entropy ignore, smooth, weights", {6, 5}, [](const Variable& x) {
    return cross_entropy(x, targets_for(x),
                         {.class_weights = class_weights(x), .label_smoothing = 0.1, .ignore_index = 3});
  });
}

void add_products(std::vector<OpCase>& rows) {
  const auto product = [&](const char* name, const Shape& a, const Shape& b) {
    rows.push_back({name, Sizes::any, {normal(a), normal(b)}, [](In x) { return matmul(x[0], x[1]); }});
  };
  product("matmul", {3, 4}, {4, 5});
  product("matmul square", {3, 3}, {3, 3});
  product("matmul batched", {2, 3, 4}, {2, 4, 5});
  product("matmul one matrix for a batch", {2, 3, 4}, {4, 5});
  product("matmul a batch of right sides", {3, 4}, {2, 4, 5});
  product("matmul both broadcast", {2, 1, 3, 4}, {5, 4, 2});
  product("matmul dot", {4}, {4});
  product("matmul vector left", {4}, {4, 5});
  product("matmul vector right", {3, 4}, {4});
  product("matmul batched vector left", {4}, {2, 4, 5});
  product("matmul batched vector right", {2, 3, 4}, {4});
  rows.push_back({"matmul itself", Sizes::any, {normal({3, 3})}, [](In x) { return matmul(x[0], x[0]); }});
}

void add_einsums(std::vector<OpCase>& rows) {
  const auto one = [&](const char* equation, std::vector<Input> inputs, Sizes sizes = Sizes::any) {
    rows.push_back({std::string("einsum ") + equation, sizes, std::move(inputs),
                    [equation](In x) { return einsum(equation, std::vector<Variable>(x.begin(), x.end())); }});
  };
  one("bhld,bhsd->bhls", {normal({1, 2, 3, 4}), normal({1, 2, 5, 4})});
  one("ij,jk", {normal({3, 4}), normal({4, 2})});
  one("i,j->ij", {normal({3}), normal({4})}, Sizes::fixed);  // two large ones would fill the memory
  one("kji->ijk", {normal({2, 3, 4})});
  one("bii->bi", {normal({2, 3, 3})});
  one("ii", {normal({3, 3})});
  one("...ij,...kj->...ik", {normal({2, 1, 3, 4}), normal({5, 2, 4})});
  one("bij->j", {normal({2, 3, 4})});
  one("bi,ij,bj->b", {normal({2, 3}), normal({3, 4}), normal({2, 4})});
}

}  // namespace

std::vector<OpCase> row_cases() {
  std::vector<OpCase> rows;
  const auto one = [&](const char* name, Sizes sizes, Input input, std::function<Variable(const Variable&)> fn) {
    rows.push_back({name, sizes, {input}, [fn](In x) { return fn(x[0]); }});
  };

  add_reduction(
      rows, "sum", [](auto& x, auto& axes, bool keep) { return sum(x, axes, keep); }, normal, Sizes::any);
  add_reduction(
      rows, "mean", [](auto& x, auto& axes, bool keep) { return mean(x, axes, keep); }, normal, Sizes::some);
  add_reduction(
      rows, "var", [](auto& x, auto& axes, bool keep) { return var(x, axes, keep); }, normal, Sizes::many);
  add_reduction(
      rows, "std", [](auto& x, auto& axes, bool keep) { return stddev(x, axes, keep, 0); }, normal, Sizes::many);
  add_reduction(
      rows, "min", [](auto& x, auto& axes, bool keep) { return min(x, axes, keep); }, distinct, Sizes::some);
  add_reduction(
      rows, "max", [](auto& x, auto& axes, bool keep) { return max(x, axes, keep); }, distinct, Sizes::some);
  add_reduction(
      rows, "logsumexp", [](auto& x, auto& axes, bool keep) { return logsumexp(x, axes, keep); }, normal, Sizes::some);
  add_reduction(
      rows, "norm", [](auto& x, auto& axes, bool keep) { return norm(x, 2, axes, keep); }, normal, Sizes::some);
  one("var of the whole population", Sizes::some, normal({3, 4}),
      [](const Variable& x) { return var(x, {1}, false, 0); });
  one("norm 1", Sizes::any, clear({3, 4}), [](const Variable& x) { return norm(x, 1, {1}); });
  one("norm 3", Sizes::some, clear({3, 4}), [](const Variable& x) { return norm(x, 3, {1}); });
  one("norm infinity", Sizes::some, distinct({3, 4}),
      [](const Variable& x) { return norm(x, std::numeric_limits<double>::infinity(), {0}); });
  one("cumsum first", Sizes::any, normal({3, 4}), [](const Variable& x) { return cumsum(x, 0); });
  one("cumsum last", Sizes::any, normal({2, 3, 4}), [](const Variable& x) { return cumsum(x, -1); });

  one("softmax", Sizes::any, normal({3, 5}), [](const Variable& x) { return softmax(x); });
  one("softmax middle axis", Sizes::any, normal({2, 3, 4}), [](const Variable& x) { return softmax(x, 1); });
  one("log_softmax", Sizes::any, normal({3, 5}), [](const Variable& x) { return log_softmax(x); });
  one("log_softmax first axis", Sizes::any, normal({3, 5}), [](const Variable& x) { return log_softmax(x, 0); });
  one("masked_softmax nothing hidden", Sizes::any, normal({3, 5}),
      [](const Variable& x) { return masked_softmax(x, 0.5, {}); });
  one("masked_softmax causal", Sizes::any, normal({2, 4, 4}),
      [](const Variable& x) { return masked_softmax(x, 0.7, {}, true); });
  one("masked_softmax keep", Sizes::fixed, normal({2, 3, 4}), [](const Variable& x) {  // row 1 sees nothing
    const Tensor keep = tensor({{1, 1, 0, 1}, {0, 0, 0, 0}, {0, 1, 0, 0}}, DType::boolean);
    return masked_softmax(x, 0.7, keep);
  });
  one("masked_softmax keep and causal", Sizes::fixed, normal({2, 4, 4}), [](const Variable& x) {
    return masked_softmax(x, 1.5, tensor({0, 1, 1, 0}, DType::boolean), true);
  });

  const auto norm3 = [](In x) { return layer_norm(x[0], x[1], x[2]); };
  rows.push_back({"layer_norm", Sizes::many, {normal({3, 5}), normal({5}), normal({5})}, norm3});
  rows.push_back({"layer_norm of three axes", Sizes::many, {normal({2, 3, 4}), normal({4}), normal({4})}, norm3});
  rows.push_back({"layer_norm without bias", Sizes::many, {normal({3, 5}), normal({5})}, [](In x) {
                    return layer_norm(x[0], x[1]);
                  }});
  one("layer_norm plain", Sizes::many, normal({3, 5}), [](const Variable& x) { return layer_norm(x); });
  rows.push_back({"rms_norm", Sizes::some, {normal({3, 5}), normal({5})}, [](In x) { return rms_norm(x[0], x[1]); }});
  one("rms_norm plain", Sizes::some, normal({3, 5}), [](const Variable& x) { return rms_norm(x); });

  add_losses(rows);
  add_products(rows);
  add_einsums(rows);
  rows.push_back({"checkpoint", Sizes::any, {normal({3, 4})}, [](In x) {
                    return checkpoint([](const Variable& z) { return tanh(z) * exp(z); }, x[0]);
                  }});
  return rows;
}

}  // namespace fovea::tests
