// What the examples show: terminals (a pseudo-terminal stands in), progress bars, numbers, tables; and Ctrl-C.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <limits>
#include <thread>

#include "doctest/doctest.h"
#include "examples/lib/format.h"
#include "examples/lib/interrupt.h"
#include "examples/lib/progress.h"
#include "examples/lib/table.h"
#include "examples/lib/terminal.h"
#include "tensor/error.h"
#include "tests/messages.h"

using namespace fovea;
using namespace fovea::lib;

namespace {

struct Environment {  // a variable's value for as long as this lives; null unsets it
  std::string name, before;
  bool was_set;
  Environment(const char* variable, const char* value) : name(variable), was_set(std::getenv(variable) != nullptr) {
    if (was_set) before = std::getenv(variable);
    value ? setenv(variable, value, 1) : unsetenv(variable);
  }
  ~Environment() { was_set ? setenv(name.c_str(), before.c_str(), 1) : unsetenv(name.c_str()); }
};

struct PseudoTerminal {
  int master, slave;
  explicit PseudoTerminal(unsigned short columns) {
    master = posix_openpt(O_RDWR | O_NOCTTY);
    REQUIRE(master >= 0);
    REQUIRE(grantpt(master) == 0);
    REQUIRE(unlockpt(master) == 0);
    slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    REQUIRE(slave >= 0);
    winsize size = {};
    size.ws_col = columns, size.ws_row = 24;
    REQUIRE(ioctl(slave, TIOCSWINSZ, &size) == 0);
    fcntl(master, F_SETFL, O_NONBLOCK);
  }
  ~PseudoTerminal() { close(slave), close(master); }
  std::string output() const {
    std::string text;
    char buffer[4096];
    for (ssize_t got; (got = read(master, buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<size_t>(got));
    return text;
  }
};

// How a child process ends that runs fn with the signals as a shell starts it: "exit n" or "signal n".
template <class Fn> std::string end_of_child(Fn fn) {
  const pid_t child = fork();
  if (child == 0) {
    std::signal(SIGINT, SIG_DFL), std::signal(SIGTERM, SIG_DFL);  // the test runner catches them
    _exit(fn());
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  if (WIFSIGNALED(status)) return "signal " + std::to_string(WTERMSIG(status));
  return "exit " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

TEST_CASE("format: counts, durations, bytes, rates") {
  CHECK(format_significant(0.0012345, 3) == "0.00123");
  CHECK(format_significant(127, 2) == "130");
  CHECK(format_significant(99.6, 2) == "100");
  CHECK(format_significant(-4567.8, 2) == "-4600");
  CHECK(format_significant(1e30, 2) == "1e+30");
  CHECK(format_significant(9.96, 2) == "10");
  CHECK(format_count(0) == "0");
  CHECK(format_count(999) == "999");
  CHECK(format_count(1000) == "1,000");
  CHECK(format_count(1003854) == "1,003,854");
  CHECK(format_count(-123456) == "-123,456");
  CHECK(format_count(std::numeric_limits<int64_t>::min()) == "-9,223,372,036,854,775,808");
  CHECK(format_duration(0.516) == "0.52s");
  CHECK(format_duration(0.9999) == "1.0s");
  CHECK(format_duration(59.97) == "1m 00s");
  CHECK(format_duration(92.3) == "1m 32s");
  CHECK(format_duration(3599.6) == "1h 00m");
  CHECK(format_duration(11040) == "3h 04m");
  CHECK(format_duration(2 * 86400 + 3 * 3600) == "2d 03h");
  CHECK(format_duration(std::numeric_limits<double>::infinity()) == "?");
  CHECK(format_duration(-1) == "?");
  CHECK(format_bytes(512) == "512 B");
  CHECK(format_bytes(3250586) == "3.1 MiB");
  CHECK(format_bytes((1 << 20) - 1) == "1.0 MiB");
  CHECK(format_bytes(std::numeric_limits<int64_t>::max()) == "8.0 EiB");
  CHECK(format_rate(41200.4, "tokens") == "41,200 tokens/s");
  CHECK(format_rate(3.214, "steps") == "3.21 steps/s");
  CHECK(format_rate(12.34, "steps") == "12.3 steps/s");
  CHECK(format_rate(std::nan(""), "steps") == "? steps/s");
}

TEST_CASE("format_number: the shortest text that reads back the same") {
  CHECK(format_number(0.0003) == "0.0003");
  CHECK(format_number(0.1) == "0.1");
  CHECK(format_number(1e-5) == "1e-05");
  CHECK(format_number(-2) == "-2");
  CHECK(format_number(-0.0) == "-0");
  CHECK(format_number(100) == "100");
  CHECK(format_number(std::nan("")) == "nan");
  CHECK(format_number(-std::numeric_limits<double>::infinity()) == "-inf");
  for (const double value : {1.0 / 3, 0.1 + 0.2, 5e-324, 1.7976931348623157e308, 1.8849213123321533}) {
    CHECK(std::strtod(format_number(value).c_str(), nullptr) == value);
  }
}

TEST_CASE("terminal: widths of text") {
  CHECK(display_width("") == 0);
  CHECK(display_width("plain") == 5);
  CHECK(display_width("汉字") == 4);
  CHECK(display_width("한글 ｶﾅ カナ") == 4 + 1 + 2 + 1 + 4);
  CHECK(display_width("e\u0301") == 1);
  CHECK(display_width("😀") == 2);
  CHECK(display_width("\xFFz") == 2);
  CHECK(cut_to_width("abc", 2) == "ab");
  CHECK(cut_to_width("汉字", 3) == "汉");
  CHECK(cut_to_width("e\u0301x", 1) == "e\u0301");
  CHECK(cut_to_width("abc", 9) == "abc");
  CHECK(cut_to_width("abc", 0) == "");
  CHECK(cut_to_width("abc", -1) == "");
}

TEST_CASE("terminal: colour and redrawing only where they work") {
  const PseudoTerminal pty(57);
  const Environment terminal_kind("TERM", "xterm"), no_color("NO_COLOR", nullptr);
  const Terminal on(pty.slave);
  CHECK(on.interactive());
  CHECK(on.width() == 57);
  CHECK(on.red("x") == "\x1b[31mx\x1b[0m");
  {
    const Environment wish("NO_COLOR", "1");
    CHECK(Terminal(pty.slave).interactive());
    CHECK(Terminal(pty.slave).red("x") == "x");
  }
  {
    const Environment dumb("TERM", "dumb");
    CHECK_FALSE(Terminal(pty.slave).interactive());
    CHECK(Terminal(pty.slave).bold("x") == "x");
  }
  int pipe_ends[2];
  REQUIRE(pipe(pipe_ends) == 0);
  const Environment columns("COLUMNS", "66");
  CHECK_FALSE(Terminal(pipe_ends[1]).interactive());
  CHECK(Terminal(pipe_ends[1]).green("x") == "x");
  CHECK(Terminal(pipe_ends[1]).width() == 66);
  const Environment no_columns("COLUMNS", nullptr);
  CHECK(Terminal(pipe_ends[1]).width() == 80);
  close(pipe_ends[0]), close(pipe_ends[1]);

  const Environment all("LC_ALL", nullptr), type("LC_CTYPE", "C"), lang("LANG", "en_US.UTF-8");
  CHECK_FALSE(Terminal(2).unicode());
  const Environment utf8_type("LC_CTYPE", "C.utf8");
  CHECK(Terminal(2).unicode());
}

TEST_CASE("progress: in a pipe plain lines, the first, every n-th and the last") {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  {
    Progress progress({.total = 25, .plain_every = 10, .fd = ends[1]});
    for (int step = 1; step <= 25; ++step) {
      CHECK(progress.due(step) == (step == 1 || step == 10 || step == 20 || step == 25));
      progress.update(step, "step " + std::to_string(step));
    }
    progress.clear();
  }
  char buffer[256];
  const std::string text(buffer, static_cast<size_t>(read(ends[0], buffer, sizeof buffer)));
  CHECK(text == "step 1\nstep 10\nstep 20\nstep 25\n");
  close(ends[0]), close(ends[1]);
}

TEST_CASE("progress: on a terminal one line, rarely redrawn, cut to the width, then gone") {
  const Environment kind("TERM", "xterm"), locale("LC_ALL", "C");
  const PseudoTerminal pty(40);
  {
    Progress progress({.total = 200, .fd = pty.slave});
    progress.update(50, "step 50 of 200");
    CHECK(pty.output() == "\r####............... 25%  step 50 of 200\x1b[K");
    progress.clear();
    progress.clear();
    CHECK(pty.output() == "\r\x1b[K");
  }
  CHECK(pty.output() == "");
  {
    const Environment utf8("LC_ALL", "C.UTF-8");
    Progress progress({.total = 200, .fd = pty.slave});
    progress.update(200, "finished, all 200 steps");
    CHECK(pty.output() == "\r█████████ 100%  finished, all 200 steps\x1b[K");
  }
  CHECK(pty.output() == "\r\x1b[K");
  {
    Progress progress({.total = 200, .fd = pty.slave});
    progress.update(1, std::string(38, 'a') + "汉字");
    CHECK(pty.output() == "\r" + std::string(38, 'a') + "\x1b[K");
  }
  pty.output();

  const auto begin = std::chrono::steady_clock::now();
  {
    Progress progress({.total = 200, .fd = pty.slave});
    for (int step = 1; step <= 200; ++step) {
      progress.update(step, "s");
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const std::string text = pty.output();
  const auto redraws = std::count(text.begin(), text.end(), '\r');
  CHECK(redraws >= 2);
  CHECK(static_cast<double>(redraws) <= seconds * 10 + 2);  // the first one and the erasing
  CHECK_FALSE(contains(text, "\n"));
}

TEST_CASE("progress: time left follows the speed of this run, not of the one it resumes") {
  Progress progress({.total = 300, .start = 100, .fd = 2});
  CHECK(std::isinf(progress.seconds_left(100)));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK(progress.seconds_left(200) >= 0.02);
  CHECK(progress.seconds_left(300) == 0);
  CHECK(progress.seconds_left(101) > progress.seconds_left(299) * 100);
}

TEST_CASE("interrupt: the first signal asks, the second ends, afterwards all is as before") {
  for (const int signal : {SIGINT, SIGTERM}) {
    const std::string killed = "signal " + std::to_string(signal);
    CHECK(end_of_child([&] {
            InterruptCatcher catcher;
            if (interrupted()) return 1;
            std::raise(signal);
            return interrupted() ? interrupt_signal() : 2;
          }) == "exit " + std::to_string(signal));
    CHECK(end_of_child([&] {
            InterruptCatcher catcher;
            std::raise(SIGINT);
            std::raise(signal);
            return 3;
          }) == killed);
    CHECK(end_of_child([&] {
            { InterruptCatcher catcher; }
            std::raise(signal);
            return 4;
          }) == killed);
    CHECK(end_of_child([&] {
            {
              InterruptCatcher first;
              std::raise(signal);
            }
            InterruptCatcher second;
            return interrupted() ? 5 : 0;
          }) == "exit 0");
    CHECK(end_of_child([&] {  // started with nohup, so to speak
            std::signal(signal, SIG_IGN);
            InterruptCatcher catcher;
            std::raise(signal), std::raise(signal);
            return interrupted() ? 6 : 0;
          }) == "exit 0");
  }
}

TEST_CASE("table: aligned by what the eye sees") {
  Table table({{"layer"}, {"参数", Align::right}, {"note"}});
  table.row({"embedding", "8,320", ""});
  table.row({"头", "1", "x"});
  table.rule();
  table.row({"sum", "8,321", "汉字 done"});
  CHECK(table.text() ==
        "layer       参数  note\n"
        "---------  -----  ---------\n"
        "embedding  8,320\n"
        "头             1  x\n"
        "---------  -----  ---------\n"
        "sum        8,321  汉字 done\n");
  CHECK_THROWS_WITH_AS(table.row({"a"}), "Table::row: 1 cells for 3 columns", ValueError);
}
