// Products of variables: the twin of tensor/matmul.h.
#pragma once
#include "autograd/variable.h"
#include "tensor/matmul.h"

namespace fovea {

Variable matmul(const Variable& a, const Variable& b);

}  // namespace fovea
