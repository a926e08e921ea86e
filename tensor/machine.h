// What the machine can do, measured while the program runs: the yardsticks that speeds are held against, with as many
// threads as parallel_for uses. And what the process takes of its memory.
#pragma once
#include <cstdint>

#include "tensor/dtype.h"

namespace fovea {

int64_t now_nanoseconds();  // of a clock that only goes forward

// Multiplications and additions a second in registers alone, which no kernel can exceed. `seconds`: how long to
// measure.
double measure_peak_flops(DType dtype = DType::f32, double seconds = 0.02);

// Bytes a second, read and written, of a copy that moves so many bytes again and again: half of them lie in each of two
// blocks, in whichever cache holds both.
double measure_bandwidth(int64_t bytes, double seconds = 0.01);

// The most memory that the process ever had, as the system counts it.
int64_t process_peak_bytes();

}  // namespace fovea
