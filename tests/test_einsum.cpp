// Einstein's summation against its definition: a loop over every value of every letter.
#include <doctest/doctest.h>

#include <map>

#include "tensor/einsum.h"
#include "tensor/elementwise.h"
#include "tensor/indexing.h"
#include "tensor/matmul.h"
#include "tensor/parallel.h"
#include "tensor/random.h"
#include "tensor/reduce.h"
#include "tensor/views.h"

using namespace fovea;

namespace {

// The definition, for letters without an ellipsis.
Tensor naive(const std::vector<std::string>& inputs, const std::string& output, const std::vector<Tensor>& operands) {
  std::map<char, int64_t> sizes, value;
  for (size_t k = 0; k < inputs.size(); ++k) {
    for (size_t axis = 0; axis < inputs[k].size(); ++axis) sizes[inputs[k][axis]] = operands[k].shape()[int(axis)];
  }
  const auto place = [&](const std::string& labels) {
    Dims index;
    for (char label : labels) index.push_back(value[label]);
    return index;
  };
  Shape shape;
  int64_t combinations = 1;
  for (char label : output) shape.push_back(sizes[label]);
  for (const auto& [label, size] : sizes) combinations *= size;
  Tensor result = zeros(shape, operands[0].dtype());
  for (int64_t flat = 0; flat < combinations; ++flat) {
    int64_t rest = flat;
    for (const auto& [label, size] : sizes) {
      value[label] = rest % size;
      rest /= size;
    }
    double product = 1;
    for (size_t k = 0; k < inputs.size(); ++k) product *= operands[k].at(place(inputs[k]));
    result.set(place(output), result.at(place(output)) + product);
  }
  return result;
}

Shape shape_of(const std::string& labels) {
  static const std::map<char, int64_t> sizes = {{'a', 2}, {'b', 3}, {'c', 4}, {'d', 1}, {'e', 5}, {'z', 0}, {'A', 2}};
  Shape shape;
  for (char label : labels) shape.push_back(sizes.at(label));
  return shape;
}

struct Equation {
  std::vector<std::string> inputs;
  std::string output;
};

const std::vector<Equation> equations = {
    {{"abc"}, "abc"},
    {{"abc"}, "cab"},
    {{"abc"}, "b"},
    {{"abc"}, ""},
    {{"aa"}, "a"},
    {{"aa"}, ""},
    {{"abab"}, "ab"},
    {{"aba"}, "ba"},
    {{"bcb"}, "c"},
    {{"ab", "bc"}, "ac"},
    {{"ab", "bc"}, "ca"},
    {{"ab", "cb"}, "ac"},
    {{"ba", "bc"}, "ac"},
    {{"abc", "acd"}, "abd"},
    {{"abce", "adce"}, "acbd"},
    {{"ab", "ab"}, "ab"},
    {{"ab", "ab"}, ""},
    {{"ab", "ab"}, "a"},
    {{"a", "b"}, "ab"},
    {{"a", "b"}, "ba"},
    {{"ab", "c"}, "bc"},
    {{"ab", "ce"}, "a"},
    {{"", "ab"}, "ba"},
    {{"", ""}, ""},
    {{"abc", "ceb"}, "ea"},
    {{"aab", "bcc"}, "ac"},
    {{"ab", "bc", "ce"}, "ae"},
    {{"ab", "ac", "ae"}, "bce"},
    {{"abc", "b", "c"}, "a"},
    {{"ab", "bc", "ca"}, ""},
    {{"a", "a", "a", "ab"}, "b"},
    {{"az", "zb"}, "ab"},
    {{"az"}, "z"},
    {{"Aa", "aA"}, "A"},
    {{"ecab", "cbae"}, "bc"},
};

std::string spelled(const Equation& e) {
  std::string text;
  for (size_t k = 0; k < e.inputs.size(); ++k) text += (k ? "," : "") + e.inputs[k];
  return text + "->" + e.output;
}

std::vector<Tensor> operands_of(const Equation& e, DType dtype, bool strided) {
  Rng rng(1);
  std::vector<Tensor> operands;
  for (const std::string& labels : e.inputs) {
    const Shape shape = shape_of(labels);
    const Shape reversed(
        std::vector<int64_t>(std::reverse_iterator(shape.end()), std::reverse_iterator(shape.begin())));
    Tensor x = randn(strided ? reversed : shape, rng, dtype);
    Axes order;
    for (int axis = shape.rank() - 1; axis >= 0; --axis) order.push_back(axis);
    operands.push_back(strided ? permute(x, order) : x);
  }
  return operands;
}

}  // namespace

