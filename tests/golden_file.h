// The reference numbers of tests/golden/ and how tests compare with them: |a − b| ≤ tol · (1 + |b|), tol 1e-10 in f64
// and 1e-4 in f32. Every tensor of a case that is asked for is counted, so that a test can say that it saw them all.
#pragma once
#include <doctest/doctest.h>

#include <set>

#include "nn/module.h"
#include "tensor/elementwise.h"
#include "tensor/reduce.h"
#include "tensor/safetensors.h"

namespace fovea {

class GoldenFile {
 public:
  GoldenFile(const std::string& file, DType dtype)
      : tensors_(load_safetensors("tests/golden/" + file + ".safetensors").tensors), dtype_(dtype) {}

  bool has(const std::string& name) const { return tensors_.count(name) != 0; }
  Tensor operator[](const std::string& name) {  // converted to the dtype that is tested, where it is floating
    REQUIRE_MESSAGE(has(name), name);
    used_.insert(name);
    const Tensor& t = tensors_.at(name);
    return is_floating(t.dtype()) ? t.to(dtype_) : t;
  }

  void check(const std::string& name, const Tensor& got) {
    REQUIRE_MESSAGE(has(name), name);
    used_.insert(name);
    const Tensor expected = tensors_.at(name);
    REQUIRE_MESSAGE(got.shape() == expected.shape(), name);
    CHECK_MESSAGE(got.dtype() == dtype_, name);
    const Tensor distance = abs(got.to(DType::f64) - expected) / (1 + abs(expected));
    const double worst = max(distance).item();
    CHECK_MESSAGE(worst <= (dtype_ == DType::f64 ? 1e-10 : 1e-4), name, ": off by ", worst, " in ", name_of_dtype());
  }
  void check(const std::string& name, double got) { check(name, scalar(got, dtype_)); }

  // A module's parameters and buffers are "prefix" + path here, the gradients that + ".grad".
  void load_into(nn::Module& module, const std::string& prefix = "") {
    module.to(dtype_);
    std::map<std::string, Tensor> state;
    for (const auto& [path, t] : module.state()) state[path] = (*this)[prefix + path];
    module.load_state(state);
  }
  void check_parameters(nn::Module& module, const std::string& prefix, const std::string& suffix) {
    for (const auto& [path, p] : module.parameters()) {
      if (suffix == ".grad")
        check(prefix + path + suffix, p->grad());
      else
        check(prefix + path + suffix, p->value());
    }
  }

  // How many tensors nothing has asked for yet, and one of them.
  std::string unused() const {
    for (const auto& [name, tensor] : tensors_) {
      if (!used_.count(name)) return name;
    }
    return "";
  }
  DType dtype() const { return dtype_; }

 private:
  std::string name_of_dtype() const { return name(dtype_); }
  std::map<std::string, Tensor> tensors_;
  std::set<std::string> used_;
  DType dtype_;
};

}  // namespace fovea
