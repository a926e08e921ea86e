// Rows of text as an aligned table: what a tape, a profile and the summary of a model print.
#pragma once
#include <iosfwd>
#include <string>
#include <vector>

namespace fovea::detail {

// The first `left` columns are aligned to the left, the others to the right; two spaces between them. An empty row is a
// line across.
void print_aligned(std::ostream& out, const std::vector<std::vector<std::string>>& rows, size_t left);

}  // namespace fovea::detail
