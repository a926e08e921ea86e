#include "tensor/storage.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "tensor/error.h"

namespace fovea {

// Size classes: four to each power of two, so that at most a fifth of a block is waste.
class Allocator {
 public:
  using Block = Storage::Block;

  Block* take(int64_t bytes) {
    const int64_t wanted = class_size(bytes);
    std::lock_guard lock(mutex_);
    if (limit_ && stats_.live_bytes + wanted > limit_)
      fail(ErrorKind::memory, "allocate: ", bytes, " bytes more would exceed the limit of ", limit_, " bytes (",
           stats_.live_bytes, " in use); raise it with set_memory_limit or use a smaller batch");
    Block*& list = free_[class_index(wanted)];
    Block* block = list;
    if (block) {
      list = block->next;
      stats_.cached_bytes -= wanted;
    } else {
      block = ask_system(bytes, wanted);
    }
    block->bytes = bytes;
    block->references.store(1, std::memory_order_relaxed);
    stats_.live_bytes += wanted;
    stats_.peak_bytes = std::max(stats_.peak_bytes, stats_.live_bytes);
    return block;
  }

  void give_back(Block* block) {
    std::lock_guard lock(mutex_);
    Block*& list = free_[class_index(block->capacity)];
    block->next = list;
    list = block;
    stats_.live_bytes -= block->capacity;
    stats_.cached_bytes += block->capacity;
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
  }

 private:
  static constexpr int64_t largest = int64_t(1) << 60;

  static int64_t class_size(int64_t bytes) {
    if (bytes > largest) fail(ErrorKind::memory, "allocate: ", bytes, " bytes are more than any machine has");
    const int64_t total = std::max<int64_t>(bytes + int64_t(sizeof(Block)), 128);
    const int64_t quarter = std::max<int64_t>(int64_t(std::bit_floor(uint64_t(total))) / 4, 64);
    return (total + quarter - 1) / quarter * quarter;
  }
  static size_t class_index(int64_t size) {
    const int power = std::bit_width(uint64_t(size)) - 1;
    return size_t(power * 4 + int((size >> (power - 2)) & 3));
  }

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
      while (list) std::free(std::exchange(list, list->next));
    }
    stats_.cached_bytes = 0;
  }

  std::mutex mutex_;
  Block* free_[64 * 4] = {};
  MemoryStats stats_;
  int64_t limit_ = 0;
};

namespace {
// Never destroyed: tensors with static lifetime may outlive any order of destruction.
Allocator& allocator() {
  static auto* instance = new Allocator;
  return *instance;
}
}  // namespace

Storage::Storage(int64_t bytes) : block_(allocator().take(bytes)) {
#ifdef FOVEA_DEBUG
  std::memset(data(), 0xff, size_t(bytes));  // all ones is a NaN in f32 and f64, -1 in i64
#endif
}

void Storage::release() { allocator().give_back(block_); }

MemoryStats memory_stats() { return allocator().stats(); }
void reset_peak_memory() { allocator().reset_peak(); }
void release_cached_memory() { allocator().release_cached(); }
void set_memory_limit(int64_t bytes) { allocator().set_limit(bytes); }

}  // namespace fovea
