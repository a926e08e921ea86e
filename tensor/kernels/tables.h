// All kernels of one instruction-set level. To add a family of kernels: a pointer to its table here, a line in
// tables.cpp.
#pragma once

namespace fovea {

struct GemmKernels;       // tensor/kernels/gemm.h
struct MapKernels;        // tensor/kernels/map.h
struct ReduceKernels;     // tensor/kernels/reduce.h
struct RowKernels;        // tensor/kernels/rows.h
struct OptimizerKernels;  // tensor/kernels/optimizer.h
struct AttentionKernels;  // tensor/kernels/attention.h
struct RandomKernels;     // tensor/kernels/random.h

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
  const RandomKernels* random;
};

}  // namespace fovea
