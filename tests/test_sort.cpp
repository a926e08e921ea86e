// Sorting: against the standard library's, its ties, NaN and every axis.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "tensor/indexing.h"
#include "tensor/parallel.h"
#include "tensor/random.h"
#include "tensor/sort.h"
#include "tensor/views.h"

using namespace fovea;

TEST_CASE("sort orders each row and says where the values stood") {
  Rng rng(1);
  for (bool descending : {false, true}) {
    for (DType dtype : {DType::f32, DType::f64, DType::i64, DType::boolean}) {
      const Tensor x = randint(0, 12, {7, 23}, rng).to(dtype);  // few values: many ties
      const auto [values, indices] = sort(x, -1, descending);
      CHECK(values.dtype() == dtype);
      CHECK(identical(gather(x, 1, indices), values));
      for (int64_t r = 0; r < 7; ++r) {
        std::vector<double> row = select(x, 0, r).to(DType::f64).to_vector<double>();
        std::vector<int64_t> order = arange(23).to_vector<int64_t>();
        std::stable_sort(order.begin(), order.end(), [&](int64_t i, int64_t j) {
          return descending ? row[size_t(i)] > row[size_t(j)] : row[size_t(i)] < row[size_t(j)];
        });
        CHECK(select(indices, 0, r).to_vector<int64_t>() == order);
      }
    }
  }
}

TEST_CASE("sort and topk work along any axis and on strided views") {
  Rng rng(2);
  const Tensor x = randn({4, 5, 6}, rng);
  for (int axis : {0, 1, 2, -2}) {
    const Tensor moved = transpose(x, axis, -1).clone();
    const Sorted along = sort(x, axis), last = sort(moved);
    CHECK(identical(along.values, transpose(last.values, axis, -1).clone()));
    CHECK(identical(along.indices, transpose(last.indices, axis, -1).clone()));
    CHECK(identical(argsort(x, axis, true), sort(x, axis, true).indices));
    const Sorted best = topk(x, 3, axis);
    const Sorted all = sort(x, axis, true);
    CHECK(identical(best.values, narrow(all.values, axis, 0, 3).clone()));
    CHECK(identical(best.indices, narrow(all.indices, axis, 0, 3).clone()));
    CHECK(identical(topk(x, 2, axis, false).indices, narrow(sort(x, axis).indices, axis, 0, 2).clone()));
  }
  const Tensor strided = slice(x, 2, 0, 6, 2);
  CHECK(identical(sort(strided).values, sort(strided.clone()).values));
}

TEST_CASE("NaN comes last and ties keep their order") {
  const double nan = std::nan("");
  const Tensor x = tensor({nan, 2, -INFINITY, nan, INFINITY, 2});
  CHECK(argsort(x).to_vector<int64_t>() == std::vector<int64_t>{2, 1, 5, 4, 0, 3});
  CHECK(argsort(x, -1, true).to_vector<int64_t>() == std::vector<int64_t>{4, 1, 5, 2, 0, 3});
  CHECK(topk(x, 2).indices.to_vector<int64_t>() == std::vector<int64_t>{4, 1});
  CHECK(topk(tensor({0, -0.0, 0}), 2).indices.to_vector<int64_t>() == std::vector<int64_t>{0, 1});
}

TEST_CASE("empty, single and threaded sorts") {
  CHECK(sort(empty({3, 0})).values.shape() == Shape{3, 0});
  CHECK(sort(empty({0, 3})).indices.shape() == Shape{0, 3});
  CHECK(topk(ones({2, 3}), 0).values.shape() == Shape{2, 0});
  CHECK(sort(ones({4, 1})).indices.shape() == Shape{4, 1});
  Rng rng(3);
  const Tensor x = randn({300, 100}, rng);
  const int before = threads();
  set_threads(1);
  const Sorted one = sort(x, 0);
  for (int n : {2, 5}) {
    set_threads(n);
    CHECK(identical(sort(x, 0).indices, one.indices));
    CHECK(identical(sort(x, 0).values, one.values));
  }
  set_threads(before);
}

TEST_CASE("topk says what does not fit") {
  CHECK_THROWS_WITH_AS(topk(ones({2, 3}), 4), "topk: k is 4, axis 1 of x [2, 3] has 3", ValueError);
  CHECK_THROWS_AS(topk(ones({2, 3}), -1), ValueError);
  CHECK_THROWS_WITH_AS(sort(ones({2, 3}), 2), "sort: axis 2 of a tensor with 2 axes; it must lie in [-2, 2)",
                       IndexError);
}
