// Whatever a test sets, the next one finds as it was.
#pragma once
#include "tensor/dispatch.h"
#include "tensor/parallel.h"

namespace fovea::tests {

struct Restored {
  const Isa isa = active_isa();
  const int count = threads();
  Restored() = default;
  Restored(const Restored&) = delete;
  Restored& operator=(const Restored&) = delete;
  ~Restored() {
    set_isa(isa);
    set_threads(count);
  }
};

}  // namespace fovea::tests
