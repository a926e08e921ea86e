#include "tensor/kernels/gemm.h"
namespace fovea::FOVEA_LEVEL {
extern const GemmKernels gemm_kernels;
const GemmKernels gemm_kernels{0};
}
