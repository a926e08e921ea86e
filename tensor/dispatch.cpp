#include "tensor/dispatch.h"

#include <atomic>
#include <optional>

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
constexpr Isa kIsasOfMachines[] = {Isa::baseline, Isa::avx2, Isa::avx512};

bool cpu_has(Isa isa) {
  return isa == Isa::baseline || (isa == Isa::avx2 && cpu_has_avx2()) || (isa == Isa::avx512 && cpu_has_avx512());
}

// The kernels of a level that this build holds (LEVELS in the Makefile); null for the others.
const Kernels* built(Isa isa) {
  switch (isa) {
#ifndef FOVEA_WITHOUT_baseline
    case Isa::baseline: return &baseline::all_kernels;
#endif
#if defined(__x86_64__) && !defined(FOVEA_WITHOUT_avx2)
    case Isa::avx2: return &avx2::all_kernels;
#endif
#if defined(__x86_64__) && !defined(FOVEA_WITHOUT_avx512)
    case Isa::avx512: return &avx512::all_kernels;
#endif
    default: return nullptr;
  }
}

const Kernels* usable(Isa isa) { return cpu_has(isa) ? built(isa) : nullptr; }

// The levels that are built and that this machine can run, by the number of their Isa; null for the others.
std::atomic<const Kernels*>* levels() {
  static std::atomic<const Kernels*> table[kIsas] = {usable(Isa::baseline), usable(Isa::avx2), usable(Isa::avx512)};
  return table;
}

void append(std::string& names, Isa isa) { names += (names.empty() ? "" : ", ") + isa_name(isa); }

std::string names_of_available() {
  std::string names;
  for (Isa isa : available_isas()) append(names, isa);
  return names;
}

[[noreturn]] void fail_without_kernels() {
  std::string names;
  for (Isa isa : kIsasOfMachines) {
    if (built(isa)) append(names, isa);
  }
  fail(ErrorKind::value, "kernels: this build holds those for ", names, ", which this machine (", cpu_name(),
       ") cannot run: build it here, or anywhere with make LEVELS=all");
}

[[noreturn]] void fail_for_lack_of(const std::string& name, const char* who_asks) {
  bool on_machine = false;
  for (Isa isa : kIsasOfMachines) on_machine = on_machine || (name == isa_name(isa) && cpu_has(isa));
  fail(ErrorKind::value, who_asks, ": this ", on_machine ? "build (make LEVELS=all)" : "machine", " cannot run '", name,
       "'; available: ", names_of_available());
}

// The level that FOVEA_ISA names, else the best one.
Isa initial_isa() {
  const std::string wanted = environment_isa().value_or("");
  std::optional<Isa> best;
  for (Isa isa : available_isas()) {
    if (wanted == isa_name(isa)) return isa;
    if (isa != Isa::wide) best = isa;
  }
  if (!best) fail_without_kernels();
  if (!wanted.empty()) fail_for_lack_of(wanted, "FOVEA_ISA");
  return *best;
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
  if (!table) fail_for_lack_of(isa_name(isa), "set_isa");
  active = table;
}

void add_isa(Isa isa, const Kernels& table) { levels()[int(isa)] = &table; }

}  // namespace fovea
