// Reductions of variables over any axes (none named: all): the twins of tensor/reduce.h.
#pragma once
#include "autograd/variable.h"
#include "tensor/reduce.h"

namespace fovea {

Variable sum(const Variable& x, const Axes& axes = {}, bool keep_dims = false);
Variable mean(const Variable& x, const Axes& axes = {}, bool keep_dims = false);
Variable var(const Variable& x, const Axes& axes = {}, bool keep_dims = false, int64_t correction = 1);
Variable stddev(const Variable& x, const Axes& axes = {}, bool keep_dims = false, int64_t correction = 1);
Variable min(const Variable& x, const Axes& axes = {}, bool keep_dims = false);  // equal ones share the gradient
Variable max(const Variable& x, const Axes& axes = {}, bool keep_dims = false);
Variable logsumexp(const Variable& x, const Axes& axes = {}, bool keep_dims = false);
Variable norm(const Variable& x, double p = 2, const Axes& axes = {}, bool keep_dims = false);  // gradient 0 at 0
Variable cumsum(const Variable& x, int axis);

}  // namespace fovea
