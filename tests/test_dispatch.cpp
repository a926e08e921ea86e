// The choice of the instruction set: what is available, forcing a level, and the messages for a wrong one.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "tensor/cpu.h"
#include "tensor/dispatch.h"
#include "tensor/environment.h"
#include "tensor/error.h"
#include "tests/restored.h"

using namespace fovea;

namespace {

bool available(Isa isa) {
  const auto all = available_isas();
  return std::find(all.begin(), all.end(), isa) != all.end();
}

}  // namespace

TEST_CASE("every available level can be made the active one, and its kernels were compiled for it") {
  const tests::Restored restored;
  CHECK(available(Isa::baseline));
  CHECK((!available(Isa::avx2) || cpu_has_avx2()));
  CHECK((!available(Isa::avx512) || cpu_has_avx512()));
  CHECK((!available(Isa::wide) || cpu_has_avx2()));
  for (const Isa isa : available_isas()) {
    set_isa(isa);
    CHECK(active_isa() == isa);
    const int bytes = isa == Isa::baseline ? 16 : isa == Isa::avx2 ? 32 : 64;
    CHECK(kernels().vector_bytes == bytes);
#if defined(__x86_64__)
    CHECK(kernels().fused == (isa != Isa::baseline));
#endif
  }
}

TEST_CASE("a level that the machine or the build lacks is an error that lists those there are") {
  if (available(Isa::avx512)) return;
  try {
    set_isa(Isa::avx512);
    FAIL("no error");
  } catch (const ValueError& error) {
    const std::string text = error.what(), who = cpu_has_avx512() ? "build (make LEVELS=all)" : "machine";
    CHECK(text.find("set_isa: this " + who + " cannot run 'avx512'; available: ") == 0);
    CHECK(text.find(isa_name(Isa::baseline)) != std::string::npos);
  }
}

TEST_CASE("the level that is missing is one that the machine has and the build lacks") {
  const std::string missing = missing_isa();
  CHECK((missing == "avx512") == (cpu_has_avx512() && !available(Isa::avx512)));
  if (missing == "avx2") CHECK((cpu_has_avx2() && !available(Isa::avx2)));
}

TEST_CASE("FOVEA_THREADS must be a whole number from 1 to 1024") {
  const char* before = std::getenv("FOVEA_THREADS");
  const std::string kept = before ? before : "";
  for (const char* wrong : {"0", "-1", "1025", "two", "2x", "2.5", "99999999999999999999"}) {
    setenv("FOVEA_THREADS", wrong, 1);
    const std::string text = std::string("FOVEA_THREADS: '") + wrong + "' is no whole number from 1 to 1024";
    CHECK_THROWS_WITH_AS(environment_threads(), text.c_str(), ValueError);
  }
  setenv("FOVEA_THREADS", "7", 1);
  CHECK(environment_threads() == 7);
  setenv("FOVEA_THREADS", "", 1);
  CHECK(environment_threads() == std::nullopt);
  before ? setenv("FOVEA_THREADS", kept.c_str(), 1) : unsetenv("FOVEA_THREADS");
}
