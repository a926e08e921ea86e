// Where the time of a training run goes, operation by operation, beside what the machine could do.
//
//   Profile profile;                                   // measures the machine's peak first, for 40 ms
//   for (…) {
//     Tape tape({.profile = &profile});
//     tape.backward(cross_entropy(model(x), y));
//     const Profile::Section section(&profile, "optimiser");
//     optimiser.step(lr);
//   }
//   profile.print(std::cout);
//
// A tape without one does not measure. Times are of the thread that records, which waits for those that help it; what a
// checkpoint() computes again counts as its own backward.
#pragma once
#include <cstdint>
#include <iosfwd>
#include <map>
#include <string>

namespace fovea {

class Profile {
 public:
  Profile();

  // What one operation, or one section, has come to so far.
  struct Line {
    int64_t calls = 0;  // of the forward
    int64_t forward_ns = 0, backward_ns = 0;
    double flops = 0;         // multiplications and additions of its products, forward and backward; 0: it has none
    double bytes = 0;         // of the tensors that it read and wrote, forward and backward; a view moves none
    int64_t saved_bytes = 0;  // kept for the backward
    bool section = false;
    int64_t nanoseconds() const { return forward_ns + backward_ns; }
  };

  // What is measured here and not on a tape: the optimiser, the data. Null: does nothing.
  class Section {
   public:
    Section(Profile* profile, const char* name);
    ~Section();
    Section(const Section&) = delete;
    Section& operator=(const Section&) = delete;

   private:
    Profile* profile_;
    const char* name_;
    int64_t start_;
  };

  const std::map<std::string, Line>& lines() const { return lines_; }
  int64_t steps() const { return steps_; }                   // tapes that were walked back
  int64_t nanoseconds() const;                               // since it was made
  double peak_flops() const { return peak_flops_; }          // per second, of all threads in registers
  double peak_bandwidth() const { return peak_bandwidth_; }  // bytes per second
  double share_of_peak(const Line& line) const;              // of arithmetic if it has any, else of bandwidth

  // A table, the most expensive first, in milliseconds per step; and what limits the run.
  void print(std::ostream& out) const;
  std::string verdict() const;

  // --- what tapes report ---
  Line& line(const char* name) { return lines_[name]; }
  void count_step() { ++steps_; }

 private:
  std::map<std::string, Line> lines_;
  int64_t steps_ = 0;
  double peak_flops_, peak_bandwidth_;
  int64_t start_;
};

}  // namespace fovea
