// Memory: alignment, sharing, the cache of freed blocks, counters and the limit.
#include "tensor/storage.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <thread>
#include <vector>

#include "tensor/error.h"
#include "tensor/tensor.h"

using namespace fovea;

namespace {
struct LimitLifted {
  ~LimitLifted() { set_memory_limit(0); }
};
}  // namespace

TEST_CASE("blocks are aligned to 64 bytes whatever their size, and hold what was asked for") {
  for (int64_t bytes : {0, 1, 8, 63, 64, 65, 100, 1000, 4096, 100'000, 3'000'001}) {
    const Storage s(bytes);
    CHECK(s.bytes() == bytes);
    CHECK(reinterpret_cast<uintptr_t>(s.data()) % 64 == 0);
    for (int64_t i = 0; i < bytes; i += 97) s.data()[i] = std::byte(1);
    if (bytes) s.data()[bytes - 1] = std::byte(2);
  }
}

TEST_CASE("copies share, the last one frees") {
  const int64_t before = memory_stats().live_bytes;
  Storage a(1000);
  CHECK(a.unique());
  CHECK(memory_stats().live_bytes >= before + 1000);
  CHECK(memory_stats().live_bytes <= before + 1000 + 1000 / 2);
  {
    const Storage b = a;
    CHECK(a == b);
    CHECK_FALSE(a.unique());
  }
  CHECK(a.unique());
  Storage c = std::move(a);
  CHECK_FALSE(bool(a));  // NOLINT: what a moved-from storage is
  CHECK(c.unique());
  c = Storage();
  CHECK(memory_stats().live_bytes == before);
}

TEST_CASE("a freed block is used again: the system is asked once") {
  const std::byte* first = Storage(5000).data();
  const int64_t calls = memory_stats().system_calls;
  for (int i = 0; i < 100; ++i) CHECK(Storage(5000).data() == first);
  CHECK(Storage(4990).data() == first);  // the same class of size
  CHECK(memory_stats().system_calls == calls);
}

TEST_CASE("waste stays below a fifth but for the smallest blocks") {
  for (int64_t bytes = 2000; bytes < 3'000'000; bytes += bytes / 7) {
    const int64_t before = memory_stats().live_bytes;
    const Storage s(bytes);
    CHECK(memory_stats().live_bytes - before >= bytes);
    CHECK(double(memory_stats().live_bytes - before) <= 1.25 * double(bytes) + 128);
  }
}

TEST_CASE("the peak is the most that was alive at once, and can be set back") {
  reset_peak_memory();
  const int64_t before = memory_stats().peak_bytes;
  CHECK(before == memory_stats().live_bytes);
  { const Storage a(100'000), b(100'000); }
  CHECK(memory_stats().peak_bytes >= before + 200'000);
  CHECK(memory_stats().live_bytes == before);
  reset_peak_memory();
  CHECK(memory_stats().peak_bytes == before);
}

TEST_CASE("cached blocks go back to the system when asked") {
  { const Storage a(1'000'000); }
  CHECK(memory_stats().cached_bytes >= 1'000'000);
  release_cached_memory();
  CHECK(memory_stats().cached_bytes == 0);
}

TEST_CASE("the limit: an error in words, and nothing is lost by it") {
  const LimitLifted lifted;
  const MemoryStats before = memory_stats();
  set_memory_limit(before.live_bytes + 1'000'000);
  const std::string expected = "allocate: 2000000 bytes more would exceed the limit of " +
                               std::to_string(before.live_bytes + 1'000'000) + " bytes (" +
                               std::to_string(before.live_bytes) +
                               " in use); raise it with set_memory_limit or use a smaller batch";
  CHECK_THROWS_WITH_AS(Storage(2'000'000), expected.c_str(), MemoryError);
  CHECK(memory_stats().live_bytes == before.live_bytes);
  CHECK(Storage(500'000).bytes() == 500'000);
  CHECK_THROWS_AS(zeros({1000, 1000}), MemoryError);
  set_memory_limit(0);
  CHECK(zeros({1000, 1000}).count() == 1'000'000);
}

TEST_CASE("more than any machine has") {
  CHECK_THROWS_WITH_AS(Storage(int64_t(1) << 61), "allocate: 2305843009213693952 bytes are more than any machine has",
                       MemoryError);
}

TEST_CASE("several threads allocate and free at once") {
  const int64_t before = memory_stats().live_bytes;
  std::vector<std::thread> workers;
  for (int t = 0; t < 4; ++t) {
    workers.emplace_back([t] {
      std::vector<Storage> kept;
      for (int i = 0; i < 2000; ++i) {
        kept.emplace_back((i * 37 + t) % 5000);
        if (kept.size() > 20) kept.erase(kept.begin());
      }
    });
  }
  for (std::thread& w : workers) w.join();
  CHECK(memory_stats().live_bytes == before);
}

TEST_CASE("what a thread kept for itself is there for others when it ends") {
  std::thread([] {
    std::vector<Storage> many;
    for (int i = 0; i < 200; ++i) many.emplace_back(3000);
  }).join();
  const int64_t calls = memory_stats().system_calls;
  std::vector<Storage> many;
  for (int i = 0; i < 200; ++i) many.emplace_back(3000);
  CHECK(memory_stats().system_calls == calls);
}

TEST_CASE("sizes of powers of two waste nothing but the header") {
  for (int64_t bytes : {64, 1024, 65536, 3 << 19, 1 << 22}) {
    const int64_t before = memory_stats().live_bytes;
    const Storage s(bytes);
    CHECK(memory_stats().live_bytes - before == bytes + 64);
  }
}
