// The profiler: what it counts on small computations worked out by hand, that it changes no result, what it prints.
#include "autograd/profile.h"

#include <doctest/doctest.h>

#include <sstream>

#include "autograd/attention.h"
#include "autograd/elementwise.h"
#include "autograd/matmul.h"
#include "autograd/reduce.h"
#include "autograd/tape.h"
#include "autograd/views.h"
#include "tensor/random.h"

using namespace fovea;

namespace {

Tensor random_tensor(const Shape& shape) {
  Rng rng(3);
  return randn(shape, rng);
}

const Profile::Line& line(const Profile& profile, const std::string& name) {
  REQUIRE(profile.lines().count(name) == 1);
  return profile.lines().at(name);
}

}  // namespace

TEST_CASE("a product: calls, operations, bytes") {
  Profile profile;
  Parameter a(random_tensor({32, 64})), b(random_tensor({64, 16}));
  for (int i = 0; i < 3; ++i) {
    Tape tape({.profile = &profile});
    tape.backward(sum(matmul(a, b)));
  }
  const double one = 2.0 * 32 * 64 * 16;
  CHECK(profile.steps() == 3);
  CHECK(line(profile, "matmul").calls == 3);
  CHECK(line(profile, "matmul").flops == 3 * (one + 2 * one));  // forward, and a gradient for each operand
  const double a_bytes = 32 * 64 * 4, b_bytes = 64 * 16 * 4, y_bytes = 32 * 16 * 4;
  CHECK(line(profile, "matmul").saved_bytes == int64_t(3 * (a_bytes + b_bytes)));
  // Forward a, b and y; backward what was saved, both gradients and dy, which is one number repeated.
  CHECK(line(profile, "matmul").bytes == 3 * (a_bytes + b_bytes + y_bytes + 2 * (a_bytes + b_bytes) + 4));
}

TEST_CASE("a gradient that nobody wants is not counted") {
  Profile profile;
  const Variable a(random_tensor({8, 4}));
  Parameter b(random_tensor({4, 2}));
  Tape tape({.profile = &profile});
  tape.backward(sum(matmul(a, b)));
  CHECK(line(profile, "matmul").flops == 2 * 2.0 * 8 * 4 * 2);
}

TEST_CASE("causal attention counts the scores that it sees") {
  Profile profile;
  Parameter x(random_tensor({2, 5, 8}));  // [B, T, d]
  Tape tape({.profile = &profile});
  tape.backward(sum(attention(x, x, x, 0.5, {}, true)));
  const double scores = 2 * (1 + 2 + 3 + 4 + 5);
  CHECK(line(profile, "attention").flops == scores * 2 * (8 + 8) * (1 + 2.5));
}

TEST_CASE("elementwise operations count what they move, views nothing") {
  Profile profile;
  Parameter x(random_tensor({6, 10}));
  Tape tape({.profile = &profile});
  const Variable y = exp(x), flat = reshape(y, {60});
  tape.backward(flat, random_tensor({60}));
  CHECK(line(profile, "exp").flops == 0);
  CHECK(line(profile, "exp").bytes == 5 * 240);  // x, y; dy, the saved y, dx
  CHECK(line(profile, "reshape").bytes == 0);
  CHECK(line(profile, "reshape").calls == 1);
}

TEST_CASE("times are not negative, and together not longer than the clock says") {
  Profile profile;
  Parameter w(random_tensor({64, 64}));
  for (int i = 0; i < 5; ++i) {
    Tape tape({.profile = &profile});
    tape.backward(mean(square(matmul(exp(w), w) + w)));
    const Profile::Section section(&profile, "something else");
    w.zero_grad();
  }
  int64_t sum = 0;
  for (const auto& entry : profile.lines()) {
    const std::string& name = entry.first;
    const Profile::Line& l = entry.second;
    CHECK_MESSAGE(l.forward_ns >= 0, name);
    CHECK_MESSAGE(l.backward_ns >= 0, name);
    sum += l.nanoseconds();
  }
  CHECK(sum > 0);
  CHECK(sum <= profile.nanoseconds());
  CHECK(line(profile, "something else").calls == 5);
  CHECK(line(profile, "something else").section);
}

