// Random numbers: the cipher against its published vectors, the distributions against their moments and tails, and
// that a value depends on its position alone.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <vector>

#include "tensor/dispatch.h"
#include "tensor/elementwise.h"
#include "tensor/parallel.h"
#include "tensor/random.h"
#include "tensor/reduce.h"
#include "tensor/views.h"
#include "tests/restored.h"

using namespace fovea;

namespace {

struct Moments {
  double mean = 0, variance = 0, skew = 0, kurtosis = 0;
};

Moments moments(const Tensor& x) {
  const std::vector<double> v = x.to(DType::f64).to_vector<double>();
  Moments m;
  for (double a : v) m.mean += a / double(v.size());
  for (double a : v) m.variance += (a - m.mean) * (a - m.mean) / double(v.size());
  for (double a : v) {
    const double z = (a - m.mean) / std::sqrt(m.variance);
    m.skew += z * z * z / double(v.size());
    m.kurtosis += z * z * z * z / double(v.size());
  }
  return m;
}

// Σ (observed - expected)² / expected over equally likely bins.
double chi_square(const std::vector<int64_t>& counts) {
  const double expected = double(std::accumulate(counts.begin(), counts.end(), int64_t(0))) / double(counts.size());
  double sum = 0;
  for (int64_t c : counts) sum += (double(c) - expected) * (double(c) - expected) / expected;
  return sum;
}

// Chi-square of k bins has mean k - 1 and deviation √(2 (k - 1)); six deviations are never met by chance.
bool is_even(const std::vector<int64_t>& counts) {
  const double free = double(counts.size()) - 1;
  return std::abs(chi_square(counts) - free) < 6 * std::sqrt(2 * free);
}

double correlation(const Tensor& a, const Tensor& b) {
  const Moments ma = moments(a), mb = moments(b);
  const std::vector<double> u = a.to(DType::f64).to_vector<double>(), v = b.to(DType::f64).to_vector<double>();
  double sum = 0;
  for (size_t i = 0; i < u.size(); ++i) sum += (u[i] - ma.mean) * (v[i] - mb.mean);
  return sum / double(u.size()) / std::sqrt(ma.variance * mb.variance);
}

}  // namespace

