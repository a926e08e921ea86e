// The text of the experiments, which the page shows beside their results. The Makefile puts the sources into the
// program, so that there is nothing to find at run time.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "examples/claims/claim.h"

namespace fovea::claims {

struct Source {
  std::string_view path, text;
};
extern const std::vector<Source> embedded_sources;  // generated: every examples/claims/*.cpp

struct Code {
  std::string path;
  int64_t line = 0;               // where it begins
  std::string text;               // the experiment, with the comment above it
  std::string helpers;            // what it calls of the same file, in the file's order
  std::vector<Code> shared = {};  // what both call of the files that have no experiments: their path and text
};

// The function that a claim's entry in its table names (the .experiment after its .id), from its first line to the
// closing brace in column 0. Its text is empty where it is not found.
Code code_of(const Claim& claim, const std::vector<Source>& sources);

// The text as HTML, with <i class="c|s|k|n"> around comments, strings, keywords and numbers.
std::string highlighted(std::string_view code);

// A sentence as HTML: `words in backticks` are code, "d_k" has an index, "n^2" a power, and 2e-16 is 2·10⁻¹⁶.
std::string prose(std::string_view text);

std::string escaped(std::string_view text);  // as the text of an HTML element, or an attribute in double quotes

}  // namespace fovea::claims
