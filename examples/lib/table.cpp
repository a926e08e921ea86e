// An aligned table in plain text. See table.h.
#include "examples/lib/table.h"

#include <algorithm>

#include "examples/lib/terminal.h"
#include "tensor/error.h"

namespace fovea::lib {

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {
  std::vector<std::string> names;
  for (const Column& column : columns_) names.push_back(column.name);
  row(std::move(names));
  rule();
}

void Table::row(std::vector<std::string> cells) {
  if (cells.size() != columns_.size()) {
    fail(ErrorKind::value, "Table::row: ", cells.size(), " cells for ", columns_.size(), " columns");
  }
  rows_.push_back(std::move(cells));
}

void Table::rule() { rows_.emplace_back(); }

std::string Table::text() const {
  std::vector<int64_t> widths(columns_.size(), 0);
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], display_width(row[i]));
  }
  std::string text;
  for (const auto& row : rows_) {
    std::string line;
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (i > 0) line += "  ";
      const std::string cell = row.empty() ? std::string(static_cast<size_t>(widths[i]), '-') : row[i];
      const std::string padding(static_cast<size_t>(widths[i] - display_width(cell)), ' ');
      line += columns_[i].align == Align::right ? padding + cell : cell + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

}  // namespace fovea::lib
