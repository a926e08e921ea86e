// Joining, cutting and picking elements, each against loops over single elements.
#include <doctest/doctest.h>

#include <functional>

#include "tensor/elementwise.h"
#include "tensor/indexing.h"
#include "tensor/matmul.h"
#include "tensor/parallel.h"
#include "tensor/random.h"
#include "tensor/views.h"

using namespace fovea;

namespace {

// Calls fn with every index of a shape, in row-major order.
void each_index(const Shape& shape, const std::function<void(const Dims&)>& fn) {
  const int64_t count = element_count("test", shape);
  for (int64_t flat = 0; flat < count; ++flat) {
    Dims index(shape.rank(), 0);
    int64_t rest = flat;
    for (int axis = shape.rank() - 1; axis >= 0; rest /= shape[axis], --axis) index[axis] = rest % shape[axis];
    fn(index);
  }
}

Dims replaced(Dims index, int axis, int64_t value) {
  index[axis] = value;
  return index;
}

constexpr DType all_dtypes[] = {DType::f32, DType::f64, DType::i64, DType::boolean};

// Whole numbers, so that sums are exact in every dtype.
Tensor numbers(const Shape& shape, DType dtype, uint64_t seed) {
  Rng rng(seed);
  return randint(-9, 10, shape, rng).to(dtype);
}

}  // namespace

TEST_CASE("cat joins along any axis, stack along a new one") {
  for (DType dtype : all_dtypes) {
    const Tensor a = numbers({2, 3, 4}, dtype, 1), b = numbers({2, 1, 4}, dtype, 2), c = numbers({2, 3, 4}, dtype, 3);
    const Tensor joined = cat({a, b, a}, 1);
    CHECK(joined.dtype() == dtype);
    CHECK(joined.shape() == Shape{2, 7, 4});
    CHECK(identical(narrow(joined, 1, 0, 3).clone(), a));
    CHECK(identical(narrow(joined, 1, 3, 1).clone(), b));
    CHECK(identical(narrow(joined, 1, 4, 3).clone(), a));
    CHECK(identical(cat({a, b, a}, -2), joined));
    CHECK(identical(cat({transpose(a), transpose(b)}, 2), transpose(cat({a, b}, 1)).clone()));
    for (int axis : {0, 1, 2, 3, -1}) {
      const Tensor stacked = stack({a, c}, axis);
      CHECK(identical(select(stacked, axis, 0).clone(), a));
      CHECK(identical(select(stacked, axis, 1).clone(), c));
    }
  }
  CHECK(cat({empty({0, 3}), ones({2, 3}), empty({0, 3})}).shape() == Shape{2, 3});
  CHECK(stack({scalar(1), scalar(2)}).to_vector<float>() == std::vector<float>{1, 2});
}

TEST_CASE("split and chunk give views") {
  Tensor x = arange(0, 24, 1, DType::f32).view({2, 12}, {12, 1});
  const std::vector<Tensor> parts = split(x, 5, 1);
  REQUIRE(parts.size() == 3);
  CHECK(parts[2].shape() == Shape{2, 2});
  CHECK(identical(cat(parts, 1), x));
  CHECK(parts[0].storage() == x.storage());
  const std::vector<Tensor> uneven = split(x, std::vector<int64_t>{1, 0, 11}, 1);
  CHECK(uneven[1].shape() == Shape{2, 0});
  CHECK(identical(cat(uneven, 1), x));
  CHECK(chunk(x, 3, 1).size() == 3);
  CHECK(chunk(x, 5, -1).size() == 4);  // pieces of 3, as PyTorch cuts
  CHECK(chunk(x, 1, 0).size() == 1);
  CHECK(split(empty({0, 3}), 2).size() == 1);
  CHECK_THROWS_WITH_AS(split(x, std::vector<int64_t>{5, 6}, 1),
                       "split: the sizes add up to 11, axis 1 of x [2, 12] has 12", ShapeError);
  CHECK_THROWS_AS(split(x, std::vector<int64_t>{-1, 13}, 1), IndexError);
  CHECK_THROWS_AS(split(x, 0, 1), ValueError);
  CHECK_THROWS_AS(chunk(x, 0, 1), ValueError);
}

TEST_CASE("repeat, flip and roll") {
  const Tensor x = tensor({{1, 2, 3}, {4, 5, 6}});
  CHECK(identical(repeat(x, {2, 1}), cat({x, x}, 0)));
  CHECK(identical(repeat(x, {2, 1, 2}), stack({cat({x, x}, 1), cat({x, x}, 1)})));
  CHECK(repeat(x, {0, 1}).shape() == Shape{0, 3});
  CHECK(repeat(x, {1, 1}).storage() != x.storage());
  CHECK(identical(flip(x, {1}), tensor({{3, 2, 1}, {6, 5, 4}})));
  CHECK(identical(flip(x, {0, -1}), tensor({{6, 5, 4}, {3, 2, 1}})));
  CHECK(flip(empty({0, 3}), {0}).shape() == Shape{0, 3});
  CHECK(identical(roll(x, 1, 1), tensor({{3, 1, 2}, {6, 4, 5}})));
  CHECK(identical(roll(x, -1, 1), tensor({{2, 3, 1}, {5, 6, 4}})));
  CHECK(identical(roll(x, 7, 0), tensor({{4, 5, 6}, {1, 2, 3}})));
  CHECK(identical(roll(x, 3, 1), x));
}

