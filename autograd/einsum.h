// Sums of products written with letters, of variables: the twin of tensor/einsum.h.
#pragma once
#include <string_view>
#include <vector>

#include "autograd/variable.h"
#include "tensor/einsum.h"

namespace fovea {

Variable einsum(std::string_view equation, const std::vector<Variable>& operands);

}  // namespace fovea