TEST_CASE("philox4x32-10 gives the vectors that its authors publish (Random123, kat_vectors)") {
  using Words = std::array<uint32_t, 4>;
  CHECK(philox4x32({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}) == Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("a tensor's values are the cipher's words at its positions") {
  Rng rng(0x0123456789abcdef, 7, 5);
  const std::vector<float> x = rand({10}, rng).to_vector<float>();
  CHECK(rng.position() == 8);  // 10 words: three blocks
  for (uint32_t i = 0; i < 10; ++i) {
    const auto words = philox4x32({5 + i / 4, 0, 7, 0}, {0x89abcdef, 0x01234567});
    CHECK(x[i] == float(words[i % 4] >> 8) / 16777216.0f);
  }
}

TEST_CASE("every instruction set runs the cipher alike, for any count and where the position grows past 32 bits") {
  const tests::Restored restored;
  for (const Isa isa : available_isas()) {
    set_isa(isa);
    for (int64_t count = 0; count < 300; ++count) {
      const Rng start(0xfedcba9876543210, 0x0123456789abcdef, 0xffffffff - 30);
      Rng for_rand = start, for_mask = start;
      const std::vector<float> x = rand({count}, for_rand).to_vector<float>();
      const std::vector<float> mask = dropout_mask({count}, 0.25, for_mask).to_vector<float>();
      bool equal = true;
      for (size_t i = 0; i < x.size(); ++i) {
        const uint64_t position = start.position() + i / 4;
        const auto words = philox4x32({uint32_t(position), uint32_t(position >> 32), 0x89abcdef, 0x01234567},
                                      {0x76543210, 0xfedcba98});
        equal &= x[i] == float(words[i % 4] >> 8) / 16777216.0f;
        equal &= mask[i] == (words[i % 4] < 0x40000000 ? 0 : 1 / 0.75f);
      }
      CHECK_MESSAGE(equal, isa_name(isa), ", ", count, " numbers");
    }
  }
}

TEST_CASE("draws are the same for 1, 2 and 5 threads, and for every instruction set") {
  const tests::Restored restored;
  const auto draw_all = [](int n) {
    set_threads(n);
    Rng rng(3);
    return std::vector<Tensor>{rand({70001}, rng),
                               rand({70001}, rng, DType::f64),
                               randn({333, 211}, rng),
                               randn({70001}, rng, DType::f64),
                               randint(-5, int64_t(3) << 61, {70001}, rng),
                               bernoulli(0.3, {70001}, rng),
                               dropout_mask({70001}, 0.1, rng),
                               truncated_normal({70001}, 0, 1, -2, 2, rng),
                               uniform({70001}, -1, 1, rng),
                               multinomial(ones({50, 7}), 20, rng)};
  };
  const std::vector<Tensor> one = draw_all(1), two = draw_all(2), five = draw_all(5);
  for (size_t i = 0; i < one.size(); ++i) {
    CHECK(identical(one[i], two[i]));
    CHECK(identical(one[i], five[i]));
  }
  for (const Isa isa : available_isas()) {
    set_isa(isa);
    if (!kernels().fused) continue;  // rounds the logarithm and the sine of randn in another way
    const std::vector<Tensor> here = draw_all(2);
    for (size_t i = 0; i < one.size(); ++i) CHECK(identical(one[i], here[i]));
  }
}

TEST_CASE("a longer draw begins with the shorter one") {
  for (DType dtype : {DType::f32, DType::f64}) {
    Rng a(11), b(11);
    CHECK(identical(randn({20}, a, dtype), narrow(randn({4, 9}, b, dtype).view({36}, {1}), 0, 0, 20)));
  }
}

TEST_CASE("rand is even on [0, 1)") {
  for (DType dtype : {DType::f32, DType::f64}) {
    Rng rng(1);
    const Tensor x = rand({1 << 18}, rng, dtype);
    CHECK(min(x).item() >= 0);
    CHECK(max(x).item() < 1);
    const Moments m = moments(x);
    CHECK(m.mean == doctest::Approx(0.5).epsilon(0.005));
    CHECK(m.variance == doctest::Approx(1.0 / 12).epsilon(0.01));
    std::vector<int64_t> bins(256, 0);
    for (double v : x.to(DType::f64).to_vector<double>()) ++bins[size_t(v * 256)];
    CHECK(is_even(bins));
  }
}

TEST_CASE("uniform stays in [low, high) although it rounds") {
  Rng rng(2);
  const Tensor x = uniform({1 << 16}, 16777215.0, 16777217.0, rng);  // two floats apart: half of all would round up
  CHECK(min(x).item() >= 16777215.0);
  CHECK(max(x).item() < 16777217.0);
  CHECK(identical(uniform({3}, 2, 2, rng), full({3}, 2)));
  CHECK(uniform({0, 4}, 0, 1, rng).shape() == Shape{0, 4});
  CHECK_THROWS_WITH_AS(uniform({3}, 2, 1, rng), "uniform: no numbers in [2, 1); low must not be above high",
                       ValueError);
}

TEST_CASE("randn has the moments and the tails of a normal distribution") {
  for (DType dtype : {DType::f32, DType::f64}) {
    Rng rng(5);
    const int64_t n = 1 << 21;
    const Tensor x = randn({n}, rng, dtype);
    const Moments m = moments(x);
    CHECK(std::abs(m.mean) < 0.004);
    CHECK(m.variance == doctest::Approx(1).epsilon(0.005));
    CHECK(std::abs(m.skew) < 0.01);
    CHECK(m.kurtosis == doctest::Approx(3).epsilon(0.01));
    for (double limit : {1.0, 2.0, 3.0, 4.0}) {  // how many lie outside ± limit
      const double expected = double(n) * std::erfc(limit / std::sqrt(2.0));
      const double seen = double(count_nonzero(abs(x) > limit).item());
      CHECK(std::abs(seen - expected) < 5 * std::sqrt(expected));
    }
    CHECK(max(abs(x)).item() > 4.5);
    CHECK(max(abs(x)).item() < 9);
    const Tensor pairs = x.view({n / 2, 2}, {2, 1});
    CHECK(std::abs(correlation(select(pairs, 1, 0), select(pairs, 1, 1))) < 0.005);
    CHECK(std::abs(correlation(square(select(pairs, 1, 0)), square(select(pairs, 1, 1)))) < 0.005);
  }
}

TEST_CASE("randn is Box and Muller's formula on the cipher's words") {
  Rng rng(9);
  const std::vector<double> x = randn({7}, rng, DType::f64).to_vector<double>();
  for (uint32_t pair = 0; pair < 4; ++pair) {
    const auto w = philox4x32({pair, 0, 0, 0}, {9, 0});
    const double u = 1 - double((uint64_t(w[0]) << 32 | w[1]) >> 11) / 9007199254740992.0;
    const double v = double((uint64_t(w[2]) << 32 | w[3]) >> 11) / 9007199254740992.0;
    const double radius = std::sqrt(-2 * std::log(u));
    CHECK(x[2 * pair] == doctest::Approx(radius * std::cos(2 * M_PI * v)).epsilon(1e-13));
    if (pair < 3) CHECK(x[2 * pair + 1] == doctest::Approx(radius * std::sin(2 * M_PI * v)).epsilon(1e-13));
  }
}

TEST_CASE("truncated_normal keeps the shape inside its interval") {
  Rng rng(6);
  const Tensor x = truncated_normal({200000}, 0.5, 0.02, 0.46, 0.54, rng);
  CHECK(min(x).item() >= 0.46);
  CHECK(max(x).item() <= 0.54);
  const Moments m = moments(x);  // cut at two deviations the variance is 0.7737 of the whole
  CHECK(m.mean == doctest::Approx(0.5).epsilon(0.001));
  CHECK(m.variance == doctest::Approx(0.7737413 * 0.0004).epsilon(0.01));
  CHECK_THROWS_WITH_AS(
      truncated_normal({3}, 0, 1, 5, 6, rng),
      "truncated_normal: [5, 6] holds less than 1 % of a normal distribution of mean 0 and deviation 1", ValueError);
}

TEST_CASE("randint is unbiased, whatever its range") {
  Rng rng(4);
  std::vector<int64_t> counts(7, 0);
  for (int64_t v : randint(-3, 4, {70000}, rng).to_vector<int64_t>()) ++counts.at(size_t(v + 3));
  CHECK(is_even(counts));
  // Of 3·2^62 numbers, multiplying alone would give every third twice the chance of the others.
  const int64_t low = INT64_MIN, high = int64_t(1) << 62;
  std::vector<int64_t> residues(3, 0);
  for (int64_t v : randint(low, high, {60000}, rng).to_vector<int64_t>()) {
    REQUIRE(v < high);
    ++residues[size_t((uint64_t(v) - uint64_t(low)) % 3)];
  }
  CHECK(is_even(residues));
  CHECK(identical(randint(8, 9, {5}, rng), full({5}, 8, DType::i64)));
  CHECK_THROWS_WITH_AS(randint(3, 3, {1}, rng), "randint: no number in [3, 3); low must be below high", ValueError);
}

TEST_CASE("randperm is a permutation, each as likely") {
  Rng rng(8);
  std::vector<int64_t> sorted = randperm(1000, rng).to_vector<int64_t>();
  std::sort(sorted.begin(), sorted.end());
  for (int64_t i = 0; i < 1000; ++i) CHECK(sorted[size_t(i)] == i);
  std::vector<int64_t> counts(24, 0);  // the 4! orders of four
  for (int trial = 0; trial < 24000; ++trial) {
    const std::vector<int64_t> p = randperm(4, rng).to_vector<int64_t>();
    size_t rank = 0;
    for (size_t i = 0; i < 4; ++i) {
      size_t smaller = 0;
      for (size_t j = i + 1; j < 4; ++j) smaller += p[j] < p[i];
      rank = rank * (4 - i) + smaller;
    }
    ++counts[rank];
  }
  CHECK(is_even(counts));
  CHECK(randperm(0, rng).count() == 0);
  CHECK(randperm(1, rng).item() == 0);
}

TEST_CASE("bernoulli and dropout masks hit their probability") {
  Rng rng(12);
  CHECK(count_nonzero(bernoulli(0, {1000}, rng)).item() == 0);
  CHECK(count_nonzero(bernoulli(1, {1000}, rng)).item() == 1000);
  CHECK(std::abs(count_nonzero(bernoulli(0.3, {100000}, rng)).item() - 30000) < 6 * 145);
  for (DType dtype : {DType::f32, DType::f64}) {
    const Tensor mask = dropout_mask({100, 1000}, 0.2, rng, dtype);
    CHECK(mask.dtype() == dtype);
    CHECK(std::abs(count_nonzero(mask).item() - 80000) < 6 * 127);
    CHECK(max(mask).item() == (dtype == DType::f32 ? double(1.25f) : 1.25));
    CHECK(identical(dropout_mask({5}, 0, rng, dtype), ones({5}, dtype)));
    CHECK(identical(dropout_mask({5}, 1, rng, dtype), zeros({5}, dtype)));
  }
  CHECK_THROWS_WITH_AS(dropout_mask({5}, 1.5, rng), "dropout_mask: p is 1.5; a probability lies in [0, 1]", ValueError);
  CHECK_THROWS_AS(bernoulli(std::nan(""), {5}, rng), ValueError);
}

TEST_CASE("multinomial chooses in proportion to the weights") {
  Rng rng(13);
  const Tensor weights = tensor({{1, 0, 3, 4}, {0, 0, 0, 2}});
  const Tensor drawn = multinomial(weights, 40000, rng);  // [2, 40000]
  std::vector<int64_t> counts(4, 0);
  for (int64_t v : select(drawn, 0, 0).to_vector<int64_t>()) ++counts[size_t(v)];
  CHECK(counts[1] == 0);
  CHECK(std::abs(double(counts[0]) - 5000) < 6 * 66);
  CHECK(std::abs(double(counts[2]) - 15000) < 6 * 97);
  CHECK(std::abs(double(counts[3]) - 20000) < 6 * 100);
  CHECK(identical(select(drawn, 0, 1), full({40000}, 3, DType::i64)));

  CHECK(multinomial(weights, rng).shape() == Shape{2});
  CHECK(multinomial(select(weights, 0, 0), rng).shape() == Shape{});
  for (int trial = 0; trial < 20; ++trial) {  // without replacement every choice comes once
    const std::vector<int64_t> v = multinomial(select(weights, 0, 0), 3, rng, false).to_vector<int64_t>();
    CHECK(std::set<int64_t>(v.begin(), v.end()) == std::set<int64_t>{0, 2, 3});
  }
}

TEST_CASE("multinomial refuses weights that mean nothing") {
  Rng rng(14);
  CHECK_THROWS_WITH_AS(multinomial(tensor({1, -1}), rng),
                       "multinomial: weight -1 at 1 of row 0; weights are finite and not negative", ValueError);
  CHECK_THROWS_AS(multinomial(tensor({1, std::nan("")}), rng), ValueError);
  CHECK_THROWS_AS(multinomial(tensor({1, INFINITY}), rng), ValueError);
  CHECK_THROWS_WITH_AS(multinomial(zeros({2, 3}), rng), "multinomial: row 0 has 0 weights above 0, for 1 samples",
                       ValueError);
  CHECK_THROWS_WITH_AS(multinomial(tensor({1, 0, 1}), 3, rng, false),
                       "multinomial: row 0 has 2 weights above 0, for 3 samples without replacement", ValueError);
  CHECK_THROWS_AS(multinomial(arange(3), rng), DTypeError);
  CHECK(rng.position() == 0);  // nothing was drawn
}

TEST_CASE("streams are independent of each other and of what was drawn") {
  Rng rng(42);
  const Rng before = rng.stream("dropout");
  rand({100}, rng);
  CHECK(rng.stream("dropout") == before);
  std::set<uint64_t> streams;
  for (const char* name : {"", "a", "b", "ab", "ba", "dropout", "data"}) {
    streams.insert(rng.stream(name).stream());
    streams.insert(rng.stream("x").stream(name).stream());
  }
  CHECK(streams.size() == 14);
  Rng a = rng.stream("a"), b = rng.stream("b"), other = Rng(43).stream("a");
  const Tensor x = randn({100000}, a), y = randn({100000}, b), z = randn({100000}, other);
  CHECK(std::abs(correlation(x, y)) < 0.02);
  CHECK(std::abs(correlation(x, z)) < 0.02);
}

TEST_CASE("a generator is its three numbers") {
  Rng rng(~uint64_t(0) - 5);
  rng = rng.stream("weights");
  rand({17}, rng);
  Rng copy = Rng::from_state(rng.state());
  CHECK(copy == rng);
  CHECK(identical(rand({9}, copy), rand({9}, rng)));
  rand({1}, copy);
  CHECK_FALSE(copy == rng);
}

TEST_CASE("a replay draws what was recorded and moves no generator") {
  Rng rng(1), other = rng.stream("other");
  const auto forward = [&] { return std::vector<Tensor>{rand({5}, rng), randint(0, 9, {8}, other), randn({3}, rng)}; };
  RngLog log;
  std::vector<Tensor> first;
  {
    RecordRng record(log);
    first = forward();
  }
  CHECK(log.entries.size() == 3);
  const Rng rng_after = rng, other_after = other;
  {
    ReplayRng replay(log);
    const std::vector<Tensor> again = forward();
    for (size_t i = 0; i < 3; ++i) CHECK(identical(first[i], again[i]));
  }
  CHECK(rng == rng_after);
  CHECK(other == other_after);
  CHECK_FALSE(identical(forward()[0], first[0]));
}

TEST_CASE("records nest inside records and inside replays, as nested checkpoints need") {
  Rng rng(2);
  RngLog outer, inner;
  Tensor a, b;
  {
    RecordRng record_outer(outer);
    a = rand({4}, rng);
    RecordRng record_inner(inner);
    b = rand({4}, rng);
  }
  CHECK(outer.entries.size() == 2);
  CHECK(inner.entries.size() == 1);
  RngLog inner_again;
  {
    ReplayRng replay_outer(outer);
    CHECK(identical(rand({4}, rng), a));
    RecordRng record_inner(inner_again);
    CHECK(identical(rand({4}, rng), b));
  }
  ReplayRng replay_inner(inner_again);
  CHECK(identical(rand({4}, rng), b));
  CHECK(outer.entries.size() == 2);
}

TEST_CASE("a replay that draws otherwise than recorded is an error") {
  Rng rng(3);
  RngLog log;
  {
    RecordRng record(log);
    rand({4}, rng);
  }
  ReplayRng replay(log);
  CHECK_THROWS_WITH_AS(
      rand({400}, rng),
      "random: draw 0 of the replay takes 100 blocks of stream 0, the recorded one 1 of stream 0; what "
      "is recomputed must draw the same again",
      ValueError);
  rand({4}, rng);
  CHECK_THROWS_WITH_AS(rand({4}, rng), "random: the replay draws more often than was recorded (1 times)", ValueError);
}

TEST_CASE("random tensors are floating") {
  Rng rng(1);
  CHECK_THROWS_AS(rand({2}, rng, DType::i64), DTypeError);
  CHECK_THROWS_AS(randn({2}, rng, DType::boolean), DTypeError);
  CHECK_THROWS_AS(randn({-2}, rng), ShapeError);
}
