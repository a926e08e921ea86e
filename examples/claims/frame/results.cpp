// Results on the terminal. See results.h.
#include "examples/claims/frame/results.h"

#include <algorithm>

#include "examples/lib/format.h"

namespace fovea::claims {
namespace {

constexpr int64_t verdict_width = 19, seconds_width = 7, gaps = 2 * 4;
constexpr int64_t least_title = 20, least_number = 30;  // of a line, where the window is narrow

std::string fitted(std::string_view text, int64_t columns) {
  if (display_width(text) <= columns) return std::string(text);
  return columns < 1 ? "" : std::string(cut_to_width(text, columns - 1)) + "…";
}

std::string padded(std::string_view text, int64_t columns) {
  const std::string cut = fitted(text, columns);
  return cut + std::string(size_t(columns - display_width(cut)), ' ');
}

std::string coloured(const Result& result, const std::string& text, const Terminal& terminal) {
  if (!result.error.empty()) return terminal.red(text);
  switch (result.exhibit.verdict) {
    case Verdict::holds: return terminal.green(text);
    case Verdict::within_limits: return terminal.yellow(text);
    case Verdict::fails: break;
  }
  return terminal.red(text);
}

}  // namespace

bool as_expected(const Result& result) {
  return result.error.empty() && (!result.claim.expect || *result.claim.expect == result.exhibit.verdict);
}

std::string verdict_text(const Result& result) {
  if (!result.error.empty()) return "error";
  switch (result.exhibit.verdict) {
    case Verdict::holds: return "holds";
    case Verdict::within_limits: return "holds within limits";
    case Verdict::fails: break;
  }
  return "does not hold";
}

std::string counts_text(const std::vector<Result>& results) {
  int64_t hold = 0, limited = 0, fail = 0, errors = 0;
  for (const Result& result : results) {
    const std::string verdict = verdict_text(result);
    ++(verdict == "holds" ? hold : verdict == "holds within limits" ? limited : verdict == "error" ? errors : fail);
  }
  std::string text = std::to_string(results.size()) + (results.size() == 1 ? " claim: " : " claims: ") +
                     std::to_string(hold) + " hold, " + std::to_string(limited) + " within limits, " +
                     std::to_string(fail) + " do not hold";
  return errors == 0 ? text : text + ", " + std::to_string(errors) + (errors == 1 ? " error" : " errors");
}

ResultLines::ResultLines(const std::vector<Claim>& claims, const Terminal& terminal)
    : terminal_(terminal), id_width_(2), title_width_(5) {
  for (const Claim& claim : claims) {
    id_width_ = std::max(id_width_, display_width(claim.id));
    title_width_ = std::max(title_width_, display_width(claim.title));
  }
  if (!terminal.interactive()) return;
  const int64_t left = terminal.width() - id_width_ - verdict_width - seconds_width - gaps;
  title_width_ = std::min(title_width_, std::max(least_title, left - least_number));
}

std::string ResultLines::header() const {
  const auto rule = [](int64_t columns) { return std::string(size_t(columns), '-') + "  "; };
  return padded("id", id_width_) + "  " + padded("claim", title_width_) + "  " + padded("verdict", verdict_width) +
         "     time  number\n" + rule(id_width_) + rule(title_width_) + rule(verdict_width) + rule(seconds_width) +
         "------\n";
}

std::string ResultLines::line(const Result& result) const {
  const std::string time = format_duration(result.seconds);
  const std::string start = padded(result.claim.id, id_width_) + "  " + padded(result.claim.title, title_width_) + "  ";
  const std::string middle =
      "  " + std::string(size_t(std::max<int64_t>(0, seconds_width - display_width(time))), ' ') + time + "  ";
  std::string last = result.error.empty() ? result.exhibit.number : result.error;
  if (terminal_.interactive()) {  // a line of the window each; in a file they are whole
    const int64_t used = display_width(start) + verdict_width + display_width(middle);
    last = fitted(last, terminal_.width() - used);
  }
  return start + coloured(result, padded(verdict_text(result), verdict_width), terminal_) + middle + last + "\n";
}

}  // namespace fovea::claims
