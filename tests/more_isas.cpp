// The levels that the library does not hold, for the tests and the benchmarks: whatever else this machine can run, and
// "wide", the source for the 64-byte vectors of AVX-512 on the registers of AVX2, which proves it on machines without
// AVX-512. (OTHER_LEVELS in the Makefile says which are compiled; null stands for the others.)
#include "tensor/cpu.h"
#include "tensor/dispatch.h"

namespace fovea {

namespace baseline {
[[gnu::weak]] extern const Kernels all_kernels;
}
namespace avx2 {
[[gnu::weak]] extern const Kernels all_kernels;
}
namespace avx512 {
[[gnu::weak]] extern const Kernels all_kernels;
}
namespace wide {
[[gnu::weak]] extern const Kernels all_kernels;
}

namespace {

[[maybe_unused]] const bool added = [] {
  const auto add = [](Isa isa, const Kernels* kernels, bool runs) {
    if (kernels && runs) add_isa(isa, *kernels);
  };
  add(Isa::baseline, &baseline::all_kernels, true);
  add(Isa::avx2, &avx2::all_kernels, cpu_has_avx2());
  add(Isa::avx512, &avx512::all_kernels, cpu_has_avx512());
  add(Isa::wide, &wide::all_kernels, cpu_has_avx2());
  return true;
}();

}  // namespace
}  // namespace fovea