TEST_CASE("a tape without a profile reports nowhere; with one the gradients are the same bits") {
  Profile profile;
  const auto gradient = [](Profile* to) {
    Parameter w(random_tensor({20, 20}));
    Tape tape({.profile = to});
    tape.backward(mean(square(matmul(w, w))));
    return w.grad();
  };
  const Tensor plain = gradient(nullptr);
  CHECK(profile.lines().empty());
  CHECK(profile.steps() == 0);
  CHECK(profile.verdict() == "nothing was recorded on a tape");
  CHECK(identical(plain, gradient(&profile)));
  const Profile::Section nothing(nullptr, "nothing");
}

TEST_CASE("the table: the most expensive first, shares of the peak") {
  Profile profile;
  const int64_t second = 1'000'000'000;
  profile.line("small") = {.calls = 4, .forward_ns = second, .bytes = 0.25 * profile.copy_speed(1e9)};
  profile.line("large") = {
      .calls = 2, .forward_ns = second, .backward_ns = second, .flops = 1.6 * profile.peak_flops(), .bytes = 1 << 20};
  CHECK(profile.share_of_peak(profile.line("small")) == doctest::Approx(0.25));
  CHECK(profile.share_of_peak(profile.line("large")) == doctest::Approx(0.8));
  std::ostringstream out;
  profile.print(out);
  const std::string text = out.str();
  CHECK(text.find("large") < text.find("small"));
  CHECK(text.find("80 %") < text.find("25 %"));
  CHECK(text.find("everything else") != text.npos);
  CHECK(text.find("1.0 MiB") != text.npos);
  CHECK(text.find('\x1b') == text.npos);
}

TEST_CASE("what moves few bytes at a time is held against a copy of few bytes") {
  Profile profile;
  CHECK(profile.copy_speed(0) == profile.copy_speed(250e3));
  CHECK(profile.copy_speed(300e3) == profile.copy_speed(4e6));
  CHECK(profile.copy_speed(5e6) == profile.copy_speed(1e12));
  const int64_t second = 1'000'000'000;
  const double bytes = 0.5 * profile.copy_speed(1e3);  // in one second: half the speed of a small copy
  profile.line("forward only") = {.calls = int64_t(bytes / 200e3), .forward_ns = second, .bytes = bytes};
  CHECK(profile.share_of_peak(profile.line("forward only")) == doctest::Approx(0.5));
  // Twice as many bytes for each call, half of them backward.
  profile.line("both") = {.calls = int64_t(bytes / 400e3), .forward_ns = 1, .backward_ns = second - 1, .bytes = bytes};
  CHECK(profile.share_of_peak(profile.line("both")) == doctest::Approx(0.5));
  std::ostringstream out;
  profile.print(out);
  CHECK(out.str().find(" of 64.0 KiB, ") != std::string::npos);
}

TEST_CASE("the closing line says what limits the run") {
  const int64_t second = 1'000'000'000;
  const auto verdict = [&](double product_seconds, double product_share, double pass_seconds, double pass_share,
                           int64_t calls) {
    Profile p;
    p.line("matmul") = {.calls = calls,
                        .forward_ns = int64_t(product_seconds * double(second)),
                        .flops = product_seconds * product_share * p.peak_flops()};
    p.line("exp") = {.calls = calls,
                     .forward_ns = int64_t(pass_seconds * double(second)),
                     .bytes = pass_seconds * pass_share * p.copy_speed(1e9)};
    return p.verdict();
  };
  const auto says = [](const std::string& text, const char* part) { return text.find(part) != text.npos; };
  CHECK(says(verdict(100, 0.8, 50, 0.5, 1000), "products (matmul the most) take"));
  CHECK(says(verdict(100, 0.8, 50, 0.5, 1000), "at 80 % of the peak: compute-bound"));
  CHECK(says(verdict(100, 0.1, 50, 0.5, 1000), "too small"));
  CHECK(says(verdict(50, 0.8, 100, 0.5, 1000), "(exp the most)"));
  CHECK(says(verdict(50, 0.8, 100, 0.5, 1000), "at 50 % of the speed of a copy: memory-bound"));
  CHECK(says(verdict(100, 0.8, 50, 0.5, 1'000'000'000), "overhead: an operation takes"));
  CHECK(says(verdict(1e-5, 0.8, 0, 0, 1), "overhead: "));
}
