#include "op_cases.h"

#include <cmath>
#include <limits>
#include <set>

#include "autograd/tape.h"
#include "tensor/elementwise.h"
#include "tensor/views.h"

namespace fovea::tests {
namespace {

Tensor make(const Input& input, Rng& rng) {
  switch (input.fill) {
    case Fill::positive: return uniform(input.shape, 0.3, 2, rng, DType::f64);
    case Fill::clear: {
      const Tensor size = uniform(input.shape, 0.2, 2, rng, DType::f64);
      return where(bernoulli(0.5, input.shape, rng), size, -size);
    }
    case Fill::distinct: {
      const int64_t count = element_count("make", input.shape);
      return reshape(randperm(count, rng).to(DType::f64), input.shape) * (4.0 / double(std::max<int64_t>(count, 1))) -
             1.9;
    }
    default: return randn(input.shape, rng, DType::f64);
  }
}

// Every axis of size `from` becomes `to` times as long, or `to` long: all inputs alike, so that they still fit.
OpCase resized(const OpCase& row, const std::string& suffix, const std::function<int64_t(int64_t)>& size) {
  OpCase result = row;
  result.name += suffix;
  for (Input& input : result.inputs) {
    for (int64_t& n : input.shape) n = size(n);
  }
  return result;
}

}  // namespace

const std::vector<OpCase>& op_cases() {
  static const std::vector<OpCase> all = [] {
    std::vector<OpCase> rows = elementwise_cases();
    for (const auto& part : {row_cases(), move_cases(), attention_cases(), convolution_cases()})
      rows.insert(rows.end(), part.begin(), part.end());
    return rows;
  }();
  return all;
}

std::vector<Tensor> make_inputs(const OpCase& row) {
  Rng rng(11);
  std::vector<Tensor> inputs;
  for (const Input& input : row.inputs) inputs.push_back(make(input, rng).to(DType::f32).to(DType::f64));
  return inputs;
}

std::vector<OpCase> with_small_sizes(const OpCase& row) {
  std::vector<OpCase> rows;
  if (row.sizes == Sizes::fixed || row.sizes == Sizes::many) return rows;
  std::set<int64_t> sizes;
  for (const Input& input : row.inputs) sizes.insert(input.shape.begin(), input.shape.end());
  for (int64_t from : sizes) {
    for (int64_t to : {1, 0}) {
      if (from <= 1 || (to == 0 && row.sizes == Sizes::some)) continue;
      rows.push_back(resized(row, " with " + std::to_string(from) + " -> " + std::to_string(to),
                             [&](int64_t n) { return n == from ? to : n; }));
    }
  }
  return rows;
}

OpCase with_large_sizes(const OpCase& row) {
  if (row.sizes == Sizes::fixed) return row;
  int rank = 0;
  for (const Input& input : row.inputs) rank = std::max(rank, input.shape.rank());
  const int64_t factor = rank <= 1 ? 16384 : rank == 2 ? 60 : rank == 3 ? 14 : 6;
  return resized(row, " (large)", [&](int64_t n) { return n > 1 ? n * factor + 1 : n; });
}

Tensor transposed_layout(const Tensor& x) {
  if (x.rank() < 2) return gapped_layout(x);
  return transpose(transpose(x).clone());
}

Tensor gapped_layout(const Tensor& x) {
  if (x.rank() == 0) return x;
  Shape wide = x.shape();
  wide.back() = 2 * wide.back() + 1;
  Tensor padded = full(wide, std::numeric_limits<double>::quiet_NaN(), x.dtype());
  Strides strides = padded.strides();
  strides.back() *= 2;
  Tensor gapped = padded.view(x.shape(), strides, x.count() ? 1 : 0);
  gapped.copy_(x);
  return gapped;
}

Outcome run_case(const OpCase& row, const std::vector<Tensor>& inputs) {
  std::vector<Parameter> leaves;
  for (const Tensor& x : inputs) leaves.emplace_back(x);
  const std::vector<Variable> arguments(leaves.begin(), leaves.end());
  Outcome outcome;
  Tape tape;
  const Variable y = row.fn(arguments);
  for (size_t i = 0; i < tape.size(); ++i) outcome.recorded.push_back(tape.node(i).name);
  outcome.tensors.push_back(y.value());
  Rng rng(12);
  tape.backward(y, randn(y.shape(), rng, DType::f64).to(y.dtype()));
  for (const Parameter& leaf : leaves)
    outcome.tensors.push_back(leaf.has_grad() ? leaf.grad() : zeros(leaf.shape(), leaf.dtype()));
  return outcome;
}

}  // namespace fovea::tests
