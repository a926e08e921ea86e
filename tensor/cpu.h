// What the machine under the process is: its name, the vector instructions it has, and how many of its cores
// this process may use.
#pragma once
#include <string>

namespace fovea {

std::string cpu_name();  // "AMD EPYC 9B14", as the processor calls itself

bool cpu_has_avx2();    // AVX2 and FMA, usable under this operating system
bool cpu_has_avx512();  // AVX-512 F, DQ, VL and BW

// Physical cores (two hardware threads of one core count once) within the scheduling affinity and the
// cgroup's CPU quota (v1 or v2) of this process; at least 1.
int usable_cores();

}  // namespace fovea
