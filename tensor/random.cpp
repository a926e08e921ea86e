#include "tensor/random.h"

#include <algorithm>
#include <cmath>

#include "tensor/dispatch.h"
#include "tensor/elementwise.h"
#include "tensor/kernels/random.h"
#include "tensor/loop.h"
#include "tensor/views.h"

namespace fovea {
namespace {

// --- filling tensors ---------------------------------------------------------------------------------------

// Reserves what n values of `words` random words each need, and calls fn(first, last, words of value `first`) for
// pieces of [0, n), on all threads.
template <class Fn> void draw(Rng& rng, int64_t n, int words, Fn fn) {
  constexpr int64_t kBuffer = 1024;  // words at a time
  static_assert(kBuffer % kRandomWords == 0);
  const int64_t blocks = (n * words + 3) / 4;
  const uint64_t start = rng.reserve(blocks);
  const Rng key = rng;
  parallel_for(n, kGrain, [&](int64_t begin, int64_t end) {
    alignas(64) uint32_t buffer[kBuffer];
    const int64_t step = kBuffer / words;
    for (int64_t first = begin; first < end; first += step) {
      const int64_t last = std::min(first + step, end);
      kernels().random->words(key.seed(), key.stream(), start + uint64_t(first * words / 4),
                              ((last - first) * words + 3) / 4, buffer);
      fn(first, last, buffer);
    }
  });
}

constexpr double k2to32 = 4294967296.0;
constexpr uint64_t join(uint32_t high, uint32_t low) { return uint64_t(high) << 32 | low; }
__extension__ typedef unsigned __int128 uint128;

template <class T> constexpr int kWords = sizeof(T) == 4 ? 1 : 2;  // in a number of [0, 1)
template <class T> const RandomTable<T>& random_table() { return table_of<T>(*kernels().random); }

// fill(n, words, out) for pieces of a tensor whose elements are made of `words` random words each.
template <class T, class Fill> Tensor filled(const Shape& shape, Rng& rng, int words, Fill fill) {
  Tensor x = empty(shape, dtype_of<T>());
  T* out = x.data<T>();
  draw(rng, x.count(), words,
       [&](int64_t first, int64_t last, const uint32_t* w) { fill(last - first, w, out + first); });
  return x;
}

// A whole number in [0, range), each as likely (Lemire 2019): the upper half of a 64 x 64 bit product. The few random
// numbers that would favour some results are replaced by their own encryption under another key.
uint64_t below(uint64_t range, uint64_t random, const Rng& rng) {
  for (uint32_t attempt = 1;; ++attempt) {
    const uint128 product = uint128(random) * range;
    if (uint64_t(product) >= range || uint64_t(product) >= (0 - range) % range)  // 2^64 mod range results are surplus
      return uint64_t(product >> 64);
    const auto again = philox4x32({uint32_t(random), uint32_t(random >> 32), uint32_t(rng.stream()), attempt},
                                  {uint32_t(rng.seed()), ~uint32_t(rng.seed() >> 32)});
    random = join(again[0], again[1]);
  }
}

void check_probability(const char* operation, double p) {
  if (!(p >= 0 && p <= 1)) fail(ErrorKind::value, operation, ": p is ", p, "; a probability lies in [0, 1]");
}

// How many of 2^32 words are an event of probability p.
uint64_t event_words(double p) { return uint64_t(std::llround(p * k2to32)); }

thread_local RngScope* innermost_scope = nullptr;

}  // namespace

// kernels().random->words does the same for many counters at a time.
std::array<uint32_t, 4> philox4x32(const std::array<uint32_t, 4>& counter, const std::array<uint32_t, 2>& key) {
  auto [a, b, c, d] = counter;
  auto [key_low, key_high] = key;
  for (int round = 0; round < 10; ++round) {
    const uint64_t p = uint64_t(0xD2511F53u) * a, q = uint64_t(0xCD9E8D57u) * c;
    a = uint32_t(q >> 32) ^ b ^ key_low;
    c = uint32_t(p >> 32) ^ d ^ key_high;
    b = uint32_t(q);
    d = uint32_t(p);
    key_low += 0x9E3779B9u;   // the golden ratio
    key_high += 0xBB67AE85u;  // √3 - 1
  }
  return {a, b, c, d};
}

// --- generators --------------------------------------------------------------------------------------------

Rng Rng::stream(std::string_view name) const {
  uint64_t hash = 0xcbf29ce484222325u ^ stream_;  // FNV-1a over the name, begun from the parent …
  for (unsigned char c : name) hash = (hash ^ c) * 0x100000001b3u;
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9u;  // … and mixed as SplitMix64 does (Steele et al. 2014)
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebu;
  return Rng(seed_, hash ^ (hash >> 31));
}

// From the innermost scope outwards: the recordings inside the nearest replay get the entry, and that replay knows the
// position. (What lies outside a replay has recorded it the first time.)
uint64_t Rng::reserve(int64_t blocks) {
  RngScope* replay = innermost_scope;
  while (replay && !replay->replay_) replay = replay->outer_;

  RngLog::Entry entry{seed_, stream_, position_, blocks};
  if (replay) {
    if (replay->next_ == replay->replay_->entries.size())
      fail(ErrorKind::value, "random: the replay draws more often than was recorded (", replay->next_, " times)");
    const RngLog::Entry& recorded = replay->replay_->entries[replay->next_];
    if (recorded.seed != seed_ || recorded.stream != stream_ || recorded.blocks != blocks)
      fail(ErrorKind::value, "random: draw ", replay->next_, " of the replay takes ", blocks, " blocks of stream ",
           stream_, ", the recorded one ", recorded.blocks, " of stream ", recorded.stream,
           "; what is recomputed must draw the same again");
    ++replay->next_;
    entry = recorded;
  } else {
    position_ += uint64_t(blocks);
  }
  for (RngScope* scope = innermost_scope; scope != replay; scope = scope->outer_)
    scope->record_->entries.push_back(entry);
  return entry.position;
}

RngScope::RngScope(RngLog* record, const RngLog* replay) : record_(record), replay_(replay), outer_(innermost_scope) {
  innermost_scope = this;
}
RngScope::~RngScope() { innermost_scope = outer_; }

// --- distributions -----------------------------------------------------------------------------------------

Tensor rand(const Shape& shape, Rng& rng, DType dtype) {
  return with_floating(dtype, "rand",
                       [&]<class T>(T) { return filled<T>(shape, rng, kWords<T>, random_table<T>().unit); });
}

Tensor uniform(const Shape& shape, double low, double high, Rng& rng, DType dtype) {
  if (!(low <= high) || !std::isfinite(high - low))
    fail(ErrorKind::value, "uniform: no numbers in [", low, ", ", high, "); low must not be above high");
  return with_floating(dtype, "uniform", [&]<class T>(T) {
    const T below_high = std::max(T(low), std::nextafter(T(high), T(low)));  // rounding must not reach high
    return filled<T>(shape, rng, kWords<T>, [=](int64_t n, const uint32_t* words, T* out) {
      random_table<T>().unit(n, words, out);
      for (int64_t i = 0; i < n; ++i) out[i] = std::min(T(low + (high - low) * double(out[i])), below_high);
    });
  });
}

// Box & Muller 1958: with u in (0, 1] and v in [0, 1), √(-2 ln u) cos 2πv and √(-2 ln u) sin 2πv are independent
// normal numbers. Elements 2i and 2i + 1 are such a pair.
Tensor randn(const Shape& shape, Rng& rng, DType dtype) {
  const int64_t count = element_count("randn", shape), pairs = (count + 1) / 2;
  Tensor result = empty({pairs, 2}, dtype);
  with_floating(dtype, "randn", [&]<class T>(T) {
    Tensor u = empty({pairs}, dtype), v = empty({pairs}, dtype);
    T *u_out = u.data<T>(), *v_out = v.data<T>();
    draw(rng, pairs, 2 * kWords<T>, [&](int64_t first, int64_t last, const uint32_t* w) {
      random_table<T>().unit_pairs(last - first, w, u_out + first, v_out + first);
    });
    const Tensor radius = sqrt(log(u) * -2.0), angle = v * 6.283185307179586;
    select(result, 1, 0).copy_(radius * cos(angle));
    select(result, 1, 1).copy_(radius * sin(angle));
  });
  return result.view(shape, row_major(shape));
}

Tensor truncated_normal(const Shape& shape, double mean, double deviation, double low, double high, Rng& rng,
                        DType dtype) {
  const auto distribution = [&](double x) { return 0.5 * std::erfc((mean - x) / (deviation * std::sqrt(2.0))); };
  if (!(deviation > 0) || !(distribution(high) - distribution(low) >= 0.01))
    fail(ErrorKind::value, "truncated_normal: [", low, ", ", high,
         "] holds less than 1 % of a normal distribution of "
         "mean ",
         mean, " and deviation ", deviation);
  Tensor result = empty(shape, dtype);
  with_floating(dtype, "truncated_normal", [&]<class T>(T) {
    T* out = result.data<T>();
    for (int64_t filled_up = 0; filled_up < result.count();) {
      const Tensor proposals = randn({result.count() - filled_up}, rng, dtype) * deviation + mean;
      const T* proposed = proposals.data<T>();
      for (int64_t i = 0; i < proposals.count(); ++i) {
        if (double(proposed[i]) >= low && double(proposed[i]) <= high) out[filled_up++] = proposed[i];
      }
    }
  });
  return result;
}

Tensor randint(int64_t low, int64_t high, const Shape& shape, Rng& rng) {
  if (low >= high) fail(ErrorKind::value, "randint: no number in [", low, ", ", high, "); low must be below high");
  const uint64_t range = uint64_t(high) - uint64_t(low);
  Tensor x = empty(shape, DType::i64);
  int64_t* out = x.data<int64_t>();
  draw(rng, x.count(), 2, [&](int64_t first, int64_t last, const uint32_t* w) {
    for (int64_t i = first; i < last; ++i, w += 2)
      out[i] = int64_t(uint64_t(low) + below(range, join(w[0], w[1]), rng));
  });
  return x;
}

Tensor randperm(int64_t n, Rng& rng) {
  Tensor order = arange(n);
  int64_t* at = order.data<int64_t>();
  const uint64_t start = rng.reserve((n + 1) / 2), seed = rng.seed(), stream = rng.stream();
  for (int64_t i = n - 1; i > 0; --i) {  // Fisher & Yates 1938: the last of what is left swaps with any of it
    const uint64_t position = start + uint64_t(i / 2);
    const auto words =
        philox4x32({uint32_t(position), uint32_t(position >> 32), uint32_t(stream), uint32_t(stream >> 32)},
                   {uint32_t(seed), uint32_t(seed >> 32)});
    const size_t half = 2 * size_t(i % 2);
    std::swap(at[i], at[below(uint64_t(i) + 1, join(words[half], words[half + 1]), rng)]);
  }
  return order;
}

Tensor bernoulli(double p, const Shape& shape, Rng& rng) {
  check_probability("bernoulli", p);
  const uint64_t hits = event_words(p);
  return filled<bool>(shape, rng, 1, [=](int64_t n, const uint32_t* words, bool* out) {
    for (int64_t i = 0; i < n; ++i) out[i] = words[i] < hits;
  });
}

Tensor dropout_mask(const Shape& shape, double p, Rng& rng, DType dtype) {
  check_probability("dropout_mask", p);
  const uint64_t dropped = event_words(p);
  return with_floating(dtype, "dropout_mask", [&]<class T>(T) {
    const T kept = dropped >> 32 ? T(0) : T(1 / (1 - p));  // 0 where every word is below `dropped`
    return filled<T>(shape, rng, 1, [=](int64_t n, const uint32_t* words, T* out) {
      random_table<T>().dropout_mask(n, words, uint32_t(dropped), kept, out);
    });
  });
}

// --- choosing by weight ------------------------------------------------------------------------------------

namespace {

// Σ of the weights, after a check of each.
double total_weight(const double* weights, int64_t n, int64_t row, int64_t samples, bool replacement) {
  double total = 0;
  int64_t choices = 0;
  for (int64_t j = 0; j < n; ++j) {
    if (!(weights[j] >= 0) || std::isinf(weights[j]))
      fail(ErrorKind::value, "multinomial: weight ", weights[j], " at ", j, " of row ", row,
           "; weights are finite and not negative");
    total += weights[j];
    choices += weights[j] > 0;
  }
  if (choices < (replacement ? 1 : samples))
    fail(ErrorKind::value, "multinomial: row ", row, " has ", choices, " weights above 0, for ", samples,
         replacement ? " samples" : " samples without replacement");
  return total;
}

// The index under u · total when the weights are laid end to end, u in [0, 1); never one of weight 0.
int64_t choose(const double* weights, int64_t n, double u, double total) {
  double end = 0;
  int64_t chosen = 0;
  for (int64_t j = 0; j < n; ++j) {
    if (weights[j] == 0) continue;
    chosen = j;
    end += weights[j];
    if (u * total < end) break;
  }
  return chosen;
}

}  // namespace

Tensor multinomial(const Tensor& weights, int64_t samples, Rng& rng, bool replacement) {
  if (weights.rank() < 1) fail(ErrorKind::shape, "multinomial: weights [] have no axis to choose from");
  if (samples < 0) fail(ErrorKind::value, "multinomial: ", samples, " samples");
  if (!is_floating(weights.dtype()))
    fail(ErrorKind::dtype, "multinomial: weights are ", weights.dtype(), ", not floating");
  Shape shape = weights.shape();
  const int64_t n = shape.back();
  shape.back() = samples;
  Tensor result = empty(shape, DType::i64);
  const int64_t rows = samples > 0 ? result.count() / samples : 0;
  Tensor left = weights.dtype() == DType::f64 ? weights.clone() : weights.to(DType::f64);
  for (int64_t row = 0; row < rows; ++row) total_weight(left.data<double>() + row * n, n, row, samples, replacement);

  const Tensor numbers = rand(shape, rng, DType::f64);
  const double* u = numbers.data<double>();
  int64_t* out = result.data<int64_t>();
  for (int64_t row = 0; row < rows; ++row) {
    double* w = left.data<double>() + row * n;
    double total = total_weight(w, n, row, samples, replacement);
    for (int64_t i = row * samples; i < (row + 1) * samples; ++i) {
      out[i] = choose(w, n, u[i], total);
      if (replacement) continue;
      w[out[i]] = 0;
      total = 0;
      for (int64_t j = 0; j < n; ++j) total += w[j];
    }
  }
  return result;
}

Tensor multinomial(const Tensor& weights, Rng& rng) { return select(multinomial(weights, 1, rng), -1, 0); }

}  // namespace fovea
