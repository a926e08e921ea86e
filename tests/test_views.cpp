// Views against naive maps of indices: where each element of the result comes from. They share the storage of their
// base, whatever it looks like; only reshape may copy, and only where it must.
#include "tensor/views.h"

#include <doctest/doctest.h>

#include <functional>

#include "tensor/elementwise.h"

using namespace fovea;

namespace {

Tensor numbered(const Shape& shape) { return arange(element_count("test", shape)).view(shape, row_major(shape)); }

// Whether y has that shape, and element i of y is element from(i) of x, for every i.
bool maps(const Tensor& y, const Tensor& x, const Shape& shape, const std::function<Dims(const Dims&)>& from) {
  if (y.shape() != shape || y.dtype() != x.dtype()) return false;
  for (int64_t flat = 0; flat < y.count(); ++flat) {
    Dims index(shape.rank(), 0);
    int64_t rest = flat;
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
      index[axis] = rest % shape[axis];
      rest /= shape[axis];
    }
    if (y.at(index) != x.at(from(index))) return false;
  }
  return true;
}

bool shares(const Tensor& a, const Tensor& b) { return a.storage() == b.storage(); }

// The same numbers as numbered(), in three layouts: plain, permuted, with gaps and an offset.
std::vector<Tensor> layouts(const Shape& shape) {
  const Tensor plain = numbered(shape);
  Axes reversed;
  for (int i = shape.rank() - 1; i >= 0; --i) reversed.push_back(i);
  const Tensor permuted = permute(permute(plain, reversed).clone(), reversed);
  Shape wide = shape;
  for (int64_t& n : wide) n = 2 * n + 1;
  Tensor gapped = full(wide, -1, DType::i64);
  for (int i = 0; i < shape.rank(); ++i) gapped = slice(gapped, i, 1, wide[i], 2);
  gapped.copy_(plain);
  return {plain, permuted, gapped};
}

}  // namespace

TEST_CASE("permute and transpose") {
  for (const Tensor& x : layouts({2, 3, 4})) {
    const Tensor p = permute(x, {2, 0, -2});
    CHECK(maps(p, x, {4, 2, 3}, [](const Dims& i) { return Dims{i[1], i[2], i[0]}; }));
    CHECK(shares(p, x));
    CHECK(maps(transpose(x), x, {2, 4, 3}, [](const Dims& i) { return Dims{i[0], i[2], i[1]}; }));
    CHECK(maps(transpose(x, 0, -1), x, {4, 3, 2}, [](const Dims& i) { return Dims{i[2], i[1], i[0]}; }));
    CHECK(maps(transpose(x, 1, 1), x, {2, 3, 4}, [](const Dims& i) { return i; }));
  }
  const Tensor x = numbered({2, 3});
  CHECK_THROWS_WITH_AS(permute(x, {0}), "permute: x [2, 3] has 2 axes, the order [0] names 1", ShapeError);
  CHECK_THROWS_WITH_AS(permute(x, {0, -2}), "permute: axis 0 named twice in [0, -2]", IndexError);
  CHECK_THROWS_WITH_AS(transpose(x, 0, 2), "transpose: axis 2 of a tensor with 2 axes; it must lie in [-2, 2)",
                       IndexError);
}

TEST_CASE("slice, narrow and select") {
  for (const Tensor& x : layouts({5, 4})) {
    CHECK(maps(slice(x, 0, 1, 4), x, {3, 4}, [](const Dims& i) { return Dims{i[0] + 1, i[1]}; }));
    CHECK(maps(slice(x, -1, 0, 4, 3), x, {5, 2}, [](const Dims& i) { return Dims{i[0], 3 * i[1]}; }));
    CHECK(maps(slice(x, 0, -2, 100), x, {2, 4}, [](const Dims& i) { return Dims{i[0] + 3, i[1]}; }));  // clamped
    CHECK(slice(x, 0, 3, 3).shape() == Shape{0, 4});
    CHECK(slice(x, 0, 4, 1).shape() == Shape{0, 4});
    CHECK(slice(x, 0, 9, 12).shape() == Shape{0, 4});
    CHECK(shares(slice(x, 0, 1, 4), x));
    CHECK(maps(narrow(x, 1, 2, 2), x, {5, 2}, [](const Dims& i) { return Dims{i[0], i[1] + 2}; }));
    CHECK(narrow(x, 1, 4, 0).shape() == Shape{5, 0});
    CHECK(maps(select(x, 0, -1), x, {4}, [](const Dims& i) { return Dims{4, i[0]}; }));
    CHECK(maps(select(x, 1, 2), x, {5}, [](const Dims& i) { return Dims{i[0], 2}; }));
  }
  const Tensor x = numbered({5, 4});
  CHECK_THROWS_AS(slice(x, 0, 0, 4, 0), ValueError);
  CHECK_THROWS_AS(narrow(x, 1, 3, 2), IndexError);
  CHECK_THROWS_AS(narrow(x, 1, -1, 2), IndexError);
  CHECK_THROWS_AS(select(x, 0, 5), IndexError);
}

