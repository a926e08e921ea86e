// Relative positions: each scheme against its paper's formula in plain loops, a number at a time.
#include "nn/relative_positions.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <functional>

#include "nn/attention.h"
#include "nn/rotary.h"
#include "tensor/indexing.h"
#include "tensor/reduce.h"

using namespace fovea;
using nn::Mask;
using nn::Positions;

namespace {

constexpr Positions relative_schemes[] = {Positions::t5, Positions::transformer_xl, Positions::deberta,
                                          Positions::alibi, Positions::rope};

Tensor random_f64(const Shape& shape, uint64_t seed) {
  Rng rng(seed);
  return randn(shape, rng, DType::f64);
}

// In f64, and with every parameter large enough to be seen.
nn::MultiHeadAttention enlarged(nn::MultiHeadAttention module) {
  module.to(DType::f64);
  Rng rng(7);
  for (const auto& [path, p] : module.parameters()) p->value() = p->value() + randn(p->shape(), rng, DType::f64) * 0.3;
  return module;
}

nn::MultiHeadAttention attention_of(Positions positions, bool causal = false) {
  Rng rng(1);
  return enlarged(nn::MultiHeadAttention(
      {.dim = 12, .heads = 3, .positions = positions, .causal = causal, .max_distance = 20}, rng));
}

struct Heads {
  Tensor q, k;  // [B, H, T, d]
};

// Σ_c a(c) b(c)
double dot(int64_t d, const std::function<double(int64_t)>& a, const std::function<double(int64_t)>& b) {
  double total = 0;
  for (int64_t c = 0; c < d; ++c) total += a(c) * b(c);
  return total;
}

// x W, element c, by its sum.
double projected(const nn::Linear& linear, const std::function<double(int64_t)>& x, int64_t c) {
  return dot(linear.weight.size(0), x, [&](int64_t i) { return linear.weight.value().at({i, c}); });
}

double sinusoid(int64_t place, int64_t channel, int64_t dim) {
  const double angle = double(place) / std::pow(10000, double(channel / 2 * 2) / double(dim));
  return channel % 2 == 0 ? std::sin(angle) : std::cos(angle);
}

// T5's buckets in whole numbers: bucket exact + b begins at the first n with (n / exact)^steps >= (most / exact)^b.
int64_t naive_bucket(int64_t distance, bool causal, int64_t most) {
  const int64_t exact = causal ? 16 : 8, steps = exact;
  const int64_t n = causal ? std::max<int64_t>(distance, 0) : std::abs(distance);
  int64_t bucket = n;
  if (n >= exact) {
    const auto power = [](int64_t x, int64_t e) { return std::pow(static_cast<long double>(x), e); };
    int64_t b = 0;
    while (b + 1 < steps && power(n, steps) * power(exact, b + 1) >= power(most, b + 1) * power(exact, steps)) ++b;
    bucket = exact + b;
  }
  return bucket + (!causal && distance < 0 ? 16 : 0);
}

// The score of query place i and key place j in head h of batch entry b.
double naive_score(const nn::MultiHeadAttention& m, const Heads& x, int64_t b, int64_t h, int64_t i, int64_t j) {
  const int64_t d = x.q.size(3), dim = d * x.q.size(1), start = h * d;
  const auto q = [&](int64_t c) { return x.q.at({b, h, i, c}); };
  const auto k = [&](int64_t c) { return x.k.at({b, h, j, c}); };
  const double content = dot(d, q, k), root = std::sqrt(double(d));
  switch (m.positions.positions) {
    case Positions::t5: {
      const auto& t5 = std::get<nn::T5Positions>(m.positions.scheme);
      return content / root + t5.weight.value().at({naive_bucket(i - j, t5.causal, 20), h});
    }
    case Positions::alibi: {
      const double slope[] = {1.0 / 16, 1.0 / 256, 1.0 / 4};  // of three heads: two, and the first of four
      return content / root - slope[h] * std::abs(double(i - j));
    }
    case Positions::rope: {  // eq. 16: the product depends on the distance alone
      double total = 0;
      for (int64_t c = 0; c < d / 2; ++c) {
        const std::complex<double> a(q(c), q(c + d / 2)), e(k(c), k(c + d / 2));
        const double angle = double(i - j) * std::pow(10000, -2 * double(c) / double(d));
        total += std::real(a * std::conj(e) * std::polar(1.0, angle));
      }
      return total / root;
    }
    case Positions::transformer_xl: {
      const auto& xl = std::get<nn::TransformerXLPositions>(m.positions.scheme);
      const auto r = [&](int64_t c) {
        return projected(
            xl.relative_key, [&](int64_t e) { return sinusoid(i - j, e, dim); }, start + c);
      };
      const auto u = [&](int64_t c) { return xl.u.value().at({h, c}); };
      const auto v = [&](int64_t c) { return xl.v.value().at({h, c}); };
      return (content + dot(d, q, r) + dot(d, u, k) + dot(d, v, r)) / root;
    }
    case Positions::deberta: {
      const auto& p = std::get<nn::DebertaPositions>(m.positions.scheme);
      const auto vector = [&](int64_t distance) {
        const int64_t row = distance <= -20 ? 0 : distance >= 20 ? 39 : distance + 20;
        return [&p, row](int64_t e) { return p.distances.value().at({row, e}); };
      };
      const auto kr = [&](int64_t c) { return projected(p.relative_key, vector(i - j), start + c); };
      const auto qr = [&](int64_t c) { return projected(p.relative_query, vector(j - i), start + c); };
      return (content + dot(d, q, kr) + dot(d, k, qr)) / std::sqrt(3.0 * double(d));
    }
    default: return content / root;
  }
}

// Self-attention of x [B, T, C] under the scores above; keep [B, T, T].
Tensor naive_attention(const nn::MultiHeadAttention& m, const Tensor& x, const Tensor& keep) {
  const int64_t batch = x.size(0), time = x.size(1), d = x.size(2) / m.heads;
  const auto heads = [&](const nn::Linear& projection) {
    return permute(reshape(projection(x).value(), {batch, time, m.heads, d}), {0, 2, 1, 3});
  };
  const Heads qk{heads(m.query), heads(m.key)};
  const Tensor v = heads(m.value);
  Tensor y = zeros({batch, time, x.size(2)}, DType::f64);
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t h = 0; h < m.heads; ++h) {
      for (int64_t i = 0; i < time; ++i) {
        double total = 0;
        std::vector<double> weight(static_cast<size_t>(time), 0.0);
        for (int64_t j = 0; j < time; ++j) {
          if (keep.at({b, i, j}) != 0) total += weight[size_t(j)] = std::exp(naive_score(m, qk, b, h, i, j));
        }
        for (int64_t c = 0; c < d && total > 0; ++c) {
          double sum = 0;
          for (int64_t j = 0; j < time; ++j) sum += weight[size_t(j)] / total * v.at({b, h, j, c});
          y.set({b, i, h * d + c}, sum);
        }
      }
    }
  }
  return m.output(y).value();
}

}  // namespace

