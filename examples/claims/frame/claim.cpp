// What experiments lean on. See ../claim.h.
#include "examples/claims/claim.h"

#include <algorithm>
#include <cmath>

#include "examples/lib/interrupt.h"
#include "tensor/error.h"

namespace fovea::claims {

Spread spread(std::vector<double> values) {
  if (values.empty()) fail(ErrorKind::value, "spread: of no values");
  // NaN counts as the largest, so that a run that broke shows.
  std::sort(values.begin(), values.end(),
            [](double a, double b) { return a < b || (std::isnan(b) && !std::isnan(a)); });
  const size_t n = values.size();
  const double median = n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
  return {.median = median, .low = values.front(), .high = values.back(), .count = int64_t(n)};
}

namespace {

std::string range(const Spread& s, const std::function<std::string(double)>& write) {
  return write(s.low) + "–" + write(s.high);
}

std::string with_seeds(const Spread& s, const std::string& unit, const std::function<std::string(double)>& write) {
  if (s.count == 1) return write(s.median) + unit;
  if (write(s.low) == write(s.high)) return write(s.median) + unit + " (" + std::to_string(s.count) + " seeds)";
  return write(s.median) + unit + " (" + range(s, write) + ", " + std::to_string(s.count) + " seeds)";
}

auto significant(int digits) {
  return [digits](double value) { return format_significant(value, digits); };
}

}  // namespace

std::string Spread::text(int digits) const { return with_seeds(*this, "", significant(digits)); }

std::string Spread::range_text(int digits) const {
  return format_significant(median, digits) + " (" + range(*this, significant(digits)) + ")";
}

std::string Spread::percent(int decimals) const {
  return with_seeds(*this, " %", [&](double value) { return format_fixed(100 * value, decimals); });
}

Run::Run(uint64_t seed, bool quick, Report report, const Mnist* mnist)
    : seed_(seed), quick_(quick), report_(std::move(report)), mnist_(mnist) {}

std::vector<uint64_t> Run::seeds(int full, int quick) const {
  std::vector<uint64_t> all;
  for (int i = 0; i < either(full, quick); ++i) all.push_back(seed_ + uint64_t(i));
  return all;
}

void Run::progress(int64_t done, int64_t total, std::string_view text) const {
  if (interrupted()) throw Interrupted{};
  if (report_) report_(done, total, text);
}

std::vector<std::string> ids_of(const Claim& claim) {
  std::vector<std::string> ids;
  for (size_t at = 0; at <= claim.id.size();) {
    const size_t end = std::min(claim.id.find('+', at), claim.id.size());
    ids.push_back(claim.id.substr(at, end - at));
    at = end + 1;
  }
  return ids;
}

}  // namespace fovea::claims
