// Moving elements: joining, cutting, picking by index, and masks of triangles. Any dtype, any strides.
//
// Indices are i64 tensors, and each is checked. They count from the start: a negative index is an error here, because
// in data it is far more often a mistake than a wish.
#pragma once
#include <span>
#include <vector>

#include "tensor/tensor.h"

namespace fovea {

// --- joining and cutting -----------------------------------------------------------------------------------
Tensor cat(const std::vector<Tensor>& parts, int axis = 0);  // along an axis that exists; the other sizes agree
inline Tensor cat(std::initializer_list<Tensor> parts, int axis = 0) { return cat(std::vector<Tensor>(parts), axis); }
Tensor stack(const std::vector<Tensor>& parts, int axis = 0);  // along a new axis; all shapes agree
inline Tensor stack(std::initializer_list<Tensor> parts, int axis = 0) {
  return stack(std::vector<Tensor>(parts), axis);
}
std::vector<Tensor> split(const Tensor& x, int64_t size, int axis = 0);  // views; the last may be smaller
std::vector<Tensor> split(const Tensor& x, const std::vector<int64_t>& sizes, int axis = 0);  // views; Σ sizes = all
std::vector<Tensor> chunk(const Tensor& x, int64_t chunks, int axis = 0);                     // at most so many views
Tensor pad(const Tensor& x, int axis, int64_t before, int64_t after, double value = 0);       // more at both ends
Tensor repeat(const Tensor& x, const Shape& times);     // the whole of x, so often along each axis (tiling)
Tensor flip(const Tensor& x, const Axes& axes);         // a copy that runs backwards
Tensor roll(const Tensor& x, int64_t shift, int axis);  // element i moves to (i + shift) mod size

// --- by index ----------------------------------------------------------------------------------------------
// One index per element of the result: y[i][j][k] = x[i][index[i][j][k]][k] for axis 1. index has x's number of axes,
// and no more elements than x along the others. y has index's shape.
Tensor gather(const Tensor& x, int axis, const Tensor& index);
// x with src added at those places: y[i][index[i][j][k]][k] += src[i][j][k], j ascending, so the sums have the same
// bits for any number of threads. src has at least index's size along every axis.
Tensor scatter_add(const Tensor& x, int axis, const Tensor& index, const Tensor& src);

// One index per slice: y's slice j along the axis is x's slice index[j]. index is [n].
Tensor index_select(const Tensor& x, int axis, const Tensor& index);
// x with src's slice j added to its slice index[j], j ascending. The backward of index_select and take_rows.
Tensor index_add(const Tensor& x, int axis, const Tensor& index, const Tensor& src);
void index_add_(Tensor& x, int axis, const Tensor& index, const Tensor& src);  // the same in place

// Rows of a table (an embedding): table [V, ...], index [...i] -> [...i, ...]
Tensor take_rows(const Tensor& table, const Tensor& index);
// index [...] of values in [0, classes) -> [..., classes], 1 at each index and 0 elsewhere.
Tensor one_hot(const Tensor& index, int64_t classes, DType dtype = DType::f32);
Tensor nonzero(const Tensor& x);  // the places of the elements that are not 0, row-major: i64 [n, rank]

// --- triangles of the last two axes ------------------------------------------------------------------------
Tensor tril(const Tensor& x, int64_t diagonal = 0);  // 0 where column > row + diagonal
Tensor triu(const Tensor& x, int64_t diagonal = 0);  // 0 where column < row + diagonal

}  // namespace fovea
