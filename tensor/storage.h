// Memory: a caching allocator and the reference-counted block that tensors share.
//
// Training asks for the same few sizes step after step. Freed blocks are kept in lists by size class and
// handed out again, so that in the steady state the system is not asked for memory at all (and no page is
// touched for the first time); each thread keeps some small ones for itself and takes them without a lock. Blocks are
// 64-byte aligned: a cache line, and the widest vector register.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace fovea {

struct MemoryStats {
  int64_t live_bytes = 0;    // in use by tensors now
  int64_t peak_bytes = 0;    // the most that was ever in use (since reset_peak_memory)
  int64_t cached_bytes = 0;  // freed and kept for the next request
  int64_t system_calls = 0;  // how often the system was asked for memory
};

MemoryStats memory_stats();
void reset_peak_memory();
void release_cached_memory();          // gives what is kept back to the system (but for what other threads keep)
void set_memory_limit(int64_t bytes);  // a request beyond it raises MemoryError; 0: no limit

namespace detail {
// The header of a block; the data follow it.
struct alignas(64) Block {
  std::atomic<int64_t> references;
  int64_t bytes;     // as asked for
  int64_t capacity;  // of the size class, header included
  Block* next;       // in a list of free blocks
};
}  // namespace detail

// A block of memory with its reference count, header and data in one allocation.
class Storage {
 public:
  Storage() = default;
  explicit Storage(int64_t bytes);  // uninitialised (NaN in debug builds)
  Storage(const Storage& other) : block_(other.block_) {
    if (block_) block_->references.fetch_add(1, std::memory_order_relaxed);
  }
  Storage(Storage&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  Storage& operator=(Storage other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~Storage() {
    if (block_ && block_->references.fetch_sub(1, std::memory_order_acq_rel) == 1) release();
  }

  std::byte* data() const { return reinterpret_cast<std::byte*>(block_ + 1); }
  int64_t bytes() const { return block_ ? block_->bytes : 0; }
  bool unique() const { return block_ && block_->references.load(std::memory_order_acquire) == 1; }
  explicit operator bool() const { return block_ != nullptr; }
  friend bool operator==(const Storage& a, const Storage& b) { return a.block_ == b.block_; }

 private:
  void release();
  detail::Block* block_ = nullptr;
};

}  // namespace fovea
