// Ctrl-C as a polite request. See interrupt.h.
#include "examples/lib/interrupt.h"

#include <atomic>

namespace fovea::lib {
namespace {

std::atomic<int> caught{0};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may touch nothing that locks");

void on_signal(int signal) {
  if (caught.exchange(signal) == 0) return;
  std::signal(signal, SIG_DFL);
  std::raise(signal);  // delivered as soon as this handler returns
}

void install(int signal, struct sigaction& before) {
  sigaction(signal, nullptr, &before);
  if (before.sa_handler == SIG_IGN) return;
  struct sigaction action = {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;  // a checkpoint that is being written is written to its end
  sigemptyset(&action.sa_mask);
  sigaction(signal, &action, nullptr);
}

}  // namespace

InterruptCatcher::InterruptCatcher() {
  caught = 0;
  install(SIGINT, before_int_);
  install(SIGTERM, before_term_);
}

InterruptCatcher::~InterruptCatcher() {
  sigaction(SIGINT, &before_int_, nullptr);
  sigaction(SIGTERM, &before_term_, nullptr);
}

bool interrupted() { return interrupt_signal() != 0; }

int interrupt_signal() { return caught; }

}  // namespace fovea::lib
