// The one place that reads the environment: what a user can set without touching the program.
//   FOVEA_ISA=baseline|avx2|avx512   the instruction set of the kernels (default: the best of this machine and build)
//   FOVEA_THREADS=n                  how many threads work (default: the cores this process may use)
#pragma once
#include <cstdint>
#include <optional>
#include <string>

namespace fovea {

std::optional<std::string> environment_isa();
std::optional<int64_t> environment_threads();  // a value that is no whole number from 1 to 1024 is an error

}  // namespace fovea
