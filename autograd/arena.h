// Memory for the nodes of a tape: handed out one after another, given back all at once. The chunks come from
// the caching allocator, so a training loop's tapes use the same memory step after step.
#pragma once
#include <algorithm>
#include <new>
#include <utility>
#include <vector>

#include "tensor/storage.h"

namespace fovea {

class Arena {
 public:
  // A new object; whoever asked for it calls its destructor.
  template <class T, class... Args> T* make(Args&&... args) {
    static_assert(alignof(T) <= alignment);
    return new (take(sizeof(T))) T(std::forward<Args>(args)...);
  }

 private:
  static constexpr size_t alignment = 16;
  static constexpr size_t chunk_bytes = 32 * 1024;

  void* take(size_t bytes) {
    bytes = (bytes + alignment - 1) / alignment * alignment;
    if (chunks_.empty() || used_ + bytes > size_t(chunks_.back().bytes())) {
      chunks_.emplace_back(int64_t(std::max(bytes, chunk_bytes)));
      used_ = 0;
    }
    void* place = chunks_.back().data() + used_;
    used_ += bytes;
    return place;
  }

  std::vector<Storage> chunks_;
  size_t used_ = 0;
};

}  // namespace fovea