TEST_CASE("every relative scheme equals its paper's formula in plain loops, under every mask") {
  const Tensor x = random_f64({2, 24, 12}, 1);  // distances beyond max_distance included
  const Tensor padding = unsqueeze(arange(24), 0) < from_vector<int64_t>({24, 17}, {2, 1});  // [B, T]
  const Mask masks[] = {{},
                        Mask::causal(),
                        Mask::causal() & Mask::keep_keys(padding),
                        Mask::window(4),
                        Mask::causal() & Mask::window(6) & Mask::keep_keys(padding)};
  for (const Positions scheme : relative_schemes) {
    CAPTURE(std::string(nn::name(scheme)));
    for (const bool causal : {false, true}) {
      const nn::MultiHeadAttention attention = attention_of(scheme, causal);
      for (const Mask& mask : masks) {
        const Tensor all = mask.as_tensor(24, 24);
        const Tensor keep =
            all.defined() ? reshape(expand(all, {2, 1, 24, 24}), {2, 24, 24}) : ones({2, 24, 24}, DType::boolean);
        const Tensor expected = naive_attention(attention, x, keep);
        CHECK(max_abs_difference(attention(x, mask).value(), expected) < 1e-12);
        const nn::Attention a = attention.attend_with_weights(x, attention.keys_and_values(x, x), mask);
        CHECK(max_abs_difference(a.output.value(), expected) < 1e-12);
      }
    }
  }
}

