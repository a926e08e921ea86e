#include "examples/claims/sequence_models.h"

#include "nn/losses.h"
#include "tensor/elementwise.h"
#include "tensor/indexing.h"
#include "tensor/views.h"

namespace fovea::claims {
namespace {

Variable loss_of(const Variable& logits, const SequencePairs& pairs) {
  return nn::cross_entropy(logits, pairs.target, {.ignore_index = Token::pad});
}

// What the encoder and the decoder may see of the source: i64 [B, S] -> a mask over [B, 1, 1, S].
nn::Mask words_of(const Tensor& source) { return nn::Mask::keep_keys(source > double(Token::pad)); }

}  // namespace

std::vector<double> teach(const Run& run, nn::Seq2Seq& model, const Training& training, const Batches& batch) {
  return train(run, model, training, [&](int64_t) {
    const SequencePairs pairs = batch();
    return loss_of(model(pairs.source, decoder_input(pairs.target), pairs.lengths).logits, pairs);
  });
}

std::vector<double> teach(const Run& run, nn::Transformer& model, const Training& training, const Batches& batch) {
  return train(run, model, training, [&](int64_t) {
    const SequencePairs pairs = batch();
    return loss_of(model(pairs.source, decoder_input(pairs.target), words_of(pairs.source)), pairs);
  });
}

nn::Written written_by(const nn::Seq2Seq& model, const SequencePairs& pairs) {
  const nn::WritingConfig config{.start = Token::start, .end = Token::end, .max_length = pairs.target.size(1)};
  return model.greedy(pairs.source, config, pairs.lengths);
}

Tensor written_by(const nn::Transformer& model, const SequencePairs& pairs) {
  return model.greedy_decode(pairs.source, Token::start, Token::end, pairs.target.size(1), words_of(pairs.source));
}

Tensor right_places(const Tensor& written, const Tensor& target) {
  const int64_t missing = target.size(1) - written.size(1);
  if (missing <= 0) return equal(narrow(written, 1, 0, target.size(1)), target);
  const Tensor nothing = full({target.size(0), missing}, -1, DType::i64);
  return equal(cat({written, nothing}, 1), target);
}

}  // namespace fovea::claims
