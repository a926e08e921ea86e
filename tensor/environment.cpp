#include "tensor/environment.h"

#include <charconv>
#include <cstdlib>
#include <cstring>

#include "tensor/error.h"

namespace fovea {

std::optional<std::string> environment_isa() {
  const char* text = std::getenv("FOVEA_ISA");
  if (!text || !*text) return std::nullopt;
  return std::string(text);
}

std::optional<int64_t> environment_threads() {
  const char* text = std::getenv("FOVEA_THREADS");
  if (!text || !*text) return std::nullopt;
  int64_t count = 0;
  const char* end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, count);
  if (error != std::errc() || stop != end || count < 1 || count > 1024) {
    fail(ErrorKind::value, "FOVEA_THREADS: '", text, "' is no whole number from 1 to 1024");
  }
  return count;
}

}  // namespace fovea
