// The diary of a training run, twice: JSON lines for programs, CSV for spreadsheets. One row a step that is logged.
//
// A run that is resumed from the checkpoint of step n forgets what was logged after n (those steps are made again) and
// half a line that a kill or a full disk left at the end, so that the diary reads as that of an unbroken run.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "examples/lib/text_file.h"

namespace fovea::lib {

class RunLog {
 public:
  struct Field {
    std::string name;
    double value;
  };

  // Writes path_stem.jsonl and path_stem.csv with the columns "step" and those given (plain names, no quotes or
  // commas). Without resume_after both start empty; with it, rows up to that step stay. Throws FileError where a file
  // cannot be written or an older CSV has other columns.
  RunLog(const std::string& path_stem, std::vector<std::string> columns, std::optional<int64_t> resume_after = {});

  // One row. A column that is not among the fields stays empty (CSV) or is left out (JSON); a number that JSON cannot
  // spell is null there. Throws FileError on a full disk, ValueError for a field that is no column.
  void write(int64_t step, const std::vector<Field>& fields);

  const std::string& jsonl_path() const { return jsonl_.path(); }
  const std::string& csv_path() const { return csv_.path(); }

 private:
  std::vector<std::string> columns_;
  AppendFile jsonl_, csv_;
};

}  // namespace fovea::lib
