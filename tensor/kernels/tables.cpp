// The tables of kernels of one level, gathered for tensor/dispatch.cpp.
#include "tensor/kernels/tables.h"

#include "tensor/kernels/simd.h"

namespace fovea::FOVEA_LEVEL {

extern const GemmKernels gemm_kernels;
extern const MapKernels map_kernels;
extern const ReduceKernels reduce_kernels;
extern const RowKernels row_kernels;
extern const OptimizerKernels optimizer_kernels;
extern const AttentionKernels attention_kernels;
extern const RandomKernels random_kernels;

extern const Kernels all_kernels;
const Kernels all_kernels{
    .vector_bytes = kVectorBytes,
    .fused = kFused,
    .gemm = &gemm_kernels,
    .map = &map_kernels,
    .reduce = &reduce_kernels,
    .rows = &row_kernels,
    .optimizer = &optimizer_kernels,
    .attention = &attention_kernels,
    .random = &random_kernels,
};

}  // namespace fovea::FOVEA_LEVEL