TEST_CASE("reshape: a view where the strides allow it, else a copy, always in row-major order") {
  const auto in_order = [](const Tensor& y, const Shape& shape) {
    return y.shape() == shape && identical(y.contiguous(), numbered(shape));
  };
  for (const Shape& to : {Shape{24}, Shape{4, 6}, Shape{2, 3, 2, 2}, Shape{1, 24, 1}, Shape{6, 4}, Shape{3, 8}}) {
    for (const Tensor& x : layouts({2, 3, 4})) CHECK(in_order(reshape(x, to), to));
  }
  const Tensor x = numbered({2, 3, 4});
  CHECK(shares(reshape(x, {6, -1}), x));
  CHECK(reshape(x, {6, -1}).shape() == Shape{6, 4});
  const Tensor outer = transpose(x, 0, 1);  // [3, 2, 4]: the last axis may be cut and the others not joined
  CHECK(shares(reshape(outer, {3, 2, 2, 2}), x));
  CHECK(shares(reshape(outer, {3, 1, 2, 4, 1}), x));
  CHECK_FALSE(shares(reshape(outer, {6, 4}), x));
  const Tensor rows = slice(x, 0, 0, 1);
  CHECK(shares(reshape(rows, {12}), x));
  const Tensor repeated = expand(numbered({1, 4}), {3, 4});
  CHECK(shares(reshape(repeated, {3, 2, 2}), repeated));
  CHECK(reshape(repeated, {12}).at({9}) == 1);
  CHECK(reshape(zeros({0, 3}), {3, 0, 7}).shape() == Shape{3, 0, 7});
  CHECK(reshape(scalar(5), {1, 1}).at({0, 0}) == 5);
  CHECK(reshape(tensor({5}), {}).item() == 5);
  CHECK_THROWS_WITH_AS(reshape(x, {5, 5}), "reshape: x [2, 3, 4] has 24 elements, the new shape [5, 5] has 25",
                       ShapeError);
  CHECK_THROWS_WITH_AS(reshape(x, {-1, -1}), "reshape: two sizes are -1 in [-1, -1]; only one can be worked out",
                       ShapeError);
  CHECK_THROWS_WITH_AS(reshape(x, {5, -1}),
                       "reshape: x [2, 3, 4] has 24 elements, the new shape [5, -1] has 5 per step of -1", ShapeError);
  CHECK_THROWS_WITH_AS(reshape(zeros({0, 3}), {0, -1}),
                       "reshape: cannot work out -1 in [0, -1] beside a size of 0; write the size", ShapeError);
}

TEST_CASE("flatten, squeeze, unsqueeze") {
  for (const Tensor& x : layouts({2, 3, 4})) {
    CHECK(maps(flatten(x), x, {24}, [](const Dims& i) { return Dims{i[0] / 12, i[0] / 4 % 3, i[0] % 4}; }));
    CHECK(maps(flatten(x, 1), x, {2, 12}, [](const Dims& i) { return Dims{i[0], i[1] / 4, i[1] % 4}; }));
    CHECK(maps(flatten(x, 0, -2), x, {6, 4}, [](const Dims& i) { return Dims{i[0] / 3, i[0] % 3, i[1]}; }));
    for (int axis : {0, 1, 3, -1, -4}) {
      const Tensor y = unsqueeze(x, axis);
      CHECK(y.size(axis) == 1);
      CHECK(shares(y, x));
      CHECK(maps(squeeze(y, axis), x, {2, 3, 4}, [](const Dims& i) { return i; }));
    }
  }
  CHECK(flatten(scalar(3)).shape() == Shape{1});
  CHECK(squeeze(zeros({1, 3, 1, 2, 1})).shape() == Shape{3, 2});
  CHECK(squeeze(zeros({1, 1})).shape() == Shape{});
  CHECK_THROWS_AS(squeeze(zeros({2, 3}), 0), ShapeError);
  CHECK_THROWS_WITH_AS(flatten(zeros({2, 3}), 1, 0), "flatten: first axis 1 lies behind the last, 0", IndexError);
  CHECK_THROWS_AS(unsqueeze(zeros({2, 3}), 4), IndexError);
}

