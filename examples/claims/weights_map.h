// Pictures of attention weights, which many experiments show.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "examples/claims/claim.h"
#include "tensor/views.h"

namespace fovea::claims {

// Names for so many rows or columns: first, first + 1, …; of `every` of them one, the others without.
inline std::vector<std::string> numbered(int64_t count, int64_t first = 0, int64_t every = 1) {
  std::vector<std::string> names;
  for (int64_t i = 0; i < count; ++i) names.push_back(i % every == 0 ? std::to_string(first + i) : "");
  return names;
}

// A matrix [queries, keys] as a heat map with its numbers.
inline Plot query_key_map(std::string title, const Tensor& matrix, Palette palette = Palette::sequential) {
  const bool weights = palette == Palette::sequential;
  return heat_map({.title = std::move(title),
                   .rows = "query",
                   .columns = "key",
                   .row_names = numbered(matrix.size(0)),
                   .column_names = numbered(matrix.size(1)),
                   .palette = palette,
                   .low = weights ? std::optional<double>(0) : std::nullopt,
                   .high = weights ? std::optional<double>(1) : std::nullopt,
                   .decimals = 2},
                  matrix);
}

// Weights [queries, keys] by their names, side by side, small and without numbers.
inline Plot weight_maps(std::string title, int columns, const std::vector<std::pair<std::string, Tensor>>& maps) {
  std::vector<Plot> plots;
  for (const auto& [name, weights] : maps) {
    plots.push_back(heat_map(
        {.title = name, .rows = "query", .columns = "key", .low = 0, .high = 1, .cell = 140 / double(weights.size(1))},
        weights));
  }
  return small_multiples(std::move(title), columns, plots);
}

// What a decoder looked at: a row for each character written, a column for each of the source. weights [T, S], of which
// what lies beyond the texts is padding.
inline Plot alignment_map(std::string title, const std::string& source, const std::string& written,
                          const Tensor& weights) {
  const auto characters = [](const std::string& text) {
    std::vector<std::string> all;
    for (const char c : text) all.push_back(c == ' ' ? "␣" : std::string(1, c));
    return all;
  };
  return heat_map({.title = std::move(title),
                   .rows = "written",
                   .columns = "source",
                   .row_names = characters(written),
                   .column_names = characters(source),
                   .bar = "weight",
                   .low = 0,
                   .high = 1},
                  narrow(narrow(weights, 0, 0, int64_t(written.size())), 1, 0, int64_t(source.size())));
}

}  // namespace fovea::claims
