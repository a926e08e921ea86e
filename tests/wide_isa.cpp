// The kernels compiled for 64-byte vectors, as AVX-512 has them, but with AVX2 instructions: so that the
// tests prove the wide code on machines without AVX-512. See the level "wide" in the Makefile.
#include "tensor/cpu.h"
#include "tensor/dispatch.h"

#if defined(__x86_64__)
namespace fovea {
namespace wide {
extern const Kernels all_kernels;
}
namespace {

[[maybe_unused]] const bool added = [] {
  if (cpu_has_avx2()) add_isa(Isa::wide, wide::all_kernels);
  return true;
}();

}  // namespace
}  // namespace fovea
#endif
