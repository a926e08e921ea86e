// The elementary functions of tensor/kernels/math.h behind function pointers, compiled once per instruction set:
// for test_math.cpp and the program bench/math_ulp.cpp.
#pragma once
#include <cstdint>
#include <vector>

#include "tensor/cpu.h"

namespace fovea {

// y[i] = f(x[i]); n is a multiple of 16, so that whole registers of any width fit.
struct MathFunction {
  const char* name;
  void (*f32)(const float* x, float* y, int64_t n);
  void (*f64)(const double* x, double* y, int64_t n);
};
constexpr int kMathFunctions = 17;

struct MathLevel {
  const char* name;
  bool fused;
  MathFunction function[kMathFunctions];
  void (*pow_f32)(const float* x, const float* p, float* y, int64_t n);
  void (*pow_f64)(const double* x, const double* p, double* y, int64_t n);
};

// Null where the level is not compiled.
namespace baseline {
[[gnu::weak]] extern const MathLevel math_level;
}
namespace avx2 {
[[gnu::weak]] extern const MathLevel math_level;
}
namespace avx512 {
[[gnu::weak]] extern const MathLevel math_level;
}
namespace wide {
[[gnu::weak]] extern const MathLevel math_level;
}

// The levels that are compiled and that this machine can run, the baseline first.
inline std::vector<const MathLevel*> math_levels() {
  std::vector<const MathLevel*> levels;
  const auto add = [&](const MathLevel* level, bool runs) {
    if (level && runs) levels.push_back(level);
  };
  add(&baseline::math_level, true);
  add(&avx2::math_level, cpu_has_avx2());
  add(&avx512::math_level, cpu_has_avx512());
  add(&wide::math_level, cpu_has_avx2());
  return levels;
}

}  // namespace fovea
