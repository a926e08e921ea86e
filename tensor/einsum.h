// Einstein's summation: products and sums written by naming axes. "bthd,bshd->bhts" are the scores of attention:
// every letter is an axis, equal letters run together, and a letter that the output leaves out is summed over.
//
//   einsum("ij,jk->ik", {a, b})   matmul             einsum("ii->i", {a})          diagonal
//   einsum("ij->ji", {a})         transpose          einsum("...ij,...j", {a, x})  batched matrix times vector
//
// Without an arrow the output is the ellipsis, then the letters that occur once, in alphabetical order. An ellipsis
// stands for the axes that have no letter; they broadcast. Several operands are multiplied from left to right.
// Results of one operand that need no sum are views.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "tensor/tensor.h"

namespace fovea {

// An equation as parsed for given operands: one character per axis, the axes of ellipses as digits ('0' the last).
struct EinsumTerms {
  std::vector<std::string> inputs;
  std::string output;
};

EinsumTerms parse_einsum(std::string_view equation, const std::vector<Shape>& shapes);

Tensor einsum(std::string_view equation, const std::vector<Tensor>& operands);
Tensor einsum(const EinsumTerms& terms, const std::vector<Tensor>& operands);

// The gradient with respect to operand `i`, given dy, the output's: again a summation, of dy and the other operands
// onto i's axes; axes that i alone had are repeated, those of which i had a diagonal filled there and 0 elsewhere.
Tensor einsum_gradient(const EinsumTerms& terms, const std::vector<Tensor>& operands, size_t i, const Tensor& dy);

}  // namespace fovea
