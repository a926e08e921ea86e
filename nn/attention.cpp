#include "nn/attention.h"

#include <algorithm>
#include <cmath>

#include "autograd/attention.h"

namespace fovea::nn {
namespace {

thread_local AttentionRecord* innermost_record = nullptr;

void check_operands(const Variable& q, const Variable& k, const Variable& v) {
  const auto complain = [&](const char* what) {
    fail(ErrorKind::shape, "attention: ", what, ": query ", q.shape(), ", key ", k.shape(), ", value ", v.shape());
  };
  if (q.rank() < 2 || k.rank() < 2 || v.rank() < 2) complain("each needs the axes [..., positions, channels]");
  if (q.size(-1) != k.size(-1)) complain("query and key differ in their channels");
  if (k.size(-2) != v.size(-2)) complain("key and value differ in their positions");
}

Shape scores_shape(const Variable& q, const Variable& k) {  // [..., L, S]
  const auto front = [](const Variable& x) { return Shape(std::span(x.shape().begin(), size_t(x.rank() - 2))); };
  Shape shape = broadcast_shapes("attention", front(q), front(k));
  shape.push_back(q.size(-2));
  shape.push_back(k.size(-2));
  return shape;
}

// A mask or a bias must stretch to the scores; the other way round would change their shape.
void check_fits(const char* what, const Tensor& x, const Shape& scores) {
  if (!x.defined()) return;
  const int missing = scores.rank() - x.rank();  // axes in front
  bool fits = missing >= 0;
  for (int i = 0; fits && i < x.rank(); ++i) fits = x.size(i) == 1 || x.size(i) == scores[i + missing];
  if (!fits)
    fail(ErrorKind::shape, "attention: the ", what, " ", x.shape(), " does not broadcast to the scores ", scores,
         ", [batch, heads, queries, keys]; a mask [batch, keys] is made with Mask::keep_keys");
}

const MultiHeadAttentionConfig& checked(const MultiHeadAttentionConfig& c) {
  if (c.dim < 1 || c.heads < 1 || c.dim % c.heads != 0)
    fail(ErrorKind::value, "MultiHeadAttention: dim ", c.dim, " is not a multiple of heads ", c.heads);
  if (c.key_value_heads < 0 || (c.key_value_heads > 0 && c.heads % c.key_value_heads != 0))
    fail(ErrorKind::value, "MultiHeadAttention: heads ", c.heads, " is not a multiple of key_value_heads ",
         c.key_value_heads);
  if (c.window < 0)
    fail(ErrorKind::value, "MultiHeadAttention: the window must be positive, or 0 for none, got ", c.window);
  if (c.positions != Positions::none && !is_relative(c.positions))
    fail(ErrorKind::value, "MultiHeadAttention: ", name(c.positions),
         " positions are added to the embeddings (PositionEmbedding), scores know none of them");
  return c;
}

// The projection to keys or values, from channels of width `in` or, where that is 0, dim.
LinearConfig to_key_heads(const MultiHeadAttentionConfig& c, int64_t in) {
  return {
      .in = in ? in : c.dim, .out = c.key_value_heads ? c.dim / c.heads * c.key_value_heads : c.dim, .bias = c.bias};
}

Variable merge_heads(const Variable& x) {             // [B, H, T, d]
  const Variable by_time = permute(x, {0, 2, 1, 3});  // [B, T, H, d]
  return flatten(by_time, 2, 3);                      // [B, T, C]
}

}  // namespace

Attention attention_with_weights(const Variable& q, const Variable& k, const Variable& v, const Mask& mask,
                                 const Variable& bias, const Dropout* dropout, double scale) {
  check_operands(q, k, v);
  Variable scores = matmul(q, transpose(k));  // [..., L, S]
  if (scale == 0) scale = 1 / std::sqrt(double(q.size(-1)));
  if (bias.defined()) {
    check_fits("bias", bias.value(), scores.shape());
    scores = scores * scale + bias;
    scale = 1;
  }
  const Tensor kept = mask.kept(q.size(-2), k.size(-2));
  check_fits("mask", kept, scores.shape());
  const Variable weights = masked_softmax(scores, scale, kept, mask.is_causal());  // [..., L, S]
  const Variable output = matmul(dropout ? (*dropout)(weights) : weights, v);      // [..., L, d_v]
  return {output, weights};
}

Variable scaled_dot_product_attention(const Variable& q, const Variable& k, const Variable& v, const Mask& mask,
                                      const Variable& bias, const Dropout* dropout, double scale) {
  const bool drops = dropout && dropout->training && dropout->p > 0;
  check_operands(q, k, v);
  const bool one_query =
      q.size(-2) == 1;  // as when generating: one row of scores, for which packing the keys costs more
  if (bias.defined() || drops || one_query) return attention_with_weights(q, k, v, mask, bias, dropout, scale).output;
  if (scale == 0) scale = 1 / std::sqrt(double(q.size(-1)));
  const Tensor kept = mask.kept(q.size(-2), k.size(-2));
  check_fits("mask", kept, scores_shape(q, k));
  return fovea::attention(q, k, v, scale, kept, mask.is_causal());
}

MultiHeadAttention::MultiHeadAttention(const MultiHeadAttentionConfig& c, Rng& rng)
    : query({.in = checked(c).dim, .out = c.dim, .bias = c.bias}, rng),
      key(to_key_heads(c, c.key_dim), rng),
      value(to_key_heads(c, c.value_dim), rng),
      output({.in = c.dim, .out = c.dim, .bias = c.bias}, rng),
      positions({.positions = c.positions,
                 .dim = c.dim,
                 .heads = c.heads,
                 .causal = c.causal,
                 .max_distance = c.max_distance},
                rng),
      dropout(c.dropout, rng),
      heads(c.heads),
      window(c.window) {
  if (!c.qk_norm) return;
  query_norm.emplace(head_size());
  key_norm.emplace(head_size());
}

Variable MultiHeadAttention::operator()(const Variable& x, const Mask& mask, KeyValueCache* cache,
                                        const Variable& bias) const {
  Scope scope(*this);
  KeyValues memory = keys_and_values(x, x, cache ? cache->length() : 0);
  if (cache) memory = cache->append(memory);
  return attend(x, memory, mask, bias);
}

Variable MultiHeadAttention::operator()(const Variable& q, const Variable& k, const Variable& v,
                                        const Mask& mask) const {
  Scope scope(*this);
  if (is_relative(positions.positions) || window)
    fail(ErrorKind::value, "MultiHeadAttention: there is no distance between the queries and keys of cross-attention, ",
         "so no ", window ? "window" : name(positions.positions), window ? "" : " positions",
         "; for self-attention pass x alone");
  return attend(q, keys_and_values(k, v), mask);
}

KeyValues MultiHeadAttention::keys_and_values(const Variable& k, const Variable& v, int64_t start) const {
  Scope scope(*this);
  Variable keys = split_heads(key(k));  // [B, key_value_heads, S, d]
  if (key_norm) keys = (*key_norm)(keys);
  return {positions.rotate(keys, start), split_heads(value(v))};  // the same shape both
}

struct MultiHeadAttention::Operands {
  Variable q, k, v;  // [B, H, L or S, d], normed and turned
  Mask mask;
  Variable bias;  // broadcasts to [B, H, L, S]; undefined: none
  double scale;
};

MultiHeadAttention::Operands MultiHeadAttention::operands(const Variable& x, const KeyValues& memory, const Mask& mask,
                                                          const Variable& bias) const {
  Variable q = split_heads(query(x));  // [B, H, L, d]
  if (query_norm) q = (*query_norm)(q);
  q = positions.rotate(q, memory.keys.size(2) - q.size(2));
  const Variable k = for_each_head(memory.keys), v = for_each_head(memory.values);  // [B, H, S, d]
  const Variable own = positions.bias(q, k);
  return {.q = q,
          .k = k,
          .v = v,
          .mask = window ? mask & Mask::window(window) : mask,
          .bias = !own.defined()    ? bias
                  : !bias.defined() ? own
                                    : own + bias,
          .scale = positions.scale(head_size())};
}

Variable MultiHeadAttention::attend(const Variable& x, const KeyValues& memory, const Mask& mask,
                                    const Variable& bias) const {
  if (AttentionRecord::innermost()) return attend_with_weights(x, memory, mask, bias).output;
  Scope scope(*this);
  const Operands o = operands(x, memory, mask, bias);
  const Variable heads_apart = scaled_dot_product_attention(o.q, o.k, o.v, o.mask, o.bias, &dropout, o.scale);
  return output(merge_heads(heads_apart));  // [B, L, C]
}

Attention MultiHeadAttention::attend_with_weights(const Variable& x, const KeyValues& memory, const Mask& mask,
                                                  const Variable& bias) const {
  Scope scope(*this);
  const Operands o = operands(x, memory, mask, bias);
  const Attention heads_apart = attention_with_weights(o.q, o.k, o.v, o.mask, o.bias, &dropout, o.scale);
  if (AttentionRecord* record = AttentionRecord::innermost()) record->add(heads_apart.weights.value());
  return {output(merge_heads(heads_apart.output)), heads_apart.weights};  // [B, L, C], [B, H, L, S]
}

Variable MultiHeadAttention::split_heads(const Variable& x) const {
  if (x.rank() != 3) fail(ErrorKind::shape, "MultiHeadAttention: takes [batch, time, channels], got ", x.shape());
  const int64_t batch = x.size(0), time = x.size(1), d = head_size();
  return permute(reshape(x, {batch, time, x.size(2) / d, d}), {0, 2, 1, 3});  // [B, H, T, d], a view
}

Variable MultiHeadAttention::for_each_head(const Variable& x) const {
  const int64_t batch = x.size(0), groups = x.size(1), time = x.size(2), d = x.size(3);
  if (groups == heads) return x;
  const Variable repeated = expand(unsqueeze(x, 2), {batch, groups, heads / groups, time, d});
  return flatten(repeated, 1, 2);  // [B, H, S, d]; neighbouring heads share
}

void MultiHeadAttention::visit(Visitor& v) {
  v("query", query);
  v("key", key);
  v("value", value);
  v("output", output);
  v("query_norm", query_norm);
  v("key_norm", key_norm);
  v("positions", positions);
  v("dropout", dropout);
}

// --- the record --------------------------------------------------------------------------------------------------

AttentionRecord::AttentionRecord() : outer_(innermost_record) { innermost_record = this; }
AttentionRecord::~AttentionRecord() { innermost_record = outer_; }
AttentionRecord* AttentionRecord::innermost() { return innermost_record; }

void AttentionRecord::add(const Tensor& weights) {
  std::string path = ErrorContext::innermost() ? ErrorContext::innermost()->where() : "";
  const std::string root = "model";  // where() names the whole path, parameters are named from the model on
  if (path.starts_with(root)) path.erase(0, std::min(path.size(), root.size() + 1));
  entries_.push_back({path, weights});
}

}  // namespace fovea::nn
