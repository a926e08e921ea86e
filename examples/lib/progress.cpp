// A progress bar for long loops. See progress.h.
#include "examples/lib/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <string>

namespace fovea::lib {
namespace {

constexpr auto redraw_interval = std::chrono::milliseconds(100);
constexpr int64_t widest_bar = 30, narrowest_bar = 8;

// In one piece where the system lets us, so that the line does not flicker. A bar that cannot be written harms nobody.
void write_line(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    text.remove_prefix(static_cast<size_t>(written));
  }
}

void append_times(std::string& line, int64_t count, std::string_view text) {
  for (int64_t i = 0; i < count; ++i) line += text;
}

}  // namespace

Progress::Progress(Options options) : options_(options), terminal_(options.fd) {
  options_.total = std::max<int64_t>(options_.total, 1);
  options_.plain_every = std::max<int64_t>(options_.plain_every, 1);
}

bool Progress::due(int64_t done) const {
  if (shown_ < 0) return true;
  if (terminal_.interactive()) return Clock::now() - drawn_at_ >= redraw_interval;
  return done != shown_ && (done % options_.plain_every == 0 || done == options_.total);
}

void Progress::update(int64_t done, std::string_view text) {
  if (!due(done)) return;
  if (terminal_.interactive()) {
    draw_bar(done, text);
  } else {
    write_line(options_.fd, std::string(text) + "\n");
  }
  shown_ = done;
}

void Progress::draw_bar(int64_t done, std::string_view text) {
  const int64_t columns = terminal_.width() - 1;  // a full last column would wrap the line
  const double part =
      static_cast<double>(std::clamp<int64_t>(done, 0, options_.total)) / static_cast<double>(options_.total);
  const std::string percent = " " + std::to_string(static_cast<int64_t>(100 * part)) + "%  ";
  const int64_t room = columns - display_width(text) - static_cast<int64_t>(percent.size());

  std::string line = "\r";
  if (room >= narrowest_bar) {
    const int64_t bar = std::min(room, widest_bar);
    const int64_t filled = static_cast<int64_t>(part * static_cast<double>(bar));
    append_times(line, filled, terminal_.unicode() ? "█" : "#");
    append_times(line, bar - filled, terminal_.unicode() ? "░" : ".");
    line += percent;
  }
  line.append(cut_to_width(text, columns)).append("\x1b[K");  // and erase what an older, longer line left behind
  write_line(options_.fd, line);
  drawn_at_ = Clock::now();
  on_screen_ = true;
}

void Progress::clear() {
  if (on_screen_) write_line(options_.fd, "\r\x1b[K");
  on_screen_ = false;
}

double Progress::seconds_left(int64_t done) const {
  if (done <= options_.start) return std::numeric_limits<double>::infinity();
  const double elapsed = std::chrono::duration<double>(Clock::now() - started_).count();
  return elapsed / static_cast<double>(done - options_.start) * static_cast<double>(options_.total - done);
}

}  // namespace fovea::lib
