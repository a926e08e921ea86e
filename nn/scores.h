// Scores: how well a key fits a query. Each is called with queries [..., L, d_q] and keys [..., S, d_k], whose axes in
// front broadcast, and returns a number for each pair, [..., L, S]. attention_pool (nn/attention_pool.h) takes any of
// them, and any function of that form; a model that leaves the choice to its configuration holds a Score.
//
// The weights are the softmax of the scores, so a kernel's score is its logarithm: softmax(log K) = K / Σ K, which is
// Nadaraya and Watson's kernel regression (1964). Where a kernel is 0 its score is −∞ and the weight 0, as under a
// mask.
#pragma once
#include <variant>

#include "autograd/elementwise.h"
#include "nn/module.h"

namespace fovea::nn {

enum class ScoreKind { dot, scaled_dot, general, additive, concat, cosine, gaussian, boxcar, epanechnikov, constant };
inline constexpr int kScoreKinds = 10;
const char* name(ScoreKind kind);

// A score ignores the fields that it has no use for.
struct ScoreConfig {
  ScoreKind kind = ScoreKind::scaled_dot;
  int64_t query_dim = 0;   // d_q: general, additive, concat
  int64_t key_dim = 0;     // d_k: the same; 0: d_q
  int64_t hidden = 0;      // h: additive, concat; 0: d_q
  bool bias = true;        // additive, concat
  double temperature = 1;  // cosine
  double w = 1;            // kernels: a distance counts w times, so 1/w is the kernel's width
  bool learned = false;    // cosine's temperature, the Gaussian's w
};

// --- products --------------------------------------------------------------------------------------------------------

struct DotScore {  // q·k (Luong et al. 2015, eq. 8); d_q = d_k
  Variable operator()(const Variable& q, const Variable& k) const;
};

struct ScaledDotScore {  // q·k / √d (Vaswani et al. 2017, eq. 1); d_q = d_k
  Variable operator()(const Variable& q, const Variable& k) const;
};

struct GeneralScore : Module {  // qᵀ W k (Luong et al. 2015, eq. 8)
  Parameter weight;             // [d_q, d_k]

  GeneralScore(const ScoreConfig& config, Rng& rng);
  Variable operator()(const Variable& q, const Variable& k) const;
  void visit(Visitor& visitor) override { visitor("weight", weight); }
};

// --- small networks --------------------------------------------------------------------------------------------------

struct ConcatScore;

// vᵀ tanh(W_q q + W_k k + b) (Bahdanau et al. 2015, §A.1.2). Each pair has a hidden vector of its own, [..., L, S, h]
// in memory: that is what it costs beside a product.
struct AdditiveScore : Module {
  Parameter query_weight;  // [d_q, h]
  Parameter key_weight;    // [d_k, h]
  Parameter bias;          // [h], zero at first; undefined without bias
  Parameter v;             // [h, 1]

  AdditiveScore(const ScoreConfig& config, Rng& rng);
  explicit AdditiveScore(const ConcatScore& same);  // with a copy of its weights
  Variable operator()(const Variable& q, const Variable& k) const { return score_projected(q, project_keys(k)); }
  // In two steps, for a decoder that asks the same keys again and again: W_k k [..., S, h] is computed once.
  Variable project_keys(const Variable& k) const;
  Variable score_projected(const Variable& q, const Variable& projected) const;
  void visit(Visitor& visitor) override;
};

// vᵀ tanh(W [q; k] + b) (Luong et al. 2015, eq. 8): the same as AdditiveScore with W = [W_q; W_k], written as a network
// with one hidden layer over the pair. To read: it multiplies W by each of the L · S pairs, the other W_q by each query
// and W_k by each key.
struct ConcatScore : Module {
  Parameter weight;   // [d_q + d_k, h]
  Parameter bias;     // [h], zero at first; undefined without bias
  Parameter v;        // [h, 1]
  int64_t query_dim;  // d_q, the first rows of the weight

  ConcatScore(const ScoreConfig& config, Rng& rng);
  explicit ConcatScore(const AdditiveScore& same);  // with a copy of its weights
  Variable operator()(const Variable& q, const Variable& k) const;
  void visit(Visitor& visitor) override;
};

// --- the angle -------------------------------------------------------------------------------------------------------

// A factor above 0: fixed, or learned as softplus(raw), so that no step can make it negative.
struct PositiveFactor : Module {
  double fixed;
  Parameter raw;  // []; undefined where it is fixed

  PositiveFactor(const char* role, double value, bool learned);
  Variable times(const Variable& x) const { return raw.defined() ? x * softplus(raw) : x * fixed; }
  double value() const;
  void visit(Visitor& visitor) override;
};

// q·k / (|q| |k| τ), with the temperature τ; d_q = d_k. A vector of zeros has cosine 0 with everything.
struct CosineScore : Module {
  PositiveFactor inverse_temperature;  // 1 / τ

  explicit CosineScore(double temperature = 1, bool learned = false);
  Variable operator()(const Variable& q, const Variable& k) const;
  void visit(Visitor& visitor) override { visitor("inverse_temperature", inverse_temperature); }
};

// --- kernels of the distance -----------------------------------------------------------------------------------------
// u = w |q − k|; d_q = d_k. The distances are sums over differences, [..., L, S, d] in memory: exact where q and k are
// close, as |q|² − 2 q·k + |k|² would not be.

struct GaussianKernel : Module {  // exp(−u²/2); the factor 1/√2π of the density cancels in the weights
  PositiveFactor w;

  explicit GaussianKernel(double w_ = 1, bool learned = false) : w("GaussianKernel: w", w_, learned) {}
  Variable operator()(const Variable& q, const Variable& k) const;
  void visit(Visitor& visitor) override { visitor("w", w); }
};

struct BoxcarKernel {  // 1 where u < 1, else 0: the mean over the keys in reach. No gradient flows to q and k.
  double w;

  explicit BoxcarKernel(double w_ = 1);
  Variable operator()(const Variable& q, const Variable& k) const;
};

struct EpanechnikovKernel {  // 1 − u² where u < 1, else 0
  double w;

  explicit EpanechnikovKernel(double w_ = 1);
  Variable operator()(const Variable& q, const Variable& k) const;
};

struct ConstantScore {  // 0 for every pair: average pooling
  Variable operator()(const Variable& q, const Variable& k) const;
};

// --- any of them -----------------------------------------------------------------------------------------------------

struct Score : Module {
  using Any = std::variant<DotScore, ScaledDotScore, GeneralScore, AdditiveScore, ConcatScore, CosineScore,
                           GaussianKernel, BoxcarKernel, EpanechnikovKernel, ConstantScore>;
  Any score;  // its parameters appear under this module's path

  Score(const ScoreConfig& config, Rng& rng);
  Variable operator()(const Variable& q, const Variable& k) const;
  // The two steps of AdditiveScore; any other score takes the keys as they are.
  Variable project_keys(const Variable& k) const;
  Variable score_projected(const Variable& q, const Variable& projected) const;
  void visit(Visitor& visitor) override;
};

}  // namespace fovea::nn
