// The tables of kernels of one level, gathered for tensor/dispatch.cpp.
#include "tensor/dispatch.h"
#include "tensor/kernels/simd.h"

namespace fovea::FOVEA_LEVEL {

extern const GemmKernels gemm_kernels;

extern const Kernels all_kernels;
const Kernels all_kernels{
    .vector_bytes = kVectorBytes,
    .fused = kFused,
    .gemm = &gemm_kernels,
};

}  // namespace fovea::FOVEA_LEVEL
