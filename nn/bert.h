// BERT: an encoder that reads a text in both directions and gives each token a state, and [CLS], the token in front,
// one for the whole (Devlin, Chang, Lee & Toutanova 2019, "BERT: Pre-training of deep bidirectional transformers").
#pragma once
#include "nn/embedding.h"
#include "nn/encoder.h"

namespace fovea::nn {

struct BertConfig {
  int64_t vocab = 0;  // number of different tokens, [CLS], [SEP], [MASK] and [PAD] among them
  int64_t segments = 2;
  int64_t layers = 4;
  int64_t heads = 4;
  int64_t dim = 128;
  int64_t context = 64;  // most tokens it is made for; learned positions allow no more
  int64_t hidden = 0;    // width inside the feed-forward networks; 0: 4 · dim
  double dropout = 0;
  Positions positions = Positions::learned;
};

// The body. Post-norm layers with gelu, behind a norm of the sum of three embeddings: what a token is, where it stands,
// and which of the texts it belongs to.
struct Bert : Module {
  Embedding token_embedding;
  PositionEmbedding position_embedding;
  Embedding segment_embedding;
  LayerNorm norm;
  Dropout dropout;
  RelativePositions shared_positions;
  std::vector<EncoderLayer> layers;

  Bert(const BertConfig& config, Rng& rng);

  // tokens i64 [B, T]; segments i64 [B, T], undefined: all 0; the mask hides padding:
  // Mask::keep_keys(lengths). -> [B, T, C]
  Variable operator()(const Tensor& tokens, const Tensor& segments = {}, const Mask& mask = {}) const;
  void visit(Visitor& v) override;
};

// Says which token stands at each place, the hidden ones too: what BERT is pre-trained on (§3.1, "masked LM").
struct MaskedTokenModel : Module {
  Bert bert;
  Linear transform;  // [C] -> [C], then gelu and a norm
  LayerNorm norm;
  Parameter bias;  // [V]; the matrix is the token embedding's (Press & Wolf 2017)

  MaskedTokenModel(const BertConfig& config, Rng& rng);
  // Arguments as Bert's -> logits [B, T, V]. The loss is that of the hidden places: give cross_entropy the other
  // targets as ignore_index.
  Variable operator()(const Tensor& tokens, const Tensor& segments = {}, const Mask& mask = {}) const;
  void visit(Visitor& v) override;
};

// Puts a whole text, or a pair of texts, into one of several classes, by the state of its first token, [CLS].
struct TextClassifier : Module {
  Bert bert;
  Linear pooler;  // [C] -> [C], then tanh
  Dropout dropout;
  Linear head;

  TextClassifier(const BertConfig& config, int64_t classes, Rng& rng);
  // Arguments as Bert's -> logits [B, classes].
  Variable operator()(const Tensor& tokens, const Tensor& segments = {}, const Mask& mask = {}) const;
  void visit(Visitor& v) override;
};

}  // namespace fovea::nn
