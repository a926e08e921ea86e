// Every error of fovea: one family of exceptions, thrown through one function.
//
// A message names the operation, the role and shape of each operand, the numbers that clash and, where there
// is one, the likely fix: "matmul: inner sizes differ: a [32, 128] has 128, b [64, 256] has 64". Errors are
// thrown before anything is changed. Whoever knows where in a model the program is adds that (see
// ErrorContext).
#pragma once
#include <cstdint>
#include <sstream>
#include <stdexcept>
#include <string>

namespace fovea {

enum class ErrorKind { shape, dtype, index, value, file, tape, memory, anomaly };

struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};
template <ErrorKind kind> struct ErrorOf : Error { using Error::Error; };
using ShapeError = ErrorOf<ErrorKind::shape>;      // sizes or axes that do not fit each other
using DTypeError = ErrorOf<ErrorKind::dtype>;      // a type of element that the operation does not take
using IndexError = ErrorOf<ErrorKind::index>;      // an index outside its axis
using ValueError = ErrorOf<ErrorKind::value>;      // an argument outside its range
using FileError = ErrorOf<ErrorKind::file>;        // a file that cannot be read, written or understood
using TapeError = ErrorOf<ErrorKind::tape>;        // a variable or a tape used at the wrong time
using MemoryError = ErrorOf<ErrorKind::memory>;    // more memory than the limit or the system gives
using AnomalyError = ErrorOf<ErrorKind::anomaly>;  // a NaN or an infinity, found by a tape that looks for them

// The place in a model where the thread is; while one is alive its text ends every error message.
class ErrorContext {
 public:
  ErrorContext();
  virtual ~ErrorContext();
  ErrorContext(const ErrorContext&) = delete;
  ErrorContext& operator=(const ErrorContext&) = delete;
  virtual std::string where() const = 0;  // "model.blocks.2.attention", or empty
  static const ErrorContext* innermost();
  const ErrorContext* outer() const { return outer_; }

 private:
  const ErrorContext* outer_;
};

[[noreturn]] void throw_error(ErrorKind kind, const std::string& message);

// Throws the error of that kind; the message is the parts, streamed one after another.
template <class... Parts>
[[noreturn]] __attribute__((noinline, cold)) void fail(ErrorKind kind, const Parts&... parts) {
  std::ostringstream message;
  (message << ... << parts);
  throw_error(kind, message.str());
}

}  // namespace fovea
