#include "nn/scores.h"

#include <cmath>
#include <concepts>
#include <iterator>
#include <limits>

#include "autograd/indexing.h"
#include "autograd/matmul.h"
#include "autograd/reduce.h"
#include "autograd/rows.h"
#include "autograd/views.h"
#include "nn/init.h"

namespace fovea::nn {
namespace {

Shape scores_shape(const char* score, const Variable& q, const Variable& k) {  // [..., L, S]
  if (q.rank() < 2 || k.rank() < 2)
    fail(ErrorKind::shape, score, ": query and key need the axes [..., positions, channels]: query ", q.shape(),
         ", key ", k.shape());
  const auto front = [](const Variable& x) { return Shape(std::span(x.shape().begin(), size_t(x.rank() - 2))); };
  Shape shape = broadcast_shapes(score, front(q), front(k));
  shape.push_back(q.size(-2));
  shape.push_back(k.size(-2));
  return shape;
}

Shape same_channels(const char* score, const Variable& q, const Variable& k) {
  const Shape shape = scores_shape(score, q, k);
  if (q.size(-1) != k.size(-1))
    fail(ErrorKind::shape, score, ": compares vectors of one size: query ", q.shape(), " has ", q.size(-1), ", key ",
         k.shape(), " has ", k.size(-1), "; use GeneralScore or AdditiveScore, or project one of them");
  return shape;
}

Shape made_for(const char* score, int64_t query_dim, int64_t key_dim, const Variable& q, const Variable& k) {
  const Shape shape = scores_shape(score, q, k);
  if (q.size(-1) != query_dim || k.size(-1) != key_dim)
    fail(ErrorKind::shape, score, ": made with query_dim ", query_dim, " and key_dim ", key_dim, ": query ", q.shape(),
         " has ", q.size(-1), ", key ", k.shape(), " has ", k.size(-1));
  return shape;
}

// The sizes that a score with weights needs, each its own default filled in.
ScoreConfig sized(const char* score, ScoreConfig c) {
  if (c.key_dim == 0) c.key_dim = c.query_dim;
  if (c.hidden == 0) c.hidden = c.query_dim;
  if (c.query_dim < 1 || c.key_dim < 1 || c.hidden < 1)
    fail(ErrorKind::value, score, ": needs the sizes of its weights: query_dim ", c.query_dim, ", key_dim ", c.key_dim,
         ", hidden ", c.hidden);
  return c;
}

double positive(const char* role, double value) {
  if (!(value > 0) || std::isinf(value)) fail(ErrorKind::value, role, " must be above 0 and finite, got ", value);
  return value;
}

Variable each_query(const Variable& q) { return unsqueeze(q, -2); }  // [..., L, 1, c]
Variable each_key(const Variable& k) { return unsqueeze(k, -3); }    // [..., 1, S, c]

Variable squared_distances(const Variable& q, const Variable& k) {
  return sum(square(each_query(q) - each_key(k)), {-1});  // [..., L, S]
}

}  // namespace

// --- products --------------------------------------------------------------------------------------------------------

Variable DotScore::operator()(const Variable& q, const Variable& k) const {
  same_channels("DotScore", q, k);
  return matmul(q, transpose(k));
}

Variable ScaledDotScore::operator()(const Variable& q, const Variable& k) const {
  same_channels("ScaledDotScore", q, k);
  return matmul(q, transpose(k)) * (1 / std::sqrt(double(q.size(-1))));
}

GeneralScore::GeneralScore(const ScoreConfig& config, Rng& rng) {
  const ScoreConfig c = sized("GeneralScore", config);
  weight = Parameter(xavier_uniform({c.query_dim, c.key_dim}, rng));
}

Variable GeneralScore::operator()(const Variable& q, const Variable& k) const {
  Scope scope(*this);
  made_for("GeneralScore", weight.size(0), weight.size(1), q, k);
  return matmul(matmul(q, weight), transpose(k));
}

// --- small networks --------------------------------------------------------------------------------------------------

AdditiveScore::AdditiveScore(const ScoreConfig& config, Rng& rng) {
  const ScoreConfig c = sized("AdditiveScore", config);
  query_weight = Parameter(xavier_uniform({c.query_dim, c.hidden}, rng));
  key_weight = Parameter(xavier_uniform({c.key_dim, c.hidden}, rng));
  if (c.bias) bias = Parameter(zeros({c.hidden}));
  v = Parameter(xavier_uniform({c.hidden, 1}, rng));
}

AdditiveScore::AdditiveScore(const ConcatScore& same)
    : query_weight(narrow(same.weight.value(), 0, 0, same.query_dim).clone()),
      key_weight(narrow(same.weight.value(), 0, same.query_dim, same.weight.size(0) - same.query_dim).clone()),
      bias(same.bias),
      v(same.v) {}

Variable AdditiveScore::project_keys(const Variable& k) const {
  Scope scope(*this);
  if (k.rank() < 2 || k.size(-1) != key_weight.size(0))
    fail(ErrorKind::shape, "AdditiveScore: takes keys [..., positions, ", key_weight.size(0), "] (key_dim), got ",
         k.shape());
  return matmul(k, key_weight);
}

Variable AdditiveScore::score_projected(const Variable& q, const Variable& projected) const {
  Scope scope(*this);
  if (q.rank() < 2 || q.size(-1) != query_weight.size(0))
    fail(ErrorKind::shape, "AdditiveScore: takes queries [..., positions, ", query_weight.size(0),
         "] (query_dim), got ", q.shape());
  if (projected.rank() < 2 || projected.size(-1) != v.size(0))
    fail(ErrorKind::shape, "AdditiveScore: takes projected keys [..., positions, ", v.size(0),
         "] (hidden), as from project_keys, got ", projected.shape());
  scores_shape("AdditiveScore", q, projected);    // do the axes in front broadcast?
  Variable from_query = matmul(q, query_weight);  // [..., L, h]
  if (bias.defined()) from_query += bias;
  const Variable hidden = tanh(each_query(from_query) + each_key(projected));  // [..., L, S, h]
  return squeeze(matmul(hidden, v), -1);                                       // [..., L, S]
}

void AdditiveScore::visit(Visitor& visitor) {
  visitor("query_weight", query_weight);
  visitor("key_weight", key_weight);
  if (bias.defined()) visitor("bias", bias);
  visitor("v", v);
}

ConcatScore::ConcatScore(const ScoreConfig& config, Rng& rng) : ConcatScore(AdditiveScore(config, rng)) {}

ConcatScore::ConcatScore(const AdditiveScore& same)
    : weight(cat({same.query_weight.value(), same.key_weight.value()})),
      bias(same.bias),
      v(same.v),
      query_dim(same.query_weight.size(0)) {}

Variable ConcatScore::operator()(const Variable& q, const Variable& k) const {
  Scope scope(*this);
  const Shape scores = made_for("ConcatScore", query_dim, weight.size(0) - query_dim, q, k);
  const auto for_each_pair = [&](const Variable& x) {
    Shape shape = scores;
    shape.push_back(x.size(-1));
    return expand(x, shape);
  };
  const Variable pairs = cat({for_each_pair(each_query(q)), for_each_pair(each_key(k))}, -1);  // [..., L, S, d_q + d_k]
  const Variable sums = matmul(pairs, weight);                                                 // [..., L, S, h]
  const Variable hidden = tanh(bias.defined() ? sums + bias : sums);
  return squeeze(matmul(hidden, v), -1);  // [..., L, S]
}

void ConcatScore::visit(Visitor& visitor) {
  visitor("weight", weight);
  if (bias.defined()) visitor("bias", bias);
  visitor("v", v);
}

// --- the angle -------------------------------------------------------------------------------------------------------

PositiveFactor::PositiveFactor(const char* role, double value, bool learned) : fixed(positive(role, value)) {
  // The inverse of softplus, log(e^value − 1), in a form that does not overflow.
  if (learned) raw = Parameter(scalar(value + std::log(-std::expm1(-value))));
}

double PositiveFactor::value() const { return raw.defined() ? softplus(raw.value()).item() : fixed; }

void PositiveFactor::visit(Visitor& visitor) {
  if (raw.defined()) visitor("raw", raw);
}

CosineScore::CosineScore(double temperature, bool learned)
    : inverse_temperature("CosineScore: 1 / temperature", 1 / positive("CosineScore: temperature", temperature),
                          learned) {}

Variable CosineScore::operator()(const Variable& q, const Variable& k) const {
  Scope scope(*this);
  same_channels("CosineScore", q, k);
  constexpr double smallest = 1e-16;  // of mean(x²): vectors far below 1e-8 count as zeros
  const double by_channels = 1 / double(q.size(-1));
  // x / √mean(x²) has the length √d, so that the product of two has d times their cosine.
  const Variable product = matmul(rms_norm(q, {}, smallest), transpose(rms_norm(k, {}, smallest)));  // [..., L, S]
  return inverse_temperature.times(product * by_channels);
}

// --- kernels of the distance -----------------------------------------------------------------------------------------

Variable GaussianKernel::operator()(const Variable& q, const Variable& k) const {  // log K = −(w |q − k|)² / 2
  Scope scope(*this);
  same_channels("GaussianKernel", q, k);
  return w.times(w.times(squared_distances(q, k) * -0.5));
}

BoxcarKernel::BoxcarKernel(double w_) : w(positive("BoxcarKernel: w", w_)) {}

Variable BoxcarKernel::operator()(const Variable& q, const Variable& k) const {  // log K = 0 or −∞
  const Shape scores = same_channels("BoxcarKernel", q, k);
  const Tensor out_of_reach = squared_distances(detach(q), detach(k)).value() * (w * w) >= 1.0;  // [..., L, S]
  return masked_fill(zeros(scores, q.dtype()), out_of_reach, -std::numeric_limits<double>::infinity());
}

EpanechnikovKernel::EpanechnikovKernel(double w_) : w(positive("EpanechnikovKernel: w", w_)) {}

Variable EpanechnikovKernel::operator()(const Variable& q, const Variable& k) const {  // log K = log(1 − u²) or −∞
  same_channels("EpanechnikovKernel", q, k);
  const Variable u2 = squared_distances(q, k) * (w * w);  // [..., L, S]
  const Tensor out_of_reach = u2.value() >= 1.0;
  const Variable inside = log1p(-masked_fill(u2, out_of_reach, 0));  // 0 there first: at u = 1 the gradient were 0 · ∞
  return masked_fill(inside, out_of_reach, -std::numeric_limits<double>::infinity());
}

Variable ConstantScore::operator()(const Variable& q, const Variable& k) const {
  return zeros(scores_shape("ConstantScore", q, k), q.dtype());
}

// --- any of them -----------------------------------------------------------------------------------------------------

const char* name(ScoreKind kind) {
  constexpr const char* names[] = {"dot",    "scaled dot", "general", "additive",     "concat",
                                   "cosine", "Gaussian",   "boxcar",  "Epanechnikov", "constant"};
  static_assert(std::size(names) == kScoreKinds && std::variant_size_v<Score::Any> == kScoreKinds);
  return names[int(kind)];
}

namespace {
Score::Any make(const ScoreConfig& c, Rng& rng) {
  switch (c.kind) {
    case ScoreKind::dot: return DotScore();
    case ScoreKind::scaled_dot: return ScaledDotScore();
    case ScoreKind::general: return GeneralScore(c, rng);
    case ScoreKind::additive: return AdditiveScore(c, rng);
    case ScoreKind::concat: return ConcatScore(c, rng);
    case ScoreKind::cosine: return CosineScore(c.temperature, c.learned);
    case ScoreKind::gaussian: return GaussianKernel(c.w, c.learned);
    case ScoreKind::boxcar: return BoxcarKernel(c.w);
    case ScoreKind::epanechnikov: return EpanechnikovKernel(c.w);
    case ScoreKind::constant: break;
  }
  return ConstantScore();
}
}  // namespace

Score::Score(const ScoreConfig& config, Rng& rng) : score(make(config, rng)) {}

Variable Score::operator()(const Variable& q, const Variable& k) const {
  Scope scope(*this);
  return std::visit([&](const auto& any) { return any(q, k); }, score);
}

Variable Score::project_keys(const Variable& k) const {
  Scope scope(*this);
  const AdditiveScore* additive = std::get_if<AdditiveScore>(&score);
  return additive ? additive->project_keys(k) : k;
}

Variable Score::score_projected(const Variable& q, const Variable& projected) const {
  Scope scope(*this);
  const AdditiveScore* additive = std::get_if<AdditiveScore>(&score);
  return additive ? additive->score_projected(q, projected) : (*this)(q, projected);
}

void Score::visit(Visitor& visitor) {
  const auto list = [&](auto& any) {
    if constexpr (std::derived_from<std::remove_cvref_t<decltype(any)>, Module>) any.visit(visitor);
  };
  std::visit(list, score);
}

}  // namespace fovea::nn
