// Which instruction set the kernels run with. Every file of tensor/kernels/ is compiled once per level, into
// a namespace of the level's name; the best level that the machine has is picked when the first kernel is
// asked for. A build holds the best level of the machine it is made on, or all of them: LEVELS in the Makefile.
#pragma once
#include <string>
#include <vector>

#include "tensor/kernels/tables.h"

namespace fovea {

enum class Isa {
  baseline,  // what every processor of the architecture has: SSE2, or NEON on ARM
  avx2,      // AVX2 with FMA, 32-byte vectors
  avx512,    // AVX-512 F, DQ, VL, BW, 64-byte vectors
  wide,      // only in the tests: the source for 64-byte vectors on the registers of AVX2
};

const Kernels& kernels();  // of the active level

// The half of a pair of tables that works on elements of type T: table_of<T>(*kernels().reduce).
template <class T, class Pair> const auto& table_of(const Pair& tables) {
  if constexpr (sizeof(T) == 4)
    return tables.f32;
  else
    return tables.f64;
}

Isa active_isa();
std::string isa_name(Isa isa);      // "baseline" ("neon" on ARM), "avx2", "avx512", "wide"
std::vector<Isa> available_isas();  // what this machine can run and this build holds, slowest first
std::string missing_isa();          // the best level of this machine, if the build does not hold it; else ""
void set_isa(Isa isa);              // for tests and benchmarks; an error if the machine cannot run it

void add_isa(Isa isa, const Kernels& table);  // for tests and benchmarks: a level that the library does not hold

}  // namespace fovea
