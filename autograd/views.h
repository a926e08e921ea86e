// Views of variables: the twins of tensor/views.h.
#pragma once
#include "autograd/variable.h"
#include "tensor/views.h"

namespace fovea {

Variable reshape(const Variable& x, const Shape& shape);
Variable flatten(const Variable& x, int first_axis = 0, int last_axis = -1);
Variable permute(const Variable& x, const Axes& order);
Variable transpose(const Variable& x, int axis_a = -1, int axis_b = -2);
Variable slice(const Variable& x, int axis, int64_t start, int64_t stop, int64_t step = 1);
Variable narrow(const Variable& x, int axis, int64_t start, int64_t length);
Variable select(const Variable& x, int axis, int64_t index);
Variable squeeze(const Variable& x, int axis);
Variable squeeze(const Variable& x);
Variable unsqueeze(const Variable& x, int axis);
Variable expand(const Variable& x, const Shape& shape);
Variable diagonal(const Variable& x, int64_t offset = 0, int axis_a = -2, int axis_b = -1);
Variable unfold(const Variable& x, int axis, int64_t size, int64_t step, int64_t dilation = 1);

}  // namespace fovea
