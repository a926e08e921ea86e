// What the benchmarks share: a clock and a median.
#pragma once
#include <algorithm>
#include <vector>

#include "tensor/machine.h"

namespace fovea {

inline double now() { return 1e-9 * double(now_nanoseconds()); }  // seconds

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace fovea
