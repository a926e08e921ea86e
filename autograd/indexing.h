// Moving elements of variables: the twins of tensor/indexing.h and tensor/sort.h. Indices are plain tensors: there is
// no gradient with respect to a place.
#pragma once
#include <span>
#include <vector>

#include "autograd/variable.h"
#include "tensor/indexing.h"
#include "tensor/sort.h"

namespace fovea {

Variable cat(const std::vector<Variable>& parts, int axis = 0);
inline Variable cat(std::initializer_list<Variable> parts, int axis = 0) {
  return cat(std::vector<Variable>(parts), axis);
}
Variable stack(const std::vector<Variable>& parts, int axis = 0);
inline Variable stack(std::initializer_list<Variable> parts, int axis = 0) {
  return stack(std::vector<Variable>(parts), axis);
}
std::vector<Variable> split(const Variable& x, int64_t size, int axis = 0);
std::vector<Variable> split(const Variable& x, const std::vector<int64_t>& sizes, int axis = 0);
std::vector<Variable> chunk(const Variable& x, int64_t chunks, int axis = 0);
Variable pad(const Variable& x, int axis, int64_t before, int64_t after, double value = 0);
Variable repeat(const Variable& x, const Shape& times);
Variable flip(const Variable& x, const Axes& axes);
Variable roll(const Variable& x, int64_t shift, int axis);

Variable gather(const Variable& x, int axis, const Tensor& index);
Variable scatter_add(const Variable& x, int axis, const Tensor& index, const Variable& src);
Variable index_select(const Variable& x, int axis, const Tensor& index);
Variable take_rows(const Variable& table, const Tensor& index);  // an embedding: [V, C], [...] -> [..., C]

Variable tril(const Variable& x, int64_t diagonal = 0);
Variable triu(const Variable& x, int64_t diagonal = 0);

struct SortedVariable {
  Variable values;
  Tensor indices;  // i64
};
SortedVariable sort(const Variable& x, int axis = -1, bool descending = false);
SortedVariable topk(const Variable& x, int64_t k, int axis = -1, bool largest = true);

}  // namespace fovea
