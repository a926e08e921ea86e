// Claims about what the weights of attention say to a reader.
#include <algorithm>
#include <cmath>

#include "autograd/tape.h"
#include "examples/claims/claim.h"
#include "nn/convolution.h"
#include "nn/linear.h"
#include "tensor/elementwise.h"
#include "tensor/matmul.h"
#include "tensor/reduce.h"
#include "tensor/rows.h"
#include "tensor/views.h"

namespace fovea::claims {

Exhibit weights_follow_the_input(const Run& run) {
  constexpr int64_t n = 16, channels = 16;
  Rng rng = run.rng("weights and inputs");
  const nn::Conv1d convolution({.in = channels, .out = channels, .kernel = 5, .padding = 2}, rng);
  const nn::Linear query(channels, channels, rng), key(channels, channels, rng);
  // What each output takes from each input: of a convolution the size of the block ∂y_i/∂x_j, seen by one random
  // vector.
  const Tensor u = randn({channels}, rng);
  const auto convolution_mixing = [&](const Tensor& x) {  // [n, C] -> [n, n]
    Parameter copies(expand(x, {n, n, channels}).contiguous());
    Tape tape;
    const Variable y = convolution(copies);  // copy i is asked for its output i
    tape.backward(y, reshape(eye(n), {n, n, 1}) * u);
    return norm(copies.grad(), 2, {-1});
  };
  const auto attention_mixing = [&](const Tensor& x) {  // the weights themselves
    return softmax(matmul(query(x).value(), transpose(key(x).value())) / std::sqrt(double(channels)));
  };
  const Tensor a = randn({n, channels}, rng), b = randn({n, channels}, rng);
  const Tensor fixed_a = convolution_mixing(a), fixed_b = convolution_mixing(b);
  const Tensor weights_a = attention_mixing(a), weights_b = attention_mixing(b);
  const double fixed_change = max_abs_difference(fixed_a, fixed_b);
  const double moved = mean(sum(abs(weights_a - weights_b), {-1})).item() / 2;  // the share of weight that moved
  const auto map = [](std::string title, const Tensor& matrix, double high) {
    return heat_map({.title = std::move(title), .rows = "output", .columns = "input", .low = 0, .high = high}, matrix);
  };
  const double top_fixed = max(fixed_a).item(), top_weights = std::max(max(weights_a).item(), max(weights_b).item());
  return {
      .verdict = fixed_change == 0 && moved > 0.1 ? Verdict::holds : Verdict::fails,
      .number = "from one input to another the convolution's matrix changes by " + format_significant(fixed_change, 2) +
                "; of attention's weight " + format_fixed(100 * moved, 0) + " % moves",
      .remark =
          "A convolution is the same linear map whatever it reads. Attention makes its matrix anew from every "
          "input, from what stands at the places: that is also why it is not linear in its input.",
      .pictures = {
          {small_multiples("A convolution of kernel 5", 2,
                           {map("first input", fixed_a, top_fixed), map("second input", fixed_b, top_fixed)}),
           "How much each output takes from each input: the same band, number for number."},
          {small_multiples("Attention", 2,
                           {map("first input", weights_a, top_weights), map("second input", weights_b, top_weights)}),
           "The weights of one head at random parameters, for the same two inputs."}}};
}

extern const std::vector<Claim> reading_claims;
const std::vector<Claim> reading_claims = {
    {.id = "70",
     .title = "Fixed weights, and weights that follow the input",
     .statement =
         "A convolution mixes its inputs in the same way whatever they are; attention's weights depend on them.",
     .experiment = weights_follow_the_input,
     .expect = Verdict::holds},
};

}  // namespace fovea::claims
