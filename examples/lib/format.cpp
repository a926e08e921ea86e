// Numbers as people read them. See format.h.
#include "examples/lib/format.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace fovea::lib {
namespace {

std::string print(const char* pattern, double value, int precision) {
  char text[64];
  std::snprintf(text, sizeof text, pattern, precision, value);
  return text;
}

// "3h 04m": a number of large units and the rest in small ones.
std::string two_units(int64_t total, int64_t per_large, char large, char small) {
  char text[64];
  std::snprintf(text, sizeof text, "%lld%c %02lld%c", static_cast<long long>(total / per_large), large,
                static_cast<long long>(total % per_large), small);
  return text;
}

}  // namespace

std::string format_number(double value) {
  if (std::isnan(value)) return "nan";
  if (std::fabs(value) < 1e15 && value == std::trunc(value)) return print("%.*f", value, 0);  // 100, not 1e+02
  int precision = 1;
  std::string text = print("%.*g", value, precision);
  while (precision < 17 && std::strtod(text.c_str(), nullptr) != value) { text = print("%.*g", value, ++precision); }
  return text;
}

std::string format_fixed(double value, int decimals) {
  char text[400];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

std::string format_significant(double value, int digits) {
  char text[400];
  std::snprintf(text, sizeof text, "%.*g", digits, value);
  const double rounded = std::strtod(text, nullptr), size = std::fabs(rounded);
  return size >= 10 && size < 1e6 && size >= std::pow(10, digits) ? print("%.*f", rounded, 0)
                                                                  : text;  // 130, not 1.3e+02
}

std::string format_count(int64_t count) {
  const std::string digits = std::to_string(count);
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    const bool between_digits = i > 0 && digits[i - 1] != '-';
    if (between_digits && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string format_duration(double seconds) {
  if (!(seconds >= 0 && seconds < 1e12)) return "?";
  if (seconds < 0.995) return print("%.*f", seconds, 2) + "s";
  if (seconds < 59.95) return print("%.*f", seconds, 1) + "s";
  const int64_t whole = std::llround(seconds);
  if (whole < 3600) return two_units(whole, 60, 'm', 's');
  if (whole < 86400) return two_units(whole / 60, 60, 'h', 'm');
  return two_units(whole / 3600, 24, 'd', 'h');
}

std::string format_bytes(int64_t bytes) {
  if (std::abs(bytes) < 1024) return std::to_string(bytes) + " B";
  const char* const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (std::fabs(value) >= 1023.95 && unit < 5) value /= 1024, ++unit;
  return print("%.*f", value, 1) + " " + units[unit];
}

std::string format_rate(double per_second, std::string_view unit) {
  std::string number = "?";
  if (per_second >= 0 && per_second < 9.995)
    number = print("%.*f", per_second, 2);
  else if (per_second >= 0 && per_second < 99.95)
    number = print("%.*f", per_second, 1);
  else if (per_second >= 0 && per_second < 1e18)
    number = format_count(std::llround(per_second));
  return number.append(" ").append(unit).append("/s");
}

}  // namespace fovea::lib
