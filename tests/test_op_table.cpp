// Every operation of the library, by every row of the table: gradients against differences, in each layout, with axes
// of size 1 and 0, in f32 against f64, under each instruction set. (With one thread and several: test_same_bits.cpp.)
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include "autograd/gradcheck.h"
#include "autograd/operation.h"
#include "op_cases.h"
#include "tensor/dispatch.h"
#include "tests/restored.h"

using namespace fovea;
using namespace fovea::tests;

namespace {

using Layout = Tensor (*)(const Tensor&);

std::vector<Tensor> all(const std::vector<Tensor>& inputs, Layout layout) {
  std::vector<Tensor> result;
  for (const Tensor& x : inputs) result.push_back(layout(x));
  return result;
}

std::vector<Tensor> all(const std::vector<Tensor>& inputs, DType dtype) {
  std::vector<Tensor> result;
  for (const Tensor& x : inputs) result.push_back(x.to(dtype));
  return result;
}

// The largest |a − b| / (1 + |b|).
double distance(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  const auto x = a.to(DType::f64).to_vector<double>(), y = b.to(DType::f64).to_vector<double>();
  double largest = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    if (x[i] == y[i] || (std::isnan(x[i]) && std::isnan(y[i]))) continue;
    const double d = std::abs(x[i] - y[i]) / (1 + std::abs(y[i]));
    largest = std::isnan(d) ? std::numeric_limits<double>::infinity() : std::max(largest, d);
  }
  return largest;
}

double distance(const Outcome& a, const Outcome& b) {
  REQUIRE(a.tensors.size() == b.tensors.size());
  double largest = 0;
  for (size_t i = 0; i < a.tensors.size(); ++i) largest = std::max(largest, distance(a.tensors[i], b.tensors[i]));
  return largest;
}

bool same_bits(const Outcome& a, const Outcome& b) {
  for (size_t i = 0; i < a.tensors.size(); ++i) {
    if (!identical(a.tensors[i], b.tensors[i])) return false;
  }
  return a.tensors.size() == b.tensors.size();
}

void check_gradients(const OpCase& row, const std::vector<Tensor>& inputs) {
  const GradcheckReport report = gradcheck(row.fn, inputs);
  CHECK_MESSAGE(report.ok, row.name, ": ", report);
}

}  // namespace

TEST_CASE("every operation has a row in the table") {
  std::set<std::string> covered;
  for (const OpCase& row : op_cases()) {
    for (const std::string& name : run_case(row, make_inputs(row)).recorded) covered.insert(name);
  }
  covered.erase("leaf");
  CHECK(operation_names().size() > 60);
  for (const std::string& name : operation_names())
    CHECK_MESSAGE(covered.count(name), name, ": no row of the table records it; add one to tests/op_cases_*.cpp");
  CHECK(op_cases().size() == 228);  // pinned, as are the counts below: a test that does not run shows
  std::set<std::string> names;
  for (const OpCase& row : op_cases()) CHECK_MESSAGE(names.insert(row.name).second, row.name, " stands there twice");
}

TEST_CASE("every row's gradients match differences, whatever the layout of its inputs") {
  int64_t compared = 0;
  for (const OpCase& row : op_cases()) {
    const std::vector<Tensor> inputs = make_inputs(row);
    check_gradients(row, inputs);
    check_gradients(row, all(inputs, transposed_layout));
    check_gradients(row, all(inputs, gapped_layout));
    for (const Tensor& x : inputs) compared += x.count();
  }
  CHECK(compared == 14873);
}

TEST_CASE("every row's gradients match differences where an axis has size 1 or 0") {
  int rows = 0;
  for (const OpCase& row : op_cases()) {
    for (const OpCase& small : with_small_sizes(row)) {
      check_gradients(small, make_inputs(small));
      ++rows;
    }
  }
  CHECK(rows == 728);
}

TEST_CASE("f32 gives what f64 gives, to its precision") {
  for (const OpCase& row : op_cases()) {
    CAPTURE(row.name);
    const std::vector<Tensor> inputs = make_inputs(row);
    const Outcome exact = run_case(row, inputs);
    const Outcome single = run_case(row, all(inputs, DType::f32));
    for (const Tensor& t : single.tensors) CHECK(t.dtype() == DType::f32);
    CHECK(distance(single, exact) < 5e-6);
    CHECK(distance(run_case(row, all(all(inputs, DType::f32), transposed_layout)), exact) < 5e-6);
    CHECK(distance(run_case(row, all(all(inputs, DType::f32), gapped_layout)), exact) < 5e-6);
  }
}

TEST_CASE("every instruction set gives the same: the same bits where fma rounds once") {
  if (available_isas().size() == 1) return;
  const Restored restored;
  for (const OpCase& small : op_cases()) {
    for (const OpCase& row : {small, with_large_sizes(small)}) {
      for (const DType dtype : {DType::f64, DType::f32}) {
        const std::vector<Tensor> inputs = all(make_inputs(row), dtype);
        std::optional<Outcome> first, fused;
        for (const Isa isa : available_isas()) {
          INFO(row.name, " ", dtype, " ", isa_name(isa));
          set_isa(isa);
          const Outcome outcome = run_case(row, inputs);
          if (fused) CHECK(same_bits(outcome, *fused));
          if (first && !fused) CHECK(distance(outcome, *first) < (dtype == DType::f64 ? 1e-11 : 1e-4));
          if (!first) first = outcome;
          if (kernels().fused) fused = outcome;
        }
      }
    }
  }
}
