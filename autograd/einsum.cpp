#include "autograd/einsum.h"

#include "autograd/operation.h"

namespace fovea {
namespace {

struct Einsum {  // the gradient of each operand is an einsum of dy and the others
  std::string equation;
  EinsumTerms terms;
  std::vector<Tensor> operands;

  Tensor forward(std::span<const Tensor> xs) {
    operands.assign(xs.begin(), xs.end());
    std::vector<Shape> shapes;
    for (const Tensor& x : operands) shapes.push_back(x.shape());
    terms = parse_einsum(equation, shapes);
    return einsum(terms, operands);
  }
  std::vector<Tensor> backward(const Tensor& dy) const {
    std::vector<Tensor> grads;
    for (size_t i = 0; i < operands.size(); ++i) grads.push_back(einsum_gradient(terms, operands, i, dy));
    return grads;
  }
};

}  // namespace

Variable einsum(std::string_view equation, const std::vector<Variable>& operands) {
  return record(Einsum{std::string(equation), {}, {}}, std::span(operands));
}

}  // namespace fovea
