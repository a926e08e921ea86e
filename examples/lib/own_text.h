// The text that char_gpt trains on when it is given none: fovea's own README and sources, put into the program by the
// Makefile so that there is nothing to download and nothing to find at run time.
#pragma once
#include <string_view>

namespace fovea::lib {

std::string_view own_text();  // UTF-8

}  // namespace fovea::lib
