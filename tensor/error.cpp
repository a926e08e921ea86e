#include "tensor/error.h"

namespace fovea {
namespace {
thread_local const ErrorContext* innermost_context = nullptr;
}

ErrorContext::ErrorContext() : outer_(innermost_context) { innermost_context = this; }
ErrorContext::~ErrorContext() { innermost_context = outer_; }
const ErrorContext* ErrorContext::innermost() { return innermost_context; }

void throw_error(ErrorKind kind, const std::string& message) {
  std::string text = message;
  if (innermost_context) {
    if (const std::string place = innermost_context->where(); !place.empty()) text += " (in " + place + ")";
  }
  switch (kind) {
    case ErrorKind::shape: throw ShapeError(text);
    case ErrorKind::dtype: throw DTypeError(text);
    case ErrorKind::index: throw IndexError(text);
    case ErrorKind::value: throw ValueError(text);
    case ErrorKind::file: throw FileError(text);
    case ErrorKind::tape: throw TapeError(text);
    case ErrorKind::memory: throw MemoryError(text);
    case ErrorKind::anomaly: throw AnomalyError(text);
  }
  throw Error(text);
}

}  // namespace fovea
