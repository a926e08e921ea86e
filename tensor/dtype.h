// The four kinds of element, and how a run-time kind becomes a compile-time type.
#pragma once
#include <cstdint>
#include <ostream>
#include <type_traits>

#include "tensor/error.h"

namespace fovea {

enum class DType : uint8_t { f32, f64, i64, boolean };

constexpr bool is_floating(DType dtype) { return dtype == DType::f32 || dtype == DType::f64; }
constexpr int64_t size_of(DType dtype) { return dtype == DType::boolean ? 1 : dtype == DType::f32 ? 4 : 8; }
constexpr const char* name(DType dtype) {
  constexpr const char* names[] = {"f32", "f64", "i64", "bool"};
  return names[int(dtype)];
}
inline std::ostream& operator<<(std::ostream& out, DType dtype) { return out << name(dtype); }

template <class T> constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, float>) return DType::f32;
  if constexpr (std::is_same_v<T, double>) return DType::f64;
  if constexpr (std::is_same_v<T, int64_t>) return DType::i64;
  if constexpr (std::is_same_v<T, bool>) return DType::boolean;
}

// Calls fn with a value of the element type: with_type(dtype, [&]<class T>(T) { … }).
template <class Fn> decltype(auto) with_type(DType dtype, Fn&& fn) {
  switch (dtype) {
    case DType::f64: return fn(double{});
    case DType::i64: return fn(int64_t{});
    case DType::boolean: return fn(bool{});
    default: return fn(float{});
  }
}

// The same where only f32 and f64 make sense; anything else is an error that names the operation.
template <class Fn> decltype(auto) with_floating(DType dtype, const char* operation, Fn&& fn) {
  if (dtype == DType::f64) return fn(double{});
  if (dtype != DType::f32)
    fail(ErrorKind::dtype, operation, ": takes f32 or f64, got ", dtype, "; convert with .to(DType::f32)");
  return fn(float{});
}

}  // namespace fovea
