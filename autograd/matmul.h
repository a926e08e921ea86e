// Products of variables: the twins of tensor/matmul.h and tensor/einsum.h.
#pragma once
#include <span>
#include <string_view>

#include "autograd/variable.h"
#include "tensor/einsum.h"
#include "tensor/matmul.h"

namespace fovea {

Variable matmul(const Variable& a, const Variable& b);
Variable einsum(std::string_view subscripts, std::span<const Variable> operands);
Variable einsum(std::string_view subscripts, std::initializer_list<Variable> operands);

}  // namespace fovea
