// Where the time of a training run goes, operation by operation, beside what the machine could do.
//
//   Profile profile;                                   // measures the machine's peak first, for 50 ms
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
  int64_t steps() const { return steps_; }           // tapes that were walked back
  int64_t nanoseconds() const;                       // since it was made
  double peak_flops() const { return peak_flops_; }  // per second, of all threads in registers
  // Bytes a second that a copy reaches which moves about so many: what lies in a cache moves many times as fast as what
  // lies in memory, so a speed says nothing without the size.
  double copy_speed(double bytes) const;
  // Of the arithmetic if it has any, else of a copy that moves what one forward or backward does.
  double share_of_peak(const Line& line) const;

  // A table, the most expensive first, in milliseconds per step; and what limits the run.
  void print(std::ostream& out) const;
  std::string verdict() const;

  // --- what tapes report ---
  Line& line(const char* name) { return lines_[name]; }
  void count_step() { ++steps_; }

 private:
  double least_seconds(const Line& line) const;  // at the peak

  std::map<std::string, Line> lines_;
  int64_t steps_ = 0;
  double peak_flops_;
  double copy_speeds_[3];  // of small, middle-sized and large copies
  int64_t start_;
};

}  // namespace fovea
