#include "examples/lib/csv.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>

#include "examples/lib/text_file.h"
#include "tensor/error.h"

namespace fovea::lib {
namespace {

// Takes a text apart, field by field.
class Fields {
 public:
  Fields(const std::string& path, std::string_view text) : path_(path), rest_(text) {
    if (rest_.starts_with("\xEF\xBB\xBF")) rest_.remove_prefix(3);  // a byte-order mark, as spreadsheets write it
  }

  bool done() const { return rest_.empty(); }
  int64_t line() const { return line_; }

  std::vector<std::string> next_line() {
    ++line_;
    std::vector<std::string> fields = {field()};
    while (rest_.starts_with(',')) {
      rest_.remove_prefix(1);
      fields.push_back(field());
    }
    if (rest_.starts_with('\r')) rest_.remove_prefix(1);
    if (rest_.starts_with('\n')) rest_.remove_prefix(1);
    return fields;
  }

 private:
  std::string field() {
    if (rest_.starts_with('"')) return quoted();
    const std::string_view text = rest_.substr(0, rest_.find_first_of(",\r\n"));
    rest_.remove_prefix(text.size());
    return std::string(text);
  }

  std::string quoted() {
    const int64_t begins = line_;
    std::string text;
    for (rest_.remove_prefix(1);; rest_.remove_prefix(1)) {
      if (rest_.empty()) fail(ErrorKind::file, path_, ", line ", begins, ": a quote that does not end");
      if (rest_.starts_with("\"\"")) {
        rest_.remove_prefix(1);
      } else if (rest_[0] == '"') {
        break;
      }
      line_ += rest_[0] == '\n';
      text += rest_[0];
    }
    rest_.remove_prefix(1);
    if (!rest_.empty() && rest_.find_first_of(",\r\n") != 0)
      fail(ErrorKind::file, path_, ", line ", line_,
           ": text behind a closing quote; inside of quotes, a quote is written twice");
    return text;
  }

  const std::string& path_;
  std::string_view rest_;
  int64_t line_ = 0;
};

// An empty field is NaN; none if it is no number.
std::optional<double> number(std::string_view field) {
  const size_t first = field.find_first_not_of(" \t"), last = field.find_last_not_of(" \t");
  if (first == field.npos) return std::numeric_limits<double>::quiet_NaN();
  field = field.substr(first, last - first + 1);
  if (field.starts_with('+')) field.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (error != std::errc() || end != field.data() + field.size()) return {};
  return value;
}

bool is_header(const std::vector<std::string>& fields) {
  return std::none_of(fields.begin(), fields.end(), [](const std::string& f) { return number(f) && !f.empty(); });
}

}  // namespace

CsvTable read_csv(const std::string& path) {
  const std::string text = read_file(path);
  Fields fields(path, text);
  CsvTable table;
  std::vector<double> values;
  size_t columns = 0;
  while (!fields.done()) {
    const std::vector<std::string> line = fields.next_line();
    if (line.size() == 1 && line[0].empty()) continue;  // an empty line
    if (columns == 0) {
      columns = line.size();
      if (is_header(line)) {
        table.names = line;
        continue;
      }
    }
    if (line.size() != columns)
      fail(ErrorKind::file, path, ", line ", fields.line(), ": ", line.size(), " fields, the first line has ", columns);
    for (size_t c = 0; c < columns; ++c) {
      const std::optional<double> value = number(line[c]);
      if (!value)
        fail(ErrorKind::file, path, ", line ", fields.line(), ", field ", c + 1, ": \"", line[c], "\" is no number");
      values.push_back(*value);
    }
  }
  if (values.empty()) fail(ErrorKind::file, path, ": no rows of numbers");
  table.values = from_vector(values, {int64_t(values.size() / columns), int64_t(columns)});
  return table;
}

}  // namespace fovea::lib