TEST_CASE("gather and scatter_add follow their formulas along every axis") {
  for (DType dtype : {DType::f32, DType::f64, DType::i64}) {
    for (bool strided : {false, true}) {
      Tensor x = numbers({4, 5, 6}, dtype, 3);
      if (strided) x = permute(numbers({6, 4, 10}, dtype, 3), {1, 2, 0}), x = slice(x, 1, 0, 10, 2);
      for (int axis : {0, 1, 2}) {
        Rng rng(7);
        Shape shape{3, 4, 5};
        shape[axis] = 9;  // more than x has
        const Tensor index = randint(0, x.shape()[axis], shape, rng);
        const Tensor src = numbers({9, 9, 9}, dtype, 5);
        const Tensor y = gather(x, axis, index);
        Tensor expected = x.clone();
        each_index(shape, [&](const Dims& at) {
          const Dims place = replaced(at, axis, int64_t(index.at(at)));
          CHECK(y.at(at) == x.at(place));
          expected.set(place, expected.at(place) + src.at(at));
        });
        CHECK(identical(scatter_add(x, axis - 3, index, src), expected));
      }
    }
  }
  CHECK(gather(ones({3, 4}), 1, empty({3, 0}, DType::i64)).shape() == Shape{3, 0});
  CHECK(identical(scatter_add(ones({3, 4}), 0, empty({0, 4}, DType::i64), ones({0, 4})), ones({3, 4})));
}

TEST_CASE("index_select, take_rows and index_add follow their formulas") {
  for (DType dtype : {DType::f32, DType::f64, DType::i64}) {
    for (bool strided : {false, true}) {
      const Tensor x = strided ? permute(numbers({6, 4, 5}, dtype, 3), {1, 2, 0}) : numbers({4, 5, 6}, dtype, 3);
      for (int axis : {0, 1, 2}) {
        const Tensor index = tensor({3, 0, 3, 2, 1, 3, 3}, DType::i64);
        const Tensor y = index_select(x, axis, index);
        Shape shape = x.shape();
        shape[axis] = 7;
        REQUIRE(y.shape() == shape);
        Tensor expected = x.clone();
        const Tensor src = transpose(numbers({shape[1], shape[0], shape[2]}, dtype, 6), 0, 1);
        each_index(shape, [&](const Dims& at) {
          const Dims place = replaced(at, axis, int64_t(index.at({at[axis]})));
          CHECK(y.at(at) == x.at(place));
          expected.set(place, expected.at(place) + src.at(at));
        });
        CHECK(identical(index_add(x, axis, index, src), expected));
      }
    }
  }
  const Tensor table = numbers({5, 3}, DType::f32, 8);
  const Tensor rows = take_rows(table, tensor({{4, 0}, {1, 4}}, DType::i64));
  CHECK(rows.shape() == Shape{2, 2, 3});
  CHECK(identical(select(select(rows, 0, 0), 0, 0).clone(), select(table, 0, 4).clone()));
  CHECK(identical(select(select(rows, 0, 1), 0, 0).clone(), select(table, 0, 1).clone()));
  CHECK(take_rows(table, scalar(2, DType::i64)).shape() == Shape{3});
  CHECK(take_rows(table, empty({0, 2}, DType::i64)).shape() == Shape{0, 2, 3});
}

TEST_CASE("taking rows is multiplying with one_hot") {
  Rng rng(9);
  const Tensor table = randn({11, 6}, rng, DType::f64), index = randint(0, 11, {4, 5}, rng);
  CHECK(identical(take_rows(table, index), matmul(one_hot(index, 11, DType::f64), table)));
  CHECK(one_hot(index, 11, DType::boolean).dtype() == DType::boolean);
  CHECK(one_hot(empty({0}, DType::i64), 3).shape() == Shape{0, 3});
}

TEST_CASE("additions at equal indices have the same bits for any number of threads") {
  Rng rng(10);
  const Tensor index = randint(0, 7, {5000}, rng), src = randn({5000, 130}, rng), x = randn({7, 130}, rng);
  const Tensor many = randint(0, 130, {700, 90}, rng), wide = randn({700, 130}, rng), values = randn({700, 90}, rng);
  const int before = threads();
  set_threads(1);
  const Tensor added = index_add(x, 0, index, src), scattered = scatter_add(wide, 1, many, values);
  const Tensor gathered = gather(wide, 1, many),
               taken = index_select(src, 1, narrow(many, 1, 0, 1).contiguous().view({700}, {1}));
  for (int n : {2, 5}) {
    set_threads(n);
    CHECK(identical(index_add(x, 0, index, src), added));
    CHECK(identical(scatter_add(wide, 1, many, values), scattered));
    CHECK(identical(gather(wide, 1, many), gathered));
    CHECK(identical(index_select(src, 1, narrow(many, 1, 0, 1).contiguous().view({700}, {1})), taken));
  }
  set_threads(before);
}

