// The tensor type: making, reading, converting, copying, writing through views; shapes and their errors.
#include "tensor/tensor.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "tensor/elementwise.h"
#include "tensor/reduce.h"
#include "tensor/views.h"

using namespace fovea;

TEST_CASE("an undefined tensor says so when it is used") {
  const Tensor x;
  CHECK_FALSE(x.defined());
  CHECK_THROWS_WITH_AS(exp(x), "tensor: undefined (default-constructed) where one with elements is needed", ValueError);
}

TEST_CASE("fill_ writes every element of what it is given, and nothing beside it") {
  for (const DType dtype : {DType::f32, DType::f64, DType::i64, DType::boolean}) {
    for (const int64_t count : {1, 255, 256, 257, 511, 512, 700, 20000}) {
      CAPTURE(count);
      Tensor row = zeros({count + 2}, dtype), table = zeros({count + 2, 3}, dtype);
      narrow(row, 0, 1, count).fill_(1);
      select(narrow(table, 0, 1, count), 1, 1).fill_(1);
      for (const Tensor& x : {row, select(table, 1, 1)}) {
        CHECK(sum(x.to(DType::f64)).item() == double(count));
        CHECK(x.at({0}) == 0);
        CHECK(x.at({count + 1}) == 0);
      }
      CHECK(sum(table.to(DType::f64)).item() == double(count));
    }
  }
}

TEST_CASE("factories") {
  for (const DType dtype : {DType::f32, DType::f64, DType::i64, DType::boolean}) {
    CHECK(zeros({2, 3}, dtype).dtype() == dtype);
    CHECK(zeros({2, 3}, dtype).at({1, 2}) == 0);
    CHECK(ones({2, 3}, dtype).at({1, 2}) == 1);
    CHECK(eye(3, dtype).at({1, 1}) == 1);
    CHECK(eye(3, dtype).at({1, 2}) == 0);
    CHECK(full({4}, 1, dtype).at({-1}) == 1);
    CHECK(scalar(1, dtype).rank() == 0);
    CHECK(zeros({0, 3}, dtype).count() == 0);
  }
  CHECK(full({2}, -2.5).to_vector<float>() == std::vector<float>{-2.5f, -2.5f});
  CHECK(full({2}, -2.5, DType::i64).to_vector<int64_t>() == std::vector<int64_t>{-2, -2});
  CHECK(full({1}, 0.5, DType::boolean).to_vector<bool>() == std::vector<bool>{true});
  CHECK(arange(4).to_vector<int64_t>() == std::vector<int64_t>{0, 1, 2, 3});
  CHECK(arange(1, 2, 0.25, DType::f64).to_vector<double>() == std::vector<double>{1, 1.25, 1.5, 1.75});
  CHECK(arange(5, 0, -2).to_vector<int64_t>() == std::vector<int64_t>{5, 3, 1});
  CHECK(arange(3, 3).count() == 0);
  CHECK(arange(3, 1).count() == 0);
  CHECK(linspace(0, 1, 5, DType::f64).to_vector<double>() == std::vector<double>{0, 0.25, 0.5, 0.75, 1});
  CHECK(linspace(2, 7, 1, DType::f64).to_vector<double>() == std::vector<double>{2});
  CHECK(linspace(0, 1, 0).count() == 0);
  CHECK(linspace(0.1, 0.7, 7, DType::f64).at({6}) == 0.7);
  CHECK_THROWS_WITH_AS(arange(0, 1, 0), "arange: from 0 to 1 by 0 has no number of elements", ValueError);
  CHECK_THROWS_WITH_AS(linspace(0, 1, -1), "linspace: -1 points; at least 0 are needed", ValueError);
}

TEST_CASE("from lists and vectors") {
  const Tensor m = tensor({{1, 2, 3}, {4, 5, 6}}, DType::i64);
  CHECK(m.shape() == Shape{2, 3});
  CHECK(m.to_vector<int64_t>() == std::vector<int64_t>{1, 2, 3, 4, 5, 6});
  CHECK(tensor({{{1, 2}}, {{3, 4}}, {{5, 6}}}).shape() == Shape{3, 1, 2});
  CHECK(tensor({{{1, 2}}, {{3, 4}}, {{5, 6}}}).at({2, 0, 1}) == 6);
  CHECK_THROWS_WITH_AS(tensor({{1, 2}, {3}}), "tensor: row 1 is [1], row 0 is [2]", ShapeError);
  CHECK(from_vector(std::vector<bool>{true, false}).dtype() == DType::boolean);
  CHECK(from_vector(std::vector<double>{1, 2, 3, 4}, {2, 2}).at({1, 0}) == 3);
  const float raw[] = {1, 2, 3};
  CHECK(from_data(std::span<const float>(raw), {3, 1}).at({2, 0}) == 3);
  CHECK_THROWS_WITH_AS(from_vector(std::vector<float>{1, 2}, {3}), "from_data: 2 values do not fill [3], which takes 3",
                       ShapeError);
}

