// Tables of numbers from CSV files (RFC 4180): fields between commas, quoted where they hold commas; LF or CR LF.
#pragma once
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace fovea::lib {

struct CsvTable {
  std::vector<std::string> names;  // of the columns, from the first line; empty where that already holds numbers
  Tensor values;                   // f64 [rows, columns]
};

// Throws FileError, with line and column, where a field is no number, a line has another number of fields than the
// first, or a quote does not end; and where the file cannot be read or has no rows. An empty field is NaN.
CsvTable read_csv(const std::string& path);

}  // namespace fovea::lib
