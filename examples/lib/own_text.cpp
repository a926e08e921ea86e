#include "examples/lib/own_text.h"

// FOVEA_OWN_TEXT is the path of the file, from the Makefile; the assembler copies its bytes in.
__asm__(
    ".section .rodata\n"
    ".global fovea_own_text_begin, fovea_own_text_end\n"
    "fovea_own_text_begin:\n"
    ".incbin \"" FOVEA_OWN_TEXT
    "\"\n"
    "fovea_own_text_end:\n"
    ".byte 0\n"
    ".text\n");

extern "C" const char fovea_own_text_begin[], fovea_own_text_end[];

namespace fovea::lib {

std::string_view own_text() {
  return std::string_view(fovea_own_text_begin, size_t(fovea_own_text_end - fovea_own_text_begin));
}

}  // namespace fovea::lib
