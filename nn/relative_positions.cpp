#include "nn/relative_positions.h"

#include <algorithm>
#include <cmath>

#include "autograd/indexing.h"
#include "nn/rotary.h"

namespace fovea::nn {
namespace {

constexpr int64_t t5_buckets = 32;  // T5's

// The columns of relative_shift(): the distances keys - 1, keys - 2, … -queries, by what `of` says of each. [L + S]
template <class Of> Tensor by_distance(int64_t queries, int64_t keys, const Of& of) {
  std::vector<int64_t> values;
  for (int64_t distance = keys - 1; distance >= -queries; --distance) values.push_back(of(distance));
  return from_vector(values);
}

Variable split_heads(const Variable& x, int64_t heads) {  // [N, C] -> [H, N, d]
  return permute(reshape(x, {x.size(0), heads, x.size(1) / heads}), {1, 0, 2});
}

}  // namespace

Variable relative_shift(const Variable& by_distance) {
  const int64_t queries = by_distance.size(-2), keys = by_distance.size(-1) - queries;
  const int rows = by_distance.rank() - 2;
  Shape shape = by_distance.shape();
  shape[rows + 1] -= 1;
  const Variable line = flatten(by_distance, rows, rows + 1);                                // [..., L (S + L)]
  const Variable in_line = narrow(line, rows, queries - 1, queries * (queries + keys - 1));  // [..., L (S + L - 1)]
  return narrow(reshape(in_line, shape), rows + 1, 0, keys);                                 // [..., L, S]
}

// --- T5 ------------------------------------------------------------------------------------------------------------

int64_t t5_bucket(int64_t distance, bool causal, int64_t buckets, int64_t max_distance) {
  int64_t first = 0;
  if (!causal) {
    buckets /= 2;
    if (distance < 0) first = buckets;
    distance = std::abs(distance);
  }
  distance = std::max<int64_t>(distance, 0);
  const int64_t exact = buckets / 2;  // as many distances have a bucket each
  if (distance < exact) return first + distance;
  const double share = std::log(double(distance) / double(exact)) / std::log(double(max_distance) / double(exact));
  return first + std::min(exact + int64_t(share * double(buckets - exact)), buckets - 1);
}

T5Positions::T5Positions(int64_t heads, bool causal_, int64_t max_distance_, double deviation, Rng& rng)
    : weight(normal({t5_buckets, heads}, 0, deviation, rng)), causal(causal_), max_distance(max_distance_) {
  if (max_distance <= t5_buckets / 2)
    fail(ErrorKind::value, "T5Positions: the first ", t5_buckets / 2, " distances have a bucket each, so max_distance ",
         "must be larger, got ", max_distance);
}

Variable T5Positions::operator()(int64_t queries, int64_t keys) const {
  const auto bucket = [&](int64_t distance) { return t5_bucket(distance, causal, weight.size(0), max_distance); };
  const Tensor rows = expand(by_distance(queries, keys, bucket), {queries, keys + queries});
  const Variable table = take_rows(weight, relative_shift(rows).value());  // [L, S, H]
  return permute(table, {2, 0, 1});                                        // [H, L, S]
}

// --- ALiBi ---------------------------------------------------------------------------------------------------------

AlibiPositions::AlibiPositions(int64_t heads) {
  // For a number of heads that is no power of two: the slopes of the power below, then every other one of the power
  // above (the code of the paper).
  int64_t power = 1;
  while (2 * power <= heads) power *= 2;
  std::vector<double> values;
  for (int64_t h = 0; h < heads; ++h) {
    const double step =
        h < power ? double(h + 1) / double(power) : double(h - power) / double(power) + 0.5 / double(power);
    values.push_back(std::exp2(-8 * step));
  }
  slopes = from_vector(values);
}

Variable AlibiPositions::operator()(int64_t queries, int64_t keys, DType dtype) const {
  const Tensor place = unsqueeze(arange(queries), 1) + double(keys - queries);       // [L, 1]
  const Tensor distance = abs((place - unsqueeze(arange(keys), 0)).to(DType::f64));  // [L, S]
  return (reshape(-slopes, {slopes.size(0), 1, 1}) * distance).to(dtype);            // [H, L, S]
}

// --- Transformer-XL --------------------------------------------------------------------------------------------------

TransformerXLPositions::TransformerXLPositions(int64_t dim, int64_t heads, Rng& rng)
    : relative_key({.in = dim, .out = dim, .bias = false}, rng),
      u(normal({heads, dim / heads}, 0, 0.02, rng)),
      v(normal({heads, dim / heads}, 0, 0.02, rng)) {
  if (dim % 2 != 0)
    fail(ErrorKind::value, "TransformerXLPositions: dim must be even, for the sinusoids of the distances, got ", dim);
}

Variable TransformerXLPositions::operator()(const Variable& q, const Variable& k) const {
  const int64_t queries = q.size(2), keys = k.size(2), heads = u.size(0), d = u.size(1);
  const Tensor ascending = sinusoidal_positions(queries + keys, heads * d, q.dtype(), -queries);
  const Variable r = split_heads(relative_key(flip(ascending, {0})), heads);                   // [H, S + L, d]
  const Variable place = relative_shift(matmul(q + reshape(v, {heads, 1, d}), transpose(r)));  // [B, H, L, S]
  const Variable content = matmul(reshape(u, {heads, 1, d}), transpose(k));                    // [B, H, 1, S]
  return (place + content) / std::sqrt(double(d));
}

void TransformerXLPositions::visit(Visitor& visitor) {
  visitor("relative_key", relative_key);
  visitor("u", u);
  visitor("v", v);
}

// --- DeBERTa -------------------------------------------------------------------------------------------------------

DebertaPositions::DebertaPositions(int64_t dim, int64_t heads_, int64_t max_distance, Rng& rng)
    : distances(normal({2 * max_distance, dim}, 0, 0.02, rng)),
      relative_query({.in = dim, .out = dim, .bias = false}, rng),
      relative_key({.in = dim, .out = dim, .bias = false}, rng),
      heads(heads_) {}

Variable DebertaPositions::operator()(const Variable& q, const Variable& k) const {
  const int64_t queries = q.size(2), keys = k.size(2), most = distances.size(0) / 2;
  const auto clipped = [&](int64_t distance) { return std::clamp(distance + most, int64_t(0), 2 * most - 1); };
  // Seen from the keys, the queries are what is `distance` away: the same with the two swapped.
  const auto towards = [&](const Linear& projection, int64_t from, int64_t to) {  // [H, to + from, d]
    return split_heads(projection(take_rows(distances, by_distance(from, to, clipped))), heads);
  };
  const Variable content_to_place = relative_shift(matmul(q, transpose(towards(relative_key, queries, keys))));
  const Variable place_to_content = relative_shift(matmul(k, transpose(towards(relative_query, keys, queries))));
  return (content_to_place + transpose(place_to_content)) / std::sqrt(3.0 * double(q.size(3)));  // [B, H, L, S]
}

void DebertaPositions::visit(Visitor& v) {
  v("distances", distances);
  v("relative_query", relative_query);
  v("relative_key", relative_key);
}

// --- any of them ---------------------------------------------------------------------------------------------------

RelativePositions::RelativePositions(const RelativePositionsConfig& c, Rng& rng) : positions(c.positions) {
  if (c.max_distance < 1)
    fail(ErrorKind::value, "RelativePositions: max_distance must be at least 1, got ", c.max_distance);
  if (positions == Positions::t5)
    scheme.emplace<T5Positions>(c.heads, c.causal, c.max_distance, 1 / std::sqrt(double(c.dim)), rng);
  if (positions == Positions::alibi) scheme.emplace<AlibiPositions>(c.heads);
  if (positions == Positions::transformer_xl) scheme.emplace<TransformerXLPositions>(c.dim, c.heads, rng);
  if (positions == Positions::deberta) scheme.emplace<DebertaPositions>(c.dim, c.heads, c.max_distance, rng);
  if (positions == Positions::rope && c.dim / c.heads % 2 != 0)
    fail(ErrorKind::value,
         "RelativePositions: rope turns channels in pairs, so a head needs an even number of them: dim ", c.dim,
         " / heads ", c.heads, " is ", c.dim / c.heads);
}

Variable RelativePositions::rotate(const Variable& x, int64_t start) const {
  return positions == Positions::rope ? rotary(x, start) : x;
}

double RelativePositions::scale(int64_t d) const {
  return 1 / std::sqrt((positions == Positions::deberta ? 3.0 : 1.0) * double(d));
}

Variable RelativePositions::bias(const Variable& q, const Variable& k) const {
  Scope scope(*this);
  if (const auto* xl = std::get_if<TransformerXLPositions>(&scheme)) return (*xl)(q, k);
  if (const auto* deberta = std::get_if<DebertaPositions>(&scheme)) return (*deberta)(q, k);
  return bias(q.size(2), k.size(2), q.dtype());
}

Variable RelativePositions::bias(int64_t queries, int64_t keys, DType dtype) const {
  Scope scope(*this);
  if (const auto* t5 = std::get_if<T5Positions>(&scheme)) return (*t5)(queries, keys);
  if (const auto* alibi = std::get_if<AlibiPositions>(&scheme)) return (*alibi)(queries, keys, dtype);
  return {};
}

void RelativePositions::visit(Visitor& v) {
  std::visit(
      [&](auto& chosen) {
        if constexpr (std::derived_from<std::remove_reference_t<decltype(chosen)>, Module>) chosen.visit(v);
      },
      scheme);
}

}  // namespace fovea::nn
