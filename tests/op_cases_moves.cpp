// Rows of the table: views, and moving elements by place or by index.
#include "autograd/elementwise.h"
#include "autograd/indexing.h"
#include "autograd/views.h"
#include "op_cases.h"

namespace fovea::tests {
namespace {

Tensor index2(std::initializer_list<std::initializer_list<double>> rows) { return tensor(rows, DType::i64); }

void add_views(std::vector<OpCase>& rows) {
  const auto one = [&](const char* name, Sizes sizes, const Shape& shape, std::function<Variable(const Variable&)> fn) {
    rows.push_back({name, sizes, {normal(shape)}, [fn](In x) { return fn(x[0]); }});
  };
  one("reshape", Sizes::fixed, {3, 4}, [](const Variable& x) { return reshape(x, {2, -1}); });
  one("reshape of a transposed", Sizes::fixed, {3, 4}, [](const Variable& x) { return reshape(transpose(x), {2, 6}); });
  one("flatten", Sizes::any, {2, 3, 4}, [](const Variable& x) { return flatten(x, 1); });
  one("permute", Sizes::any, {2, 3, 4}, [](const Variable& x) { return permute(x, {2, 0, -2}); });
  one("transpose", Sizes::any, {3, 4}, [](const Variable& x) { return transpose(x); });
  one("transpose outer", Sizes::any, {2, 3, 4}, [](const Variable& x) { return transpose(x, 0, 2); });
  one("slice", Sizes::any, {5, 3}, [](const Variable& x) { return slice(x, 0, 1, 4); });
  one("slice with a step", Sizes::any, {3, 7}, [](const Variable& x) { return slice(x, -1, 1, 7, 2); });
  one("narrow", Sizes::fixed, {3, 5}, [](const Variable& x) { return narrow(x, 1, 2, 2); });
  one("select", Sizes::fixed, {3, 4}, [](const Variable& x) { return select(x, 0, 1); });
  one("select from the end", Sizes::some, {2, 3, 4}, [](const Variable& x) { return select(x, 1, -1); });
  one("squeeze", Sizes::any, {3, 1, 4, 1}, [](const Variable& x) { return squeeze(x); });
  one("squeeze one axis", Sizes::any, {3, 1, 4}, [](const Variable& x) { return squeeze(x, 1); });
  one("unsqueeze", Sizes::any, {3, 4}, [](const Variable& x) { return unsqueeze(x, 1); });
  one("expand", Sizes::fixed, {3, 1}, [](const Variable& x) { return expand(x, {2, 3, 4}); });
  one("expand a scalar", Sizes::fixed, {}, [](const Variable& x) { return expand(x, {2, 3}); });
  one("diagonal", Sizes::any, {3, 4}, [](const Variable& x) { return diagonal(x); });
  one("diagonal above", Sizes::any, {2, 3, 4}, [](const Variable& x) { return diagonal(x, 1, 0, 2); });
  one("diagonal below", Sizes::any, {4, 3}, [](const Variable& x) { return diagonal(x, -1); });
  one("unfold overlapping", Sizes::many, {2, 7}, [](const Variable& x) { return unfold(x, 1, 3, 1); });
  one("unfold with gaps", Sizes::many, {8, 2}, [](const Variable& x) { return unfold(x, 0, 2, 3); });
  one("unfold dilated", Sizes::many, {2, 9}, [](const Variable& x) { return unfold(x, 1, 3, 2, 3); });
}

void add_places(std::vector<OpCase>& rows) {
  const auto one = [&](const char* name, Sizes sizes, Input input, std::function<Variable(const Variable&)> fn) {
    rows.push_back({name, sizes, {input}, [fn](In x) { return fn(x[0]); }});
  };
  rows.push_back({"cat", Sizes::any, {normal({2, 3}), normal({4, 3})}, [](In x) { return cat({x[0], x[1]}); }});
  rows.push_back({"cat last axis, three", Sizes::any, {normal({2, 3}), normal({2, 1}), normal({2, 4})}, [](In x) {
                    return cat({x[0], x[1], x[2]}, -1);
                  }});
  rows.push_back({"cat itself", Sizes::any, {normal({2, 3})}, [](In x) { return cat({x[0], x[0]}, 1); }});
  rows.push_back({"stack", Sizes::any, {normal({2, 3}), normal({2, 3})}, [](In x) { return stack({x[0], x[1]}, 1); }});
  one("split", Sizes::fixed, normal({2, 5}), [](const Variable& x) {
    const auto parts = split(x, 2, 1);
    return parts[0] * parts[1] * parts[2];
  });
  one("split by sizes", Sizes::fixed, normal({5, 2}), [](const Variable& x) {
    return split(x, std::vector<int64_t>{1, 3, 1})[1];
  });
  one("chunk", Sizes::fixed, normal({2, 6}), [](const Variable& x) { return chunk(x, 3, -1)[1]; });
  one("pad", Sizes::any, normal({2, 3, 4}), [](const Variable& x) { return pad(x, 1, 2, 1, 0.5); });
  one("pad before, last axis", Sizes::any, normal({3, 4}), [](const Variable& x) { return pad(x, -1, 3, 0); });
  one("repeat", Sizes::any, normal({2, 3}), [](const Variable& x) { return repeat(x, {2, 3}); });
  one("repeat along a new axis", Sizes::any, normal({2, 3}), [](const Variable& x) { return repeat(x, {2, 1, 2}); });
  one("flip", Sizes::any, normal({2, 3, 4}), [](const Variable& x) { return flip(x, {0, -1}); });
  one("roll", Sizes::any, normal({5, 2}), [](const Variable& x) { return roll(x, 2, 0); });
  one("roll back", Sizes::any, normal({2, 5}), [](const Variable& x) { return roll(x, -7, -1); });
  one("tril", Sizes::any, normal({2, 4, 4}), [](const Variable& x) { return tril(x); });
  one("tril wide", Sizes::any, normal({3, 5}), [](const Variable& x) { return tril(x, 1); });
  one("triu", Sizes::any, normal({4, 3}), [](const Variable& x) { return triu(x, -1); });
  one("sort", Sizes::any, distinct({3, 5}), [](const Variable& x) { return sort(x, 1, true).values; });
  one("sort first axis", Sizes::any, distinct({5, 3}), [](const Variable& x) { return sort(x, 0).values; });
  one("topk", Sizes::fixed, distinct({3, 5}), [](const Variable& x) { return topk(x, 2).values; });
  one("topk smallest", Sizes::fixed, distinct({5, 3}), [](const Variable& x) { return topk(x, 2, 0, false).values; });
}

// Each index names some places several times and others never.
void add_indices(std::vector<OpCase>& rows) {
  rows.push_back({"gather", Sizes::fixed, {normal({3, 4})}, [](In x) {
                    return gather(x[0], 0, index2({{0, 2, 2, 1}, {0, 1, 2, 1}}));
                  }});
  rows.push_back({"gather last axis", Sizes::fixed, {normal({2, 3})}, [](In x) {
                    return gather(x[0], -1, index2({{2, 2, 0, 1}, {1, 1, 1, 0}}));
                  }});
  rows.push_back({"scatter_add", Sizes::fixed, {normal({3, 4}), normal({2, 4})}, [](In x) {
                    return scatter_add(x[0], 0, index2({{0, 2, 2, 1}, {0, 1, 2, 1}}), x[1]);
                  }});
  rows.push_back({"scatter_add of a part", Sizes::fixed, {normal({2, 3}), normal({3, 5})}, [](In x) {
                    return scatter_add(x[0], 1, index2({{2, 2, 0, 1}, {1, 1, 1, 0}}), x[1]);
                  }});
  rows.push_back({"index_select", Sizes::fixed, {normal({2, 4})}, [](In x) {
                    return index_select(x[0], 1, tensor({3, 0, 3}, DType::i64));
                  }});
  rows.push_back({"take_rows", Sizes::fixed, {normal({5, 3})}, [](In x) {
                    return take_rows(x[0], index2({{4, 0, 4}, {2, 4, 0}}));
                  }});
}

}  // namespace

std::vector<OpCase> move_cases() {
  std::vector<OpCase> rows;
  add_views(rows);
  add_places(rows);
  add_indices(rows);
  return rows;
}

}  // namespace fovea::tests
