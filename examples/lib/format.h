// Numbers as people read them: counts with commas, durations, sizes in bytes, rates.
//
// format_number is the exception: it writes the shortest text that reads back as the same double, so that the logs of
// two runs can be compared bit for bit.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace fovea::lib {

std::string format_number(double value);                            // 0.0003, 1.5, 1e-05, nan
std::string format_fixed(double value, int decimals);               // 1.5000
std::string format_significant(double value, int digits);           // 0.00123, 1200, 1e+30
std::string format_count(int64_t count);                            // 1,003,854
std::string format_duration(double seconds);                        // 0.52s, 12.3s, 1m 32s, 3h 04m, 2d 03h
std::string format_bytes(int64_t bytes);                            // 512 B, 3.1 MiB
std::string format_rate(double per_second, std::string_view unit);  // 41,200 tokens/s, 3.21 steps/s

}  // namespace fovea::lib
