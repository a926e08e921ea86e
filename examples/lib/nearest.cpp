// The word that was probably meant. See nearest.h.
#include "examples/lib/nearest.h"

#include <algorithm>

namespace fovea::lib {
namespace {

// Letters to insert, drop, change or swap with their neighbour (the optimal string alignment distance).
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        d[i][j] = i + j;
        continue;
      }
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

std::string_view without_dashes(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of('-'), text.size()));
}

}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  std::string best;
  size_t best_distance = std::max<size_t>(1, without_dashes(word).size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const std::string_view a = without_dashes(word), b = without_dashes(candidate);
    size_t distance = edit_distance(a, b);
    const bool one_starts_other = a.size() >= 2 && b.size() >= 2 && (a.starts_with(b) || b.starts_with(a));
    if (one_starts_other) distance = std::min<size_t>(distance, 1);
    if (distance < best_distance) best = candidate, best_distance = distance;
  }
  return best;
}

}  // namespace fovea::lib