TEST_CASE("reading elements") {
  const Tensor m = tensor({{1, 2, 3}, {4, 5, 6}});
  CHECK(m.at({-1, -3}) == 4);
  CHECK(m.size(-1) == 3);
  CHECK_THROWS_WITH_AS(m.at({2, 0}), "at: index 2 outside axis 0 of x [2, 3]", IndexError);
  CHECK_THROWS_WITH_AS(m.at({0, -4}), "at: index -4 outside axis 1 of x [2, 3]", IndexError);
  CHECK_THROWS_WITH_AS(m.at({0}), "at: index [0] has 1 parts, x [2, 3] has 2 axes", IndexError);
  CHECK_THROWS_WITH_AS(m.item(), "item: takes a tensor with one element, x [2, 3] has 6", ShapeError);
  CHECK(full({1, 1}, 7).item() == 7);
  CHECK_THROWS_WITH_AS(m.to_vector<double>(), "tensor: [2, 3] is f32, used as f64", DTypeError);
  CHECK_THROWS_WITH_AS(m.size(2), "size: axis 2 of a tensor with 2 axes; it must lie in [-2, 2)", IndexError);
}

TEST_CASE("conversion between all dtypes") {
  const Tensor x = tensor({-2.7, 0, 0.4, 3.9}, DType::f64);
  CHECK(x.to(DType::i64).to_vector<int64_t>() == std::vector<int64_t>{-2, 0, 0, 3});  // cut towards zero
  CHECK(x.to(DType::boolean).to_vector<bool>() == std::vector<bool>{true, false, true, true});
  CHECK(x.to(DType::f32).to_vector<float>() == std::vector<float>{-2.7f, 0, 0.4f, 3.9f});
  CHECK(x.to(DType::boolean).to(DType::f32).to_vector<float>() == std::vector<float>{1, 0, 1, 1});
  CHECK(x.to(DType::f64).storage() == x.storage());  // nothing to do
  CHECK(transpose(tensor({{1, 2}, {3, 4}})).to(DType::i64).to_vector<int64_t>() == std::vector<int64_t>{1, 3, 2, 4});
  const int64_t big = (int64_t(1) << 53) + 1;
  CHECK(from_vector(std::vector<int64_t>{big}).to(DType::i64).to_vector<int64_t>()[0] == big);
}

TEST_CASE("copies of tensors are views, clones are not; contiguous copies only where it must") {
  Tensor a = tensor({{1, 2, 3}, {4, 5, 6}});
  Tensor b = a;
  const Tensor c = a.clone();
  b.set({0, 0}, 9);
  CHECK(a.at({0, 0}) == 9);
  CHECK(c.at({0, 0}) == 1);
  CHECK(a.contiguous().storage() == a.storage());
  const Tensor t = transpose(a);
  CHECK_FALSE(t.is_contiguous());
  CHECK(t.contiguous().is_contiguous());
  CHECK(identical(t.contiguous(), t));
  CHECK_FALSE(t.contiguous().storage() == a.storage());
}

TEST_CASE("who owns its storage alone") {
  Tensor a = zeros({4, 4});
  CHECK(a.owns_alone());
  {
    const Tensor b = a;
    CHECK_FALSE(a.owns_alone());
  }
  CHECK(a.owns_alone());
  CHECK_FALSE(narrow(zeros({4, 4}), 0, 0, 2).owns_alone());  // a part
  CHECK_FALSE(transpose(tensor({{1, 2}, {3, 4}})).owns_alone());
}

