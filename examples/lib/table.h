// An aligned table in plain text: model summaries, results.
//
//   layer      shape      parameters
//   ---------  ---------  ----------
//   embedding  [65, 128]       8,320
#pragma once
#include <string>
#include <vector>

namespace fovea::lib {

enum class Align { left, right };

class Table {
 public:
  struct Column {
    std::string name;
    Align align = Align::left;
  };
  explicit Table(std::vector<Column> columns);

  void row(std::vector<std::string> cells);  // one cell a column, UTF-8; throws ValueError otherwise
  void rule();                               // a line as below the header, e.g. above a sum
  std::string text() const;                  // all lines, each ended by a newline, no trailing spaces

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;  // an empty row stands for a rule
};

}  // namespace fovea::lib