TEST_CASE("tril and triu keep one side of a diagonal") {
  for (DType dtype : all_dtypes) {
    const Tensor x = transpose(numbers({2, 5, 4}, dtype, 11));  // [2, 4, 5]
    for (int64_t diagonal = -6; diagonal <= 6; ++diagonal) {
      const Tensor lower = tril(x, diagonal), upper = triu(x, diagonal);
      each_index(x.shape(), [&](const Dims& at) {
        CHECK(lower.at(at) == (at[2] > at[1] + diagonal ? 0 : x.at(at)));
        CHECK(upper.at(at) == (at[2] < at[1] + diagonal ? 0 : x.at(at)));
      });
    }
  }
  CHECK(tril(empty({0, 3})).shape() == Shape{0, 3});
  CHECK_THROWS_WITH_AS(tril(ones({3})), "tril: x [3] has no matrices; it needs two axes", ShapeError);
}

TEST_CASE("nonzero lists places in row-major order") {
  CHECK(identical(nonzero(tensor({{0, 2, 0}, {-1, 0, 3}})), tensor({{0, 1}, {1, 0}, {1, 2}}, DType::i64)));
  CHECK(nonzero(zeros({2, 3})).shape() == Shape{0, 2});
  CHECK(nonzero(scalar(1)).shape() == Shape{1, 0});
}

TEST_CASE("indexing says what does not fit") {
  const Tensor x = ones({3, 4}), two = tensor({0, 9}, DType::i64);
  CHECK_THROWS_WITH_AS(index_select(x, 1, two), "index_select: index 9 outside axis 1 of x [3, 4], which has 4",
                       IndexError);
  CHECK_THROWS_WITH_AS(
      take_rows(x, tensor({{2, -1}}, DType::i64)),
      "take_rows: index -1 outside axis 0 of x [3, 4], which has 3; negative indices do not count from "
      "the end here",
      IndexError);
  CHECK_THROWS_WITH_AS(take_rows(x, ones({2})), "take_rows: index [2] is f32, it must be i64", DTypeError);
  CHECK_THROWS_WITH_AS(index_select(x, 0, zeros({1, 1}, DType::i64)),
                       "index_select: index [1, 1] has 2 axes, it must have one", ShapeError);
  CHECK_THROWS_WITH_AS(gather(x, 1, full({3, 1}, 4, DType::i64)),
                       "gather: index 4 outside axis 1 of x [3, 4], which has 4", IndexError);
  CHECK_THROWS_WITH_AS(gather(x, 1, zeros({4, 1}, DType::i64)),
                       "gather: index [4, 1] does not fit into x [3, 4]; it needs as many axes, none of them larger "
                       "(except axis 1)",
                       ShapeError);
  CHECK_THROWS_WITH_AS(
      scatter_add(x, 0, zeros({2, 4}, DType::i64), ones({1, 4})),
      "scatter_add: index [2, 4] does not fit into src [1, 4]; it needs as many axes, none of them larger", ShapeError);
  CHECK_THROWS_AS(scatter_add(x, 0, full({2, 4}, -1, DType::i64), ones({2, 4})), IndexError);
  CHECK_THROWS_WITH_AS(index_add(x, 0, tensor({0, 1}, DType::i64), ones({3, 4})),
                       "index_add: src [3, 4] must be [2, 4], a slice of x [3, 4] for each of the 2 indices",
                       ShapeError);
  CHECK_THROWS_WITH_AS(index_add(x, 0, tensor({0}, DType::i64), ones({1, 4}, DType::f64)),
                       "index_add: x is f32, src is f64; convert one with .to()", DTypeError);
  CHECK_THROWS_WITH_AS(one_hot(two, 5), "one_hot: index 9 is not one of 5 classes", IndexError);
  CHECK_THROWS_WITH_AS(cat({}), "cat: no tensors", ValueError);
  CHECK_THROWS_WITH_AS(cat({x, ones({3, 5})}, 0),
                       "cat: part 1 [3, 5] does not fit to part 0 [3, 4]; all sizes but that of axis 0 must agree",
                       ShapeError);
  CHECK_THROWS_WITH_AS(cat({x, ones({3, 4}, DType::f64)}), "cat: part 0 is f32, part 1 is f64", DTypeError);
  CHECK_THROWS_WITH_AS(stack({x, ones({4, 3})}), "stack: part 1 [4, 3] has not the shape of part 0, [3, 4]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(repeat(x, {2}), "repeat: x [3, 4] has 2 axes, times [2] names 1", ShapeError);
}
