// The diary of a training run. See run_log.h.
#include "examples/lib/run_log.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>

#include "examples/lib/format.h"
#include "tensor/error.h"

namespace fovea::lib {
namespace {

constexpr std::string_view json_start = "{\"step\": ";

// How many bytes of the log belong to steps <= last: whole lines only, each "<start><step>…", from byte `from` on.
size_t length_through(std::string_view log, size_t from, std::string_view start, int64_t last) {
  size_t kept = from;
  while (true) {
    const size_t end = log.find('\n', kept);
    if (end == log.npos) return kept;
    const std::string_view line = log.substr(kept, end - kept);
    if (line.substr(0, start.size()) != start) return kept;
    int64_t step = 0;
    const char* digits = line.data() + start.size();
    if (std::from_chars(digits, line.data() + line.size(), step).ec != std::errc() || step > last) return kept;
    kept = end + 1;
  }
}

std::string header_line(const std::vector<std::string>& columns) {
  std::string line = "step";
  for (const std::string& column : columns) line += "," + column;
  return line + "\n";
}

const RunLog::Field* find(const std::vector<RunLog::Field>& fields, const std::string& name) {
  const auto at = std::find_if(fields.begin(), fields.end(), [&](const auto& field) { return field.name == name; });
  return at == fields.end() ? nullptr : &*at;
}

}  // namespace

RunLog::RunLog(const std::string& path_stem, std::vector<std::string> columns, std::optional<int64_t> resume_after)
    : columns_(std::move(columns)),
      jsonl_(path_stem + ".jsonl", resume_after ? AppendFile::Open::keep : AppendFile::Open::fresh),
      csv_(path_stem + ".csv", resume_after ? AppendFile::Open::keep : AppendFile::Open::fresh) {
  const std::string header = header_line(columns_);
  if (!resume_after) {
    csv_.append(header);
    return;
  }

  const std::string csv = read_file(csv_.path());
  const bool has_header = csv.find('\n') != csv.npos;  // not so if the run was killed before it was written
  if (has_header && csv.compare(0, header.size(), header) != 0) {
    fail(ErrorKind::file, "cannot continue ", csv_.path(), ": its columns are ", csv.substr(0, csv.find('\n')),
         ", this program writes ", header.substr(0, header.size() - 1), "; start in another folder");
  }
  const std::string jsonl = read_file(jsonl_.path());
  jsonl_.keep_first(static_cast<int64_t>(length_through(jsonl, 0, json_start, *resume_after)));
  if (has_header) {
    csv_.keep_first(static_cast<int64_t>(length_through(csv, header.size(), "", *resume_after)));
  } else {
    csv_.keep_first(0);
    csv_.append(header);
  }
}

void RunLog::write(int64_t step, const std::vector<Field>& fields) {
  for (const Field& field : fields) {
    if (std::find(columns_.begin(), columns_.end(), field.name) == columns_.end()) {
      fail(ErrorKind::value, "RunLog: ", field.name, " is not a column of ", csv_.path());
    }
  }
  std::string json = std::string(json_start) + std::to_string(step), csv = std::to_string(step);
  for (const std::string& column : columns_) {
    csv += ",";
    const Field* field = find(fields, column);
    if (!field) continue;
    const std::string number = format_number(field->value);
    csv += number;
    json += ", \"" + column + "\": " + (std::isfinite(field->value) ? number : "null");
  }
  jsonl_.append(json + "}\n");
  csv_.append(csv + "\n");
}

}  // namespace fovea::lib
