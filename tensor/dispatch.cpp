#include "tensor/dispatch.h"

#include <atomic>

#include "tensor/cpu.h"
#include "tensor/environment.h"
#include "tensor/error.h"

namespace fovea {

// Defined by tensor/kernels/tables.cpp, once per level.
namespace baseline {
extern const Kernels all_kernels;
}
namespace avx2 {
extern const Kernels all_kernels;
}
namespace avx512 {
extern const Kernels all_kernels;
}

namespace {

constexpr int kIsas = 4;

bool cpu_has(Isa isa) {
  return isa == Isa::baseline || (isa == Isa::avx2 && cpu_has_avx2()) || (isa == Isa::avx512 && cpu_has_avx512());
}

// The levels that this machine can run and this build holds (LEVELS in the Makefile), by the number of their Isa; null
// for the others.
std::atomic<const Kernels*>* levels() {
  static std::atomic<const Kernels*> table[kIsas] = {
    &baseline::all_kernels,
#if defined(__x86_64__) && !defined(FOVEA_WITHOUT_avx2)
    cpu_has(Isa::avx2) ? &avx2::all_kernels : nullptr,
#else
    nullptr,
#endif
#if defined(__x86_64__) && !defined(FOVEA_WITHOUT_avx512)
    cpu_has(Isa::avx512) ? &avx512::all_kernels : nullptr,
#endif
  };
  return table;
}

std::string names_of_available() {
  std::string names;
  for (Isa isa : available_isas()) names += (names.empty() ? "" : ", ") + isa_name(isa);
  return names;
}

// The level that FOVEA_ISA names, else the best one.
Isa initial_isa() {
  const std::vector<Isa> available = available_isas();
  Isa best = Isa::baseline;
  const auto wanted = environment_isa();
  for (Isa isa : available) {
    if (wanted && *wanted == isa_name(isa)) return isa;
    if (isa != Isa::wide) best = isa;
  }
  if (wanted) {
    fail(ErrorKind::value, "FOVEA_ISA: '", *wanted, "' is no instruction set that this machine ",
         *wanted == missing_isa() ? "and this build (make LEVELS=all) have" : "can run",
         "; available: ", names_of_available());
  }
  return best;
}

std::atomic<const Kernels*> active{nullptr};

}  // namespace

const Kernels& kernels() {
  const Kernels* table = active.load(std::memory_order_acquire);
  if (!table) {
    const Kernels* initial = levels()[int(initial_isa())];
    if (active.compare_exchange_strong(table, initial)) table = initial;
  }
  return *table;
}

Isa active_isa() {
  const Kernels* table = &kernels();
  int i = 0;
  while (levels()[i] != table) ++i;
  return Isa(i);
}

std::string isa_name(Isa isa) {
#if defined(__aarch64__)
  if (isa == Isa::baseline) return "neon";
#endif
  switch (isa) {
    case Isa::baseline: return "baseline";
    case Isa::avx2: return "avx2";
    case Isa::avx512: return "avx512";
    case Isa::wide: return "wide";
  }
  return "unknown";
}

std::vector<Isa> available_isas() {
  std::vector<Isa> available;
  for (int i = 0; i < kIsas; ++i) {
    if (levels()[i]) available.push_back(Isa(i));
  }
  return available;
}

std::string missing_isa() {
  for (Isa isa : {Isa::avx512, Isa::avx2}) {
    if (levels()[int(isa)]) break;
    if (cpu_has(isa)) return isa_name(isa);
  }
  return "";
}

void set_isa(Isa isa) {
  const Kernels* table = levels()[int(isa)];
  if (!table) {
    fail(ErrorKind::value, "set_isa: this ", cpu_has(isa) ? "build (make LEVELS=all)" : "machine", " cannot run '",
         isa_name(isa), "'; available: ", names_of_available());
  }
  active = table;
}

void add_isa(Isa isa, const Kernels& table) { levels()[int(isa)] = &table; }

}  // namespace fovea