TEST_CASE("einsum equals its definition") {
  for (const Equation& e : equations) {
    CAPTURE(spelled(e));
    for (DType dtype : {DType::f32, DType::f64}) {
      for (bool strided : {false, true}) {
        const std::vector<Tensor> operands = operands_of(e, dtype, strided);
        const Tensor y = einsum(spelled(e), operands), expected = naive(e.inputs, e.output, operands);
        REQUIRE(y.shape() == expected.shape());
        CHECK(y.dtype() == dtype);
        CHECK(max_abs_difference(y, expected) < (dtype == DType::f64 ? 1e-12 : 1e-4));
      }
    }
  }
}

TEST_CASE("einsum's gradient is its transpose: <dy, einsum(.., v, ..)> = <gradient, v>") {
  std::vector<std::pair<std::string, std::vector<Tensor>>> cases;
  for (const Equation& e : equations) cases.emplace_back(spelled(e), operands_of(e, DType::f64, false));
  Rng rng(2);
  const auto x = [&](const Shape& shape) { return randn(shape, rng, DType::f64); };
  cases.emplace_back("...ij,...jk->...ik", std::vector<Tensor>{x({2, 1, 3, 4}), x({5, 4, 2})});
  cases.emplace_back("...i,...i->i", std::vector<Tensor>{x({2, 1, 3}), x({1, 4, 3})});
  cases.emplace_back("i...i->...", std::vector<Tensor>{x({3, 2, 3})});
  cases.emplace_back("...,...", std::vector<Tensor>{x({0}), x({1})});
  for (const auto& pair : cases) {
    const std::string& equation = pair.first;
    const std::vector<Tensor>& operands = pair.second;
    CAPTURE(equation);
    std::vector<Shape> shapes;
    for (const Tensor& operand : operands) shapes.push_back(operand.shape());
    const EinsumTerms terms = parse_einsum(equation, shapes);
    const Tensor dy = x(einsum(terms, operands).shape());
    for (size_t i = 0; i < operands.size(); ++i) {
      const Tensor gradient = einsum_gradient(terms, operands, i, dy);
      REQUIRE(gradient.shape() == operands[i].shape());
      std::vector<Tensor> moved = operands;
      moved[i] = x(shapes[i]);
      CHECK(sum(dy * einsum(terms, moved)).item() == doctest::Approx(sum(gradient * moved[i]).item()).epsilon(1e-10));
    }
  }
}

TEST_CASE("an ellipsis stands for the axes without a letter, which broadcast") {
  Rng rng(3);
  const Tensor a = randn({2, 1, 3, 4}, rng, DType::f64), b = randn({5, 4, 6}, rng, DType::f64);
  CHECK(max_abs_difference(einsum("...ij,...jk->...ik", {a, b}), matmul(a, b)) < 1e-13);
  CHECK(max_abs_difference(einsum("...ij,...jk", {a, b}), matmul(a, b)) < 1e-13);
  CHECK(max_abs_difference(einsum("...ij,...jk->k...i", {a, b}), permute(matmul(a, b), {3, 0, 1, 2})) < 1e-13);
  CHECK(identical(einsum("...ij->...ji", {a}).clone(), transpose(a).clone()));
  CHECK(max_abs_difference(einsum("...,...", {a, a}), a * a) < 1e-15);
  CHECK(max_abs_difference(einsum("...j,...j->j", {a, a}), sum(a * a, {0, 1, 2})) < 1e-12);  // the ellipsis summed
  CHECK(einsum("...ij,jk->...ik", {a, randn({4, 6}, rng, DType::f64)}).shape() == Shape{2, 1, 3, 6});
  CHECK(einsum("ij...->...", {ones({2, 3})}).item() == 6);
}

