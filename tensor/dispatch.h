// Which instruction set the kernels run with. Every file of tensor/kernels/ is compiled once per level, into
// a namespace of the level's name; the best level that the machine has is picked when the first kernel is
// asked for.
//
// To add a family of kernels: a pointer to its table in Kernels below, a line in tensor/kernels/tables.cpp.
#pragma once
#include <string>
#include <vector>

namespace fovea {

enum class Isa {
  baseline,  // what every processor of the architecture has: SSE2, or NEON on ARM
  avx2,      // AVX2 with FMA, 32-byte vectors
  avx512,    // AVX-512 F, DQ, VL, BW, 64-byte vectors
  wide,      // only in the tests: the source for 64-byte vectors on the registers of AVX2
};

struct GemmKernels;       // tensor/kernels/gemm.h
struct MapKernels;        // tensor/kernels/map.h
struct ReduceKernels;     // tensor/kernels/reduce.h
struct RowKernels;        // tensor/kernels/rows.h
struct OptimizerKernels;  // tensor/kernels/optimizer.h
struct AttentionKernels;  // tensor/kernels/attention.h

// The kernels of one level.
struct Kernels {
  int vector_bytes;  // width of a register
  bool fused;        // whether fma rounds once
  const GemmKernels* gemm;
  const MapKernels* map;
  const ReduceKernels* reduce;
  const RowKernels* rows;
  const OptimizerKernels* optimizer;
  const AttentionKernels* attention;
};

const Kernels& kernels();  // of the active level

Isa active_isa();
std::string isa_name(Isa isa);      // "baseline" ("neon" on ARM), "avx2", "avx512", "wide"
std::vector<Isa> available_isas();  // what this machine can run, slowest first
void set_isa(Isa isa);              // for tests and benchmarks; an error if the machine cannot run it

void add_isa(Isa isa, const Kernels& table);  // for tests: makes a level of their own available

}  // namespace fovea