TEST_CASE("expand repeats without copying") {
  for (const Tensor& x : layouts({3, 1})) {
    const Tensor y = expand(x, {2, 3, 4});
    CHECK(maps(y, x, {2, 3, 4}, [](const Dims& i) { return Dims{i[1], 0}; }));
    CHECK(shares(y, x));
  }
  CHECK(expand(numbered({3, 1}), {3, 0}).count() == 0);
  CHECK(expand(scalar(7), {2, 2}).at({1, 1}) == 7);
  const char* stretch = "; only axes of size 1 can be repeated, and new axes come in front";
  CHECK_THROWS_WITH_AS(expand(zeros({3, 2}), {3, 4}),
                       (std::string("expand: x [3, 2] does not stretch to [3, 4]") + stretch).c_str(), ShapeError);
  CHECK_THROWS_AS(expand(zeros({3, 2}), {2}), ShapeError);
}

TEST_CASE("diagonal, of any two axes, above and below") {
  for (const Tensor& x : layouts({3, 4})) {
    CHECK(maps(diagonal(x), x, {3}, [](const Dims& i) { return Dims{i[0], i[0]}; }));
    CHECK(maps(diagonal(x, 2), x, {2}, [](const Dims& i) { return Dims{i[0], i[0] + 2}; }));
    CHECK(maps(diagonal(x, -1), x, {2}, [](const Dims& i) { return Dims{i[0] + 1, i[0]}; }));
    CHECK(maps(diagonal(x, 1, 1, 0), x, {2}, [](const Dims& i) { return Dims{i[0] + 1, i[0]}; }));
    CHECK(diagonal(x, 4).count() == 0);
    CHECK(diagonal(x, -9).count() == 0);
  }
  for (const Tensor& x : layouts({2, 3, 4})) {
    CHECK(maps(diagonal(x, 0, 0, 2), x, {3, 2}, [](const Dims& i) { return Dims{i[1], i[0], i[1]}; }));
    CHECK(shares(diagonal(x), x));
  }
  Tensor square_zero = zeros({3, 3});
  diagonal(square_zero).fill_(1);
  CHECK(identical(square_zero, eye(3)));
  CHECK_THROWS_WITH_AS(diagonal(zeros({2, 2}), 0, 1, -1), "diagonal: needs two different axes, got 1 twice",
                       IndexError);
}

TEST_CASE("unfold: overlapping windows, windows with gaps, one window") {
  for (const Tensor& x : layouts({7, 2})) {
    CHECK(maps(unfold(x, 0, 3, 1), x, {5, 2, 3}, [](const Dims& i) { return Dims{i[0] + i[2], i[1]}; }));
    CHECK(maps(unfold(x, 0, 2, 3), x, {2, 2, 2}, [](const Dims& i) { return Dims{3 * i[0] + i[2], i[1]}; }));
    CHECK(maps(unfold(x, -2, 7, 1), x, {1, 2, 7}, [](const Dims& i) { return Dims{i[2], i[1]}; }));
    CHECK(maps(unfold(x, 0, 3, 2, 2), x, {2, 2, 3}, [](const Dims& i) { return Dims{2 * i[0] + 2 * i[2], i[1]}; }));
    CHECK(shares(unfold(x, 0, 3, 1), x));
    CHECK(shares(unfold(x, 0, 2, 1, 3), x));
  }
  CHECK_THROWS_WITH_AS(unfold(zeros({4}), 0, 5, 1),
                       "unfold: windows of 5 every 1 on axis 0 of x [4]; the window must have 1 to 4 elements and the "
                       "step be at least 1",
                       ValueError);
  CHECK_THROWS_WITH_AS(unfold(zeros({4}), 0, 3, 1, 2),
                       "unfold: windows of 3 every 1 on axis 0 of x [4] with dilation 2; the window must have 1 to 2 "
                       "elements and the step be at least 1",
                       ValueError);
  CHECK_THROWS_AS(unfold(zeros({4}), 0, 1, 1, 0), ValueError);
  CHECK_THROWS_AS(unfold(zeros({4}), 0, 0, 1), ValueError);
  CHECK_THROWS_AS(unfold(zeros({4}), 0, 2, 0), ValueError);
}

TEST_CASE("writing through a view of a view reaches the base") {
  Tensor base = numbered({4, 6});
  Tensor window = transpose(slice(slice(base, 0, 1, 3), 1, 0, 6, 2));  // [3, 2] of rows 1, 2 and columns 0, 2, 4
  window.set({2, 1}, -1);
  CHECK(base.at({2, 4}) == -1);
  window += window;
  CHECK(base.at({1, 2}) == 16);
  CHECK(base.at({2, 4}) == -2);
  CHECK(base.at({1, 1}) == 7);
}
