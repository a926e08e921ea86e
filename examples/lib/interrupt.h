// Ctrl-C as a polite request: the first SIGINT or SIGTERM sets a flag that the training loop looks at between steps, so
// that it can finish the step and save; a second one ends the program at once, as if nobody had caught it.
#pragma once
#include <csignal>

namespace fovea::lib {

// Catches both signals while it is alive, then puts back what was there. One at a time. A signal that the program was
// started to ignore (nohup, a background job) stays ignored.
class InterruptCatcher {
 public:
  InterruptCatcher();
  ~InterruptCatcher();
  InterruptCatcher(const InterruptCatcher&) = delete;
  InterruptCatcher& operator=(const InterruptCatcher&) = delete;

 private:
  struct sigaction before_int_, before_term_;
};

bool interrupted();

// The signal that came, 0 if none. A program that ends because of it returns 128 + that: 130 after Ctrl-C.
int interrupt_signal();

}  // namespace fovea::lib
