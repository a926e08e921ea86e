#include "autograd/text_table.h"

#include <algorithm>
#include <numeric>
#include <ostream>

namespace fovea::detail {
namespace {

// Characters on the screen: bytes that continue a UTF-8 character do not count.
size_t display_width(const std::string& s) {
  return size_t(std::count_if(s.begin(), s.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

void print_aligned(std::ostream& out, const std::vector<std::vector<std::string>>& rows, size_t left) {
  std::vector<size_t> widths(rows[0].size(), 0);
  for (const auto& row : rows) {
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], display_width(row[c]));
  }
  const size_t across = std::accumulate(widths.begin(), widths.end(), 2 * (widths.size() - 1));
  for (const auto& row : rows) {
    std::string line(row.empty() ? across : 0, '-');
    for (size_t c = 0; c < row.size(); ++c) {
      const std::string padding(widths[c] - display_width(row[c]), ' ');
      line += (c ? "  " : "") + (c >= left ? padding + row[c] : row[c] + padding);
    }
    out << line.substr(0, line.find_last_not_of(' ') + 1) << '\n';
  }
}

}  // namespace fovea::detail