TEST_CASE("without an arrow the letters that occur once are the output, in alphabetical order") {
  Rng rng(4);
  const Tensor a = randn({2, 3}, rng), b = randn({3, 4}, rng);
  CHECK(identical(einsum("ij,jk", {a, b}), matmul(a, b)));
  CHECK(identical(einsum("ba", {a}).clone(), transpose(a).clone()));
  CHECK(identical(einsum(" i j , j k -> i k ", {a, b}), matmul(a, b)));
  CHECK(einsum("ii", {eye(3)}).item() == 3);
  CHECK(einsum("ij->ji", {a}).storage() == a.storage());  // a view
}

TEST_CASE("attention's scores are read in place and equal matmul's") {
  Rng rng(5);
  const Tensor q = randn({2, 6, 3, 8}, rng), k = randn({2, 7, 3, 8}, rng);  // [B, T, H, d]
  const Tensor expected = matmul(permute(q, {0, 2, 1, 3}), permute(k, {0, 2, 3, 1}));
  CHECK(identical(einsum("bthd,bshd->bhts", {q, k}), expected));
  const int before = threads();
  for (int n : {1, 2, 5}) {
    set_threads(n);
    CHECK(identical(einsum("bthd,bshd->bhts", {q, k}), expected));
  }
  set_threads(before);
}

TEST_CASE("einsum names the subscript that does not fit") {
  const auto f = [](const Shape& shape) { return zeros(shape); };
  CHECK_THROWS_WITH_AS(einsum("ik,kj->ij", {f({3, 4}), f({5, 2})}),
                       "einsum: subscript k is 4 in operand 0 [3, 4] and 5 in operand 1 [5, 2]", ShapeError);
  CHECK_THROWS_WITH_AS(einsum("ii", {f({3, 4})}),
                       "einsum: subscript i is 3 in operand 0 [3, 4] and 4 in operand 0 [3, 4]", ShapeError);
  CHECK_THROWS_WITH_AS(einsum("...i,...i", {f({3, 4}), f({2, 4})}),
                       "einsum: an axis of the ellipsis is 3 in operand 0 [3, 4] and 2 in operand 1 [2, 4]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(einsum("ijk->i", {f({3, 4})}), "einsum: operand 0 [3, 4] has 2 axes, \"ijk->i\" names 3 of them",
                       ShapeError);
  CHECK_THROWS_WITH_AS(einsum("i->i", {f({3, 4})}), "einsum: operand 0 [3, 4] has 2 axes, \"i->i\" names 1 of them",
                       ShapeError);
  CHECK_THROWS_WITH_AS(einsum("ijk...->i", {f({3, 4})}),
                       "einsum: operand 0 [3, 4] has 2 axes, \"ijk...->i\" names 3 of them at least", ShapeError);
  CHECK_THROWS_WITH_AS(einsum("ij,jk", {f({3, 4})}), "einsum: \"ij,jk\" names 2 operands, 1 were given", ValueError);
  CHECK_THROWS_WITH_AS(einsum("ij->iz", {f({3, 4})}), "einsum: output subscript z of \"ij->iz\" stands in no operand",
                       ValueError);
  CHECK_THROWS_WITH_AS(einsum("ij->ii", {f({3, 4})}), "einsum: subscript i stands twice in the output of \"ij->ii\"",
                       ValueError);
  for (const char* broken : {"i3", "i.j", "i..j", "......i", "i-j", "i>j", "ij->i->j", "i;j"}) {
    CAPTURE(broken);
    CHECK_THROWS_AS(einsum(broken, {f({3, 4})}), ValueError);
  }
  CHECK_THROWS_WITH_AS(einsum("i3", {f({3, 4})}),
                       "einsum: '3' in \"i3\" is no letter, comma, arrow or (once per operand) \"...\"", ValueError);
  CHECK_THROWS_WITH_AS(einsum("i,i", {ones({2}), ones({2}, DType::f64)}),
                       "einsum: operand 1 is f64, operand 0 is f32; all must be f32 or all f64", DTypeError);
  CHECK_THROWS_AS(einsum("i,i", {arange(2), arange(2)}), DTypeError);
  CHECK_THROWS_AS(einsum("", {}), ValueError);
}
