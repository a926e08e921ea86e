// placeholder
#pragma once
namespace fovea {
struct GemmKernels { int unused; };
}
