#include "autograd/profile.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "autograd/text_table.h"
#include "tensor/cpu.h"
#include "tensor/machine.h"
#include "tensor/parallel.h"

namespace fovea {
namespace {

std::string formatted(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string bytes_text(double bytes) {
  const char* units[] = {"B", "KiB", "MiB", "GiB"};
  int unit = 0;
  for (; bytes >= 1024 && unit < 3; ++unit) bytes /= 1024;
  return formatted(unit == 0 ? "%.0f " : "%.1f ", bytes) + units[unit];
}

// "12", or "0.004" where it does not happen in every step.
std::string count_text(double count) { return formatted(count == double(int64_t(count)) ? "%.0f" : "%.3g", count); }

double per_second(double amount, int64_t nanoseconds) {
  return nanoseconds > 0 ? amount / double(nanoseconds) * 1e9 : 0;
}

// Sizes of copies, in bytes moved: they lie in the second-level cache of a core, in the third, and beyond or nearly so.
constexpr double kCopySizes[] = {64 << 10, 1 << 20, 16 << 20};

}  // namespace

Profile::Profile() : peak_flops_(measure_peak_flops()) {
  for (int i = 0; i < 3; ++i) copy_speeds_[i] = measure_bandwidth(int64_t(kCopySizes[i]));
  start_ = now_nanoseconds();
}

int64_t Profile::nanoseconds() const { return now_nanoseconds() - start_; }

double Profile::copy_speed(double bytes) const {
  int i = 0;
  while (i < 2 && bytes > std::sqrt(kCopySizes[i] * kCopySizes[i + 1])) ++i;  // the nearest, as ratios go
  return copy_speeds_[i];
}

double Profile::least_seconds(const Line& line) const {
  if (line.flops > 0) return line.flops / peak_flops_;
  const int64_t passes = line.calls * (line.forward_ns > 0 && line.backward_ns > 0 ? 2 : 1);
  return line.bytes / copy_speed(line.bytes / double(std::max<int64_t>(passes, 1)));
}

double Profile::share_of_peak(const Line& line) const { return per_second(least_seconds(line), line.nanoseconds()); }

Profile::Section::Section(Profile* profile, const char* name)
    : profile_(profile), name_(name), start_(profile ? now_nanoseconds() : 0) {}

Profile::Section::~Section() {
  if (!profile_) return;
  Line& line = profile_->line(name_);
  line.section = true;
  ++line.calls;
  line.forward_ns += now_nanoseconds() - start_;
}

void Profile::print(std::ostream& out) const {
  const double steps = double(std::max<int64_t>(steps_, 1)), wall = double(nanoseconds());
  const auto ms = [&](int64_t ns) { return ns > 0 ? formatted("%.3f", double(ns) / steps * 1e-6) : ""; };
  out << "profile of " << steps_ << " steps, " << formatted("%.3f", wall / steps * 1e-6) << " ms each, on " << threads()
      << (threads() == 1 ? " thread" : " threads") << " that reach " << formatted("%.0f", peak_flops_ * 1e-9)
      << " GFLOP/s and copy";
  for (int i = 0; i < 3; ++i)
    out << (i == 0 ? " " : ", ") << formatted("%.0f", copy_speeds_[i] * 1e-9) << (i == 0 ? " GB/s of " : " of ")
        << bytes_text(kCopySizes[i]);
  out << "\n\n";

  std::vector<std::pair<int64_t, std::string>> longest_first;
  for (const auto& [name, line] : lines_) longest_first.emplace_back(-line.nanoseconds(), name);
  std::sort(longest_first.begin(), longest_first.end());
  std::vector<std::vector<std::string>> rows = {
      {"operation", "calls", "forward", "backward", "ms", "time", "speed", "of peak", "moved", "saved"}};
  double listed = 0;
  for (const auto& [negated, name] : longest_first) {
    const Line& line = lines_.at(name);
    const int64_t ns = -negated;
    listed += double(ns);
    const bool products = line.flops > 0, measured = products || line.bytes > 0;
    const double speed = per_second(products ? line.flops : line.bytes, ns) * 1e-9;
    rows.push_back({name, line.calls > 0 ? count_text(double(line.calls) / steps) : "",
                    line.section ? "" : ms(line.forward_ns), line.section ? "" : ms(line.backward_ns), ms(ns),
                    formatted("%.1f %%", 100 * double(ns) / wall),
                    measured ? formatted("%.1f ", speed) + (products ? "GFLOP/s" : "GB/s") : "",
                    measured ? formatted("%.0f %%", 100 * share_of_peak(line)) : "",
                    measured ? bytes_text(line.bytes / steps) : "",
                    line.saved_bytes > 0 ? bytes_text(double(line.saved_bytes) / steps) : ""});
  }
  rows.push_back({"everything else", "", "", "", ms(int64_t(wall - listed)),
                  formatted("%.1f %%", 100 * (wall - listed) / wall), "", "", "", ""});
  detail::print_aligned(out, rows, 1);
  out << "\n" << verdict() << "\n";
}

std::string Profile::verdict() const {
  double least_products = 0, least_passes = 0;  // seconds at the peak
  Line products, passes;  // added up: operations that multiply matrices, and those that only pass over their tensors
  std::string largest_product, largest_pass;
  int64_t most_product = 0, most_pass = 0, calls = 0;
  for (const auto& [name, line] : lines_) {
    if (line.section) continue;
    const bool product = line.flops > 0;
    Line& sum = product ? products : passes;
    sum.forward_ns += line.forward_ns;
    sum.backward_ns += line.backward_ns;
    (product ? least_products : least_passes) += least_seconds(line);
    calls += line.calls;
    int64_t& most = product ? most_product : most_pass;
    if (line.nanoseconds() <= most) continue;
    most = line.nanoseconds();
    (product ? largest_product : largest_pass) = name;
  }
  if (calls == 0) return "nothing was recorded on a tape";
  const double wall = double(nanoseconds());
  const auto time = [&](const Line& line) {
    return formatted("%.0f %% of the time", 100 * double(line.nanoseconds()) / wall);
  };
  const double share_products = per_second(least_products, products.nanoseconds()),
               share_passes = per_second(least_passes, passes.nanoseconds());
  const double in_operations = double(products.nanoseconds() + passes.nanoseconds());
  const double microseconds = in_operations / double(calls) * 1e-3;
  if (microseconds < 10)
    return "overhead: an operation takes " + formatted("%.1f", microseconds) +
           " us, forward and backward; a larger batch or model would use the machine better";
  if (in_operations < 0.5 * wall)
    return "overhead: " + formatted("%.0f %%", 100 * (1 - in_operations / wall)) +
           " of the time passes outside of the operations";
  if (products.nanoseconds() >= passes.nanoseconds())
    return "products (" + largest_product + " the most) take " + time(products) + " at " +
           formatted("%.0f %%", 100 * share_products) + " of the peak: " +
           (share_products >= 0.5 ? "compute-bound"
                                  : "their matrices are too small to fill the machine; try a larger batch");
  return "operations without products (" + largest_pass + " the most) take " + time(passes) + " at " +
         formatted("%.0f %%", 100 * share_passes) + " of the speed of a copy: " +
         (share_passes >= 0.3 ? "memory-bound" : "bound by their arithmetic, or by tensors too small to share");
}

}  // namespace fovea
