#include "tensor/storage.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "tensor/error.h"

namespace fovea {

using detail::Block;

// Size classes: eight to each power of two, so that at most an eighth of a block is waste. They count the data alone:
// tensors often have a power of two of bytes, or three times that, and fit exactly.
struct SizeClass {
  static constexpr int64_t kLargest = int64_t(1) << 60;
  static constexpr int64_t kSmallest = 64;
  int64_t bytes;  // of the block, header included
  size_t index;

  static SizeClass of_request(int64_t bytes) {
    if (bytes > kLargest) fail(ErrorKind::memory, "allocate: ", bytes, " bytes are more than any machine has");
    bytes = std::max(bytes, kSmallest);
    const int64_t step = std::max(int64_t(std::bit_floor(uint64_t(bytes))) / 8, kSmallest);
    return of_block((bytes + step - 1) / step * step + int64_t(sizeof(Block)));
  }
  static SizeClass of_block(int64_t bytes) {
    const int64_t data = bytes - int64_t(sizeof(Block));
    const int power = std::bit_width(uint64_t(data)) - 1;
    return {bytes, size_t(power * 8 + int((data >> (power - 3)) & 7))};
  }
};

// What all threads share: the lists of free blocks and the counters.
class Allocator {
 public:
  Block* take(int64_t bytes, SizeClass size) {
    std::lock_guard lock(mutex_);
    if (limit_ && stats_.live_bytes + size.bytes > limit_)
      fail(ErrorKind::memory, "allocate: ", bytes, " bytes more would exceed the limit of ", limit_, " bytes (",
           stats_.live_bytes, " in use); raise it with set_memory_limit or use a smaller batch");
    Block*& list = free_[size.index];
    Block* block = list;
    if (block) {
      list = block->next;
      stats_.cached_bytes -= size.bytes;
    } else {
      block = ask_system(bytes, size.bytes);
    }
    stats_.live_bytes += size.bytes;
    stats_.peak_bytes = std::max(stats_.peak_bytes, stats_.live_bytes);
    return block;
  }

  void give_back(Block* block, SizeClass size) {
    add(-size.bytes, 0);
    adopt(block, size);
  }

  // Keeps a block that the counters know to be free.
  void adopt(Block* block, SizeClass size) {
    std::lock_guard lock(mutex_);
    block->next = std::exchange(free_[size.index], block);
  }

  // What a thread did by itself: the bytes that it took less those that it gave back, and the most this came to.
  void add(int64_t live, int64_t most) {
    std::lock_guard lock(mutex_);
    stats_.peak_bytes = std::max(stats_.peak_bytes, stats_.live_bytes + most);
    stats_.live_bytes += live;
    stats_.cached_bytes -= live;
  }

  void release_cached() {
    std::lock_guard lock(mutex_);
    release_cached_locked();
  }

  MemoryStats stats() {
    std::lock_guard lock(mutex_);
    return stats_;
  }
  void reset_peak() {
    std::lock_guard lock(mutex_);
    stats_.peak_bytes = stats_.live_bytes;
  }
  void set_limit(int64_t bytes) {
    std::lock_guard lock(mutex_);
    limit_ = bytes;
    limited.store(bytes != 0, std::memory_order_relaxed);
  }

  std::atomic<bool> limited{false};

 private:
  Block* ask_system(int64_t bytes, int64_t wanted) {
    void* memory = std::aligned_alloc(alignof(Block), size_t(wanted));
    if (!memory) {
      release_cached_locked();
      memory = std::aligned_alloc(alignof(Block), size_t(wanted));
    }
    if (!memory)
      fail(ErrorKind::memory, "allocate: the system has no ", bytes, " bytes left (", stats_.live_bytes, " in use)");
    ++stats_.system_calls;
    auto* block = new (memory) Block;
    block->capacity = wanted;
    return block;
  }