TEST_CASE("writing in place") {
  Tensor a = zeros({2, 3}, DType::f64);
  Tensor column = select(a, 1, 1);
  column.copy_(tensor({5, 6}));  // f32 into f64
  CHECK(a.to_vector<double>() == std::vector<double>{0, 5, 0, 0, 6, 0});
  a.copy_(tensor({1, 2, 3}, DType::i64));  // broadcast
  CHECK(a.to_vector<double>() == std::vector<double>{1, 2, 3, 1, 2, 3});
  a.add_(ones({3}, DType::f64), 0.5).mul_(2);
  CHECK(a.to_vector<double>() == std::vector<double>{3, 5, 7, 3, 5, 7});
  select(a, 0, 1).fill_(-1);
  CHECK(a.to_vector<double>() == std::vector<double>{3, 5, 7, -1, -1, -1});
  CHECK_THROWS_WITH_AS(a.copy_(zeros({3, 3})),
                       doctest::Contains("copy_: shapes do not broadcast: a [3, 3] and b [2, 3]"), ShapeError);
  CHECK_THROWS_WITH_AS(select(a, 0, 0).copy_(zeros({2, 3})), "copy_: from [2, 3] does not stretch to [3]", ShapeError);
  CHECK_THROWS_WITH_AS(a.add_(ones({3})), "add_: dtypes differ: a [2, 3] is f64, b [3] is f32; convert one with .to()",
                       DTypeError);
}

TEST_CASE("identical compares bits, max_abs_difference compares numbers") {
  const double nan = std::nan("");
  CHECK(identical(tensor({nan, 1}), tensor({nan, 1})));
  CHECK_FALSE(identical(tensor({0.0}), tensor({-0.0})));
  CHECK_FALSE(identical(tensor({1}), tensor({1}, DType::f64)));
  CHECK_FALSE(identical(tensor({1}), ones({1, 1})));
  CHECK(max_abs_difference(tensor({nan, 1, 0.0}), tensor({nan, 1.5, -0.0})) == 0.5);
  CHECK(std::isinf(max_abs_difference(tensor({nan}), tensor({1}))));
  const double inf = std::numeric_limits<double>::infinity();
  CHECK(max_abs_difference(tensor({inf}), tensor({inf})) == 0);
  CHECK(std::isinf(max_abs_difference(tensor({inf}), tensor({-inf}))));
  CHECK_THROWS_WITH_AS(max_abs_difference(ones({2}), ones({3})), "max_abs_difference: shapes differ: a [2], b [3]",
                       ShapeError);
}

TEST_CASE("shapes: at most eight axes, no negative sizes, no overflow") {
  CHECK(zeros({1, 1, 1, 1, 1, 1, 1, 2}).rank() == 8);
  CHECK_THROWS_WITH_AS((Shape{1, 1, 1, 1, 1, 1, 1, 1, 1}), "shape: more than 8 axes; merge some with reshape",
                       ShapeError);
  CHECK_THROWS_WITH_AS(zeros({2, -3}), "empty: negative size -3", ShapeError);
  CHECK_THROWS_WITH_AS(zeros({int64_t(1) << 32, int64_t(1) << 32}),
                       "empty: 4294967296 x 4294967296 elements are more than a 64-bit size can count", ShapeError);
  CHECK(zeros({int64_t(1) << 62, 0}).count() == 0);
  CHECK_THROWS_AS(zeros({int64_t(1) << 62, 0, int64_t(1) << 62}), ShapeError);  // its strides would not fit
  CHECK_THROWS_AS(zeros({int64_t(1) << 61, 2}), Error);                         // counted in bytes it is too much
  CHECK_THROWS_AS(zeros({int64_t(1) << 59}), MemoryError);
}

TEST_CASE("broadcasting follows NumPy's rule") {
  CHECK(broadcast_shapes("test", {2, 1, 4}, {3, 1}) == Shape{2, 3, 4});
  CHECK(broadcast_shapes("test", {}, {3, 1}) == Shape{3, 1});
  CHECK(broadcast_shapes("test", {0}, {1}) == Shape{0});
  CHECK(broadcast_shapes("test", {1}, {5, 0}) == Shape{5, 0});
  CHECK_THROWS_WITH_AS(
      broadcast_shapes("test", {2, 3}, {4}),
      "test: shapes do not broadcast: a [2, 3] and b [4] differ at axis -1 (3 and 4), and neither is 1", ShapeError);
  CHECK_THROWS_AS(broadcast_shapes("test", {0}, {2}), ShapeError);
}
