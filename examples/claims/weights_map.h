// Pictures of attention weights, which many experiments show.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "examples/claims/claim.h"

namespace fovea::claims {

// A matrix [queries, keys] as a heat map with its numbers.
inline Plot query_key_map(std::string title, const Tensor& matrix, Palette palette = Palette::sequential) {
  const auto names = [](int64_t count) {
    std::vector<std::string> all;
    for (int64_t i = 0; i < count; ++i) all.push_back(std::to_string(i));
    return all;
  };
  const bool weights = palette == Palette::sequential;
  return heat_map({.title = std::move(title),
                   .rows = "query",
                   .columns = "key",
                   .row_names = names(matrix.size(0)),
                   .column_names = names(matrix.size(1)),
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

}  // namespace fovea::claims
