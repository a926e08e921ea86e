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

namespace baseline {
extern const MathLevel math_level;
}
namespace avx2 {
extern const MathLevel math_level;
}
namespace avx512 {
extern const MathLevel math_level;
}
namespace wide {
extern const MathLevel math_level;
}

// The levels that this machine can run and this build holds, the baseline first.
inline std::vector<const MathLevel*> math_levels() {
  std::vector<const MathLevel*> levels{&baseline::math_level};
#if defined(__x86_64__)
#ifndef FOVEA_WITHOUT_avx2
  if (cpu_has_avx2()) levels.push_back(&avx2::math_level);
#endif
#ifndef FOVEA_WITHOUT_avx512
  if (cpu_has_avx512()) levels.push_back(&avx512::math_level);
#endif
  if (cpu_has_avx2()) levels.push_back(&wide::math_level);
#endif
  return levels;
}

}  // namespace fovea
