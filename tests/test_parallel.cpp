// The thread pool: every piece once, the borders fixed, exceptions, nesting, several callers, forks.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "tensor/cpu.h"
#include "tensor/error.h"
#include "tensor/parallel.h"
#include "tests/restored.h"

using namespace fovea;

namespace {

std::set<std::pair<int64_t, int64_t>> pieces(int64_t n, int64_t grain) {
  std::mutex lock;
  std::set<std::pair<int64_t, int64_t>> seen;
  parallel_for(n, grain, [&](int64_t begin, int64_t end) {
    const std::lock_guard guard(lock);
    CHECK(seen.insert({begin, end}).second);
  });
  return seen;
}

}  // namespace

TEST_CASE("parallel_for runs every piece once, with borders that do not depend on the threads") {
  const tests::Restored restored;
  CHECK(usable_cores() >= 1);
  CHECK(!cpu_name().empty());
  for (const int count : {1, 2, 3, 5, 16}) {
    set_threads(count);
    CHECK(threads() == count);
    for (const int64_t n : {0, 1, 2, 3, 7, 64, 1000}) {
      for (const int64_t grain : {1, 2, 7, 64, 999, 1000, 5000}) {
        std::set<std::pair<int64_t, int64_t>> expected;
        for (int64_t begin = 0; begin < n; begin += grain) expected.insert({begin, std::min(n, begin + grain)});
        CHECK(pieces(n, grain) == expected);
      }
    }
  }
}

TEST_CASE("a range of one piece stays on the calling thread") {
  const tests::Restored restored;
  set_threads(3);
  const auto self = std::this_thread::get_id();
  for (int i = 0; i < 100; ++i) {
    parallel_for(10, 10, [&](int64_t, int64_t) { CHECK(std::this_thread::get_id() == self); });
  }
}

TEST_CASE("the pieces run on more than one thread") {
  const tests::Restored restored;
  set_threads(2);
  std::atomic<int> arrived{0};
  // Two pieces that wait for each other: this ends only if two threads work on them.
  parallel_for(2, 1, [&](int64_t, int64_t) {
    ++arrived;
    while (arrived < 2) std::this_thread::yield();
  });
  CHECK(arrived == 2);
}

TEST_CASE("the first exception arrives at the caller and the pool stays usable") {
  const tests::Restored restored;
  for (const int count : {1, 2, 5}) {
    set_threads(count);
    for (int round = 0; round < 20; ++round) {
      const auto throwing = [&](int64_t begin, int64_t) {
        if (begin == 5 * round) throw std::runtime_error("piece " + std::to_string(begin));
      };
      CHECK_THROWS_WITH_AS(parallel_for(100, 1, throwing), ("piece " + std::to_string(5 * round)).c_str(),
                           std::runtime_error);
      CHECK(pieces(10, 3).size() == 4);
    }
    CHECK_THROWS_AS(parallel_for(100, 1, [](int64_t, int64_t) { throw 1; }), int);
    CHECK(pieces(10, 3).size() == 4);
  }
}

TEST_CASE("calls from inside a piece run inline") {
  const tests::Restored restored;
  set_threads(3);
  std::atomic<int64_t> sum{0};
  parallel_for(10, 1, [&](int64_t i, int64_t) {
    const auto self = std::this_thread::get_id();
    parallel_for(10, 1, [&](int64_t j, int64_t) {
      CHECK(std::this_thread::get_id() == self);
      sum += 10 * i + j;
    });
  });
  CHECK(sum == 99 * 100 / 2);
}

TEST_CASE("several threads may call at once") {
  const tests::Restored restored;
  set_threads(3);
  std::vector<std::thread> callers;
  std::atomic<int> wrong{0};
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&] {
      for (int round = 0; round < 300; ++round) {
        std::vector<int64_t> squares(50);
        parallel_for(50, 4, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) squares[size_t(i)] = i * i;
        });
        for (int64_t i = 0; i < 50; ++i) wrong += squares[size_t(i)] != i * i;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  CHECK(wrong == 0);
}

TEST_CASE("many short jobs, with the helpers awake and asleep") {
  const tests::Restored restored;
  set_threads(4);
  int64_t sum = 0;
  for (int round = 0; round < 3000; ++round) {
    int64_t part[8] = {};
    parallel_for(8, 1, [&](int64_t i, int64_t) { part[i] = i + round; });
    for (const int64_t p : part) sum += p;
    if (round % 500 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  CHECK(sum == 3000 * 28 + 8 * (2999 * 3000 / 2));
}

TEST_CASE("set_threads refuses what it cannot do") {
  const tests::Restored restored;
  CHECK_THROWS_WITH_AS(set_threads(0), "set_threads: 0 is not from 1 to 1024", ValueError);
  CHECK_THROWS_WITH_AS(set_threads(1025), "set_threads: 1025 is not from 1 to 1024", ValueError);
  set_threads(2);
  CHECK_THROWS_WITH_AS(parallel_for(4, 1, [](int64_t, int64_t) { set_threads(3); }),
                       "set_threads: called from inside a parallel_for", ValueError);
  CHECK(threads() == 2);
}

#if !defined(__SANITIZE_THREAD__)  // ThreadSanitizer does not let a forked child start threads
TEST_CASE("a forked child has a pool of its own") {
  const tests::Restored restored;
  set_threads(3);
  CHECK(pieces(100, 1).size() == 100);  // the parent's helpers run
  const pid_t child = fork();
  if (child == 0) {
    std::atomic<int> arrived{0};
    parallel_for(2, 1, [&](int64_t, int64_t) {
      ++arrived;
      while (arrived < 2) std::this_thread::yield();
    });
    _exit(threads() == 3 && arrived == 2 ? 0 : 1);
  }
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(pieces(100, 1).size() == 100);
}
#endif