  void release_cached_locked() {
    for (Block*& list : free_) {
      while (list) {
        stats_.cached_bytes -= list->capacity;
        std::free(std::exchange(list, list->next));
      }
    }
  }

  std::mutex mutex_;
  Block* free_[64 * 8] = {};
  MemoryStats stats_;
  int64_t limit_ = 0;
};

namespace {

// Never destroyed: tensors with static lifetime may outlive any order of destruction.
Allocator& allocator() {
  static auto* instance = new Allocator;
  return *instance;
}

// Each thread keeps a few small blocks for itself, so that an operation on small tensors takes no lock. It reports to
// the allocator now and then, and whenever that thread asks for the counters: for one thread they are exact.
class ThreadCache {
 public:
  Block* take(SizeClass size) {
    if (size.index >= kClasses || allocator().limited.load(std::memory_order_relaxed)) return nullptr;
    Block* block = free_[size.index];
    if (!block) return nullptr;
    free_[size.index] = block->next;
    cached_ -= size.bytes;
    live_ += size.bytes;
    most_ = std::max(most_, live_);
    return block;
  }

  bool give_back(Block* block, SizeClass size) {
    if (size.index >= kClasses || state_ == State::closed || cached_ + size.bytes > kMostBytes) return false;
    if (state_ == State::fresh) open();
    block->next = std::exchange(free_[size.index], block);
    cached_ += size.bytes;
    live_ -= size.bytes;
    return true;
  }

  // Tells the allocator what it does not know yet.
  void report() {
    if (live_ != 0 || most_ != 0) allocator().add(live_, most_);
    live_ = most_ = 0;
  }

  // Hands everything to the allocator.
  void empty() {
    report();
    for (Block*& list : free_) {
      while (list) {
        Block* block = std::exchange(list, list->next);
        allocator().adopt(block, SizeClass::of_block(block->capacity));
      }
    }
    cached_ = 0;
  }

 private:
  enum class State { fresh, open, closed };
  static constexpr int64_t kMostBytes = 1 << 20;
  static constexpr size_t kClasses = 16 * 8;  // blocks below 64 KiB

  void open();

  Block* free_[kClasses] = {};
  int64_t cached_ = 0;
  int64_t live_ = 0, most_ = 0;  // since the last report
  State state_ = State::fresh;
  friend struct AtThreadEnd;
};

// Constant-initialised and never destroyed, so that it can be used at any time of a thread's life; what a thread leaves
// behind is handed over by AtThreadEnd.
constinit thread_local ThreadCache thread_cache;

struct AtThreadEnd {
  ~AtThreadEnd() {
    thread_cache.empty();
    thread_cache.state_ = ThreadCache::State::closed;
  }
};

void ThreadCache::open() {
  thread_local const AtThreadEnd at_end;
  static_cast<void>(at_end);
  state_ = State::open;
}

}  // namespace

Storage::Storage(int64_t bytes) {
  const SizeClass size = SizeClass::of_request(bytes);
  block_ = thread_cache.take(size);
  if (!block_) {
    thread_cache.report();
    block_ = allocator().take(bytes, size);
  }
  block_->bytes = bytes;
  block_->references.store(1, std::memory_order_relaxed);
#ifdef FOVEA_DEBUG
  std::memset(data(), 0xff, size_t(bytes));  // all ones is a NaN in f32 and f64, -1 in i64
#endif
}

void Storage::release() {
  const SizeClass size = SizeClass::of_block(block_->capacity);
  if (thread_cache.give_back(block_, size)) return;
  thread_cache.report();
  allocator().give_back(block_, size);
}

MemoryStats memory_stats() {
  thread_cache.report();
  return allocator().stats();
}
void reset_peak_memory() {
  thread_cache.report();
  allocator().reset_peak();
}
void release_cached_memory() {
  thread_cache.empty();
  allocator().release_cached();
}
void set_memory_limit(int64_t bytes) {
  thread_cache.report();
  allocator().set_limit(bytes);
}

}  // namespace fovea
