// A progress bar for long loops: one line on a terminal's standard error that is redrawn in place, plain lines
// everywhere else (a pipe, a log file, TERM=dumb).
#pragma once
#include <chrono>
#include <cstdint>
#include <string_view>

#include "examples/lib/terminal.h"

namespace fovea::lib {

class Progress {
 public:
  struct Options {
    int64_t total = 1;        // the loop is done when done == total
    int64_t start = 0;        // where it begins; not 0 in a resumed run
    int64_t plain_every = 1;  // where there is no terminal: a line for the first, every n-th and the last step
    int fd = 2;
  };
  explicit Progress(Options options);
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Whether update(done, …) would show something now: on a terminal at most ten times a second. Asking first spares the
  // caller the reading and formatting of numbers that nobody sees.
  bool due(int64_t done) const;

  // Shows the text, e.g. "step 840/2,000  loss 1.91  41,200 tokens/s  1m 32s left", if it is due; on a terminal behind
  // a bar, and cut to the window's width. done counts finished steps.
  void update(int64_t done, std::string_view text);

  // Takes the bar away, so that other lines can be printed; the next update draws it again below them.
  void clear();

  // Time until the end at the mean speed since the start; infinite before the first step.
  double seconds_left(int64_t done) const;

 private:
  void draw_bar(int64_t done, std::string_view text);

  using Clock = std::chrono::steady_clock;
  Options options_;
  Terminal terminal_;
  Clock::time_point started_ = Clock::now();
  Clock::time_point drawn_at_;  // the latest redraw
  int64_t shown_ = -1;          // the step of the latest update that showed, -1 before it
  bool on_screen_ = false;
};

}  // namespace fovea::lib
