// Every claim of the book: the tables of the files of experiments, in one list.
#include "examples/claims/book.h"

#include "examples/claims/frame/chapters.h"

namespace fovea::claims {

extern const std::vector<Claim> caption_claims;
extern const std::vector<Claim> cost_claims;
extern const std::vector<Claim> distance_claims;
extern const std::vector<Claim> far_copy_claims;
extern const std::vector<Claim> feed_forward_claims;
extern const std::vector<Claim> head_claims;
extern const std::vector<Claim> pixel_claims;
extern const std::vector<Claim> vision_claims;
extern const std::vector<Claim> mask_claims;
extern const std::vector<Claim> pooling_claims;
extern const std::vector<Claim> position_claims;
extern const std::vector<Claim> query_key_value_claims;
extern const std::vector<Claim> reading_claims;
extern const std::vector<Claim> regression_claims;
extern const std::vector<Claim> relative_position_claims;
extern const std::vector<Claim> saturation_claims;
extern const std::vector<Claim> scaling_claims;
extern const std::vector<Claim> score_claims;
extern const std::vector<Claim> self_attention_claims;
extern const std::vector<Claim> seq2seq_claims;
extern const std::vector<Claim> sinusoid_claims;
extern const std::vector<Claim> task_claims;
extern const std::vector<Claim> teacher_forcing_claims;
extern const std::vector<Claim> text_task_claims;
extern const std::vector<Claim> transformer_block_claims;

std::vector<Claim> book() {
  std::vector<Claim> all;
  for (const std::vector<Claim>* table : {&vision_claims,         &pixel_claims,      &caption_claims,
                                          &cost_claims,           &distance_claims,   &far_copy_claims,
                                          &feed_forward_claims,   &head_claims,       &mask_claims,
                                          &pooling_claims,        &position_claims,   &query_key_value_claims,
                                          &reading_claims,        &regression_claims, &relative_position_claims,
                                          &saturation_claims,     &scaling_claims,    &score_claims,
                                          &self_attention_claims, &seq2seq_claims,    &sinusoid_claims,
                                          &text_task_claims,      &task_claims,       &transformer_block_claims,
                                          &teacher_forcing_claims}) {
    all.insert(all.end(), table->begin(), table->end());
  }
  return ordered(std::move(all));
}

}  // namespace fovea::claims
