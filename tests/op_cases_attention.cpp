// Rows of the table: attention in tiles.
#include "autograd/attention.h"
#include "op_cases.h"
#include "tensor/views.h"

namespace fovea::tests {

std::vector<OpCase> attention_cases() {
  std::vector<OpCase> rows;
  const auto add = [&](const char* name, Sizes sizes, std::vector<Input> inputs, const Tensor& keep, bool causal) {
    rows.push_back({name, sizes, std::move(inputs),
                    [keep, causal](In x) { return attention(x[0], x[1], x[2], 0.7, keep, causal); }});
  };
  add("attention", Sizes::any, {normal({2, 4, 3}), normal({2, 6, 3}), normal({2, 6, 5})}, {}, false);
  add("attention without batch", Sizes::any, {normal({4, 3}), normal({6, 3}), normal({6, 5})}, {}, false);
  add("attention with broadcast heads", Sizes::any, {normal({2, 3, 4, 6}), normal({3, 5, 6}), normal({2, 1, 5, 7})}, {},
      false);
  add("attention causal", Sizes::any, {normal({2, 4, 3}), normal({2, 4, 3}), normal({2, 4, 3})}, {}, true);
  add("attention causal, long", Sizes::any, {normal({5, 2}), normal({5, 2}), normal({5, 3})}, {}, true);
  add("attention causal, more keys", Sizes::any, {normal({4, 3}), normal({6, 3}), normal({6, 2})}, {}, true);
  add("attention causal, more queries", Sizes::any, {normal({6, 3}), normal({4, 3}), normal({4, 2})}, {}, true);

  const Tensor keep = tensor({{1, 1, 0, 1}, {0, 0, 0, 0}, {0, 1, 0, 0}}, DType::boolean);  // query 1 sees nothing
  add("attention keep", Sizes::fixed, {normal({2, 3, 5}), normal({2, 4, 5}), normal({2, 4, 2})}, keep, false);
  add("attention keep and causal", Sizes::fixed, {normal({2, 3, 5}), normal({2, 4, 5}), normal({2, 4, 2})}, keep, true);
  add("attention keep keys", Sizes::fixed, {normal({2, 2, 3, 5}), normal({2, 2, 4, 5}), normal({2, 2, 4, 2})},
      reshape(tensor({{1, 0, 1, 1}, {0, 1, 1, 0}}, DType::boolean), {2, 1, 1, 4}), false);
  add("attention keep queries", Sizes::fixed, {normal({2, 3, 5}), normal({2, 4, 5}), normal({2, 4, 2})},
      reshape(tensor({1, 0, 1}, DType::boolean), {3, 1}), false);
  return rows;
}

}  // namespace fovea::tests