TEST_CASE("the relative shift reads, for each query, the distances from its own place on") {
  for (const auto& [queries, keys] : {std::pair<int64_t, int64_t>{1, 1}, {1, 5}, {4, 4}, {3, 7}, {6, 2}}) {
    const Tensor x = random_f64({2, queries, keys + queries}, 3);
    const Tensor y = nn::relative_shift(x).value();
    REQUIRE(y.shape() == Shape{2, queries, keys});
    for (int64_t i = 0; i < queries; ++i) {
      for (int64_t j = 0; j < keys; ++j) {
        const int64_t distance = keys - queries + i - j;  // column n holds the distance keys - 1 - n
        CHECK(y.at({1, i, j}) == x.at({1, i, keys - 1 - distance}));
      }
    }
  }
}

TEST_CASE("T5's buckets are those of its code") {
  // The first distance of each bucket, from the code of T5 in PyTorch.
  const std::vector<int64_t> both_ways = {0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91};
  const std::vector<int64_t> back_only = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                          16, 19, 21, 24, 27, 31, 35, 40, 46, 52, 59, 67, 77, 87, 99, 113};
  const auto last_below = [](const std::vector<int64_t>& firsts, int64_t n) {
    return std::upper_bound(firsts.begin(), firsts.end(), n) - firsts.begin() - 1;
  };
  for (int64_t n = 0; n < 1000; ++n) {
    CHECK(nn::t5_bucket(n, false) == last_below(both_ways, n));
    CHECK(nn::t5_bucket(-n, false) == last_below(both_ways, n) + (n > 0 ? 16 : 0));
    CHECK(nn::t5_bucket(n, true) == last_below(back_only, n));
    CHECK(nn::t5_bucket(-n, true) == 0);
    CHECK(nn::t5_bucket(n, false) == naive_bucket(n, false, 128));
    CHECK(nn::t5_bucket(n, true) == naive_bucket(n, true, 128));
  }
}

TEST_CASE("ALiBi's slopes are the paper's") {
  const auto slopes = [](int64_t heads) { return nn::AlibiPositions(heads).slopes.to_vector<double>(); };
  for (const int64_t heads : {1, 2, 4, 8, 16, 32}) {  // "a geometric sequence that starts at 2^(-8/n) with that ratio"
    for (int64_t h = 0; h < heads; ++h)
      CHECK(slopes(heads)[size_t(h)] ==
            doctest::Approx(std::pow(std::pow(2, -8.0 / double(heads)), h + 1)).epsilon(1e-14));
  }
  CHECK(slopes(8) == std::vector{0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125, 0.00390625});
  for (const int64_t heads : {3, 6, 12, 20}) {  // else those of the power of two below, and every other one of the next
    const int64_t power = heads == 3 ? 2 : heads == 6 ? 4 : heads == 12 ? 8 : 16;
    std::vector<double> expected = slopes(power);
    for (int64_t h = 0; h < heads - power; ++h) expected.push_back(slopes(2 * power)[size_t(2 * h)]);
    CHECK(slopes(heads) == expected);
  }
}

TEST_CASE("RoPE keeps lengths, and products depend on the distance alone") {
  const Tensor q = random_f64({2, 5, 8}, 1), k = random_f64({2, 5, 8}, 2);
  CHECK(identical(nn::rotary(narrow(q, 1, 0, 1)).value(), narrow(q, 1, 0, 1).clone()));  // place 0: not turned
  const Tensor turned = nn::rotary(q, 40).value();
  CHECK(max_abs_difference(sum(turned * turned, {2}), sum(q * q, {2})) < 1e-13);
  CHECK(max_abs_difference(turned, q) > 0.5);
  CHECK(identical(nn::rotary(narrow(q, 1, 2, 3), 42).value(), narrow(turned, 1, 2, 3).clone()));
  const auto products = [&](int64_t start) {
    return matmul(nn::rotary(q, start).value(), transpose(nn::rotary(k, start).value()));
  };
  CHECK(max_abs_difference(products(0), products(1000)) < 1e-12);
  const Tensor hand = nn::rotary(from_vector<double>({1, 0}, {1, 2}), 3).value();  // one pair: the angle is the place
  CHECK(hand.at({0, 0}) == doctest::Approx(std::cos(3)).epsilon(1e-15));
  CHECK(hand.at({0, 1}) == doctest::Approx(std::sin(3)).epsilon(1e-15));
  CHECK_THROWS_WITH_AS(nn::rotary(ones({4, 3})),
                       "rotary: channels are turned in pairs, so a head needs an even number of them, got 3",
                       ValueError);
}
