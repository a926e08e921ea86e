// Claims about distance: how far a gradient reaches in a recurrent network, in a stack of convolutions, in attention.
#include <algorithm>
#include <cmath>

#include "autograd/tape.h"
#include "examples/claims/claim.h"
#include "examples/claims/convolution_stack.h"
#include "nn/encoder.h"
#include "nn/recurrent.h"
#include "tensor/reduce.h"
#include "tensor/views.h"

namespace fovea::claims {
namespace {

using Layer = std::function<Variable(const Variable& x)>;  // [B, n, C] -> [B, n, any]

// How much the last place of a layer's output depends on the place so many before it: ‖∂(y_last · u)/∂x‖ for a random
// u, the mean over sequences. [n], the first at distance 0.
std::vector<double> gradient_by_distance(const Layer& layer, const Tensor& inputs, Rng& rng) {
  Parameter x(inputs);
  Tape tape;
  const Variable y = select(layer(x), 1, -1);  // [B, any]
  tape.backward(y, randn(y.shape(), rng));
  std::vector<double> by_place = numbers(mean(norm(x.grad(), 2, {-1}), {0}));
  std::reverse(by_place.begin(), by_place.end());
  return by_place;
}

// By what the gradient is multiplied for each place farther away, on average.
double factor_per_place(const std::vector<double>& gradient, size_t from, size_t to) {
  return std::pow(gradient[to] / gradient[from], 1.0 / double(to - from));
}

// The distance up to which there is any gradient at all, itself included; and the one within which `share` of it lies.
int64_t field(const std::vector<double>& gradient) {
  int64_t size = int64_t(gradient.size());
  while (size > 0 && gradient[size_t(size - 1)] == 0) --size;
  return size;
}
int64_t field_holding(const std::vector<double>& gradient, double share) {
  double total = 0, sum = 0;
  for (const double g : gradient) total += g;
  int64_t size = 0;
  while (sum < share * total) sum += gradient[size_t(size++)];
  return size;
}

// A line over distances on a logarithmic axis: where places crowd, each point is the mean of several.
Series by_distance(std::string name, const std::vector<double>& gradient) {
  Series line{.name = std::move(name)};
  for (size_t from = 0; from < gradient.size();) {
    const size_t to = std::min(gradient.size(), from + 1 + from / 6);
    double sum = 0;
    for (size_t i = from; i < to; ++i) sum += gradient[i];
    line.x.push_back(double(from + to + 1) / 2), line.y.push_back(sum / double(to - from));
    from = to;
  }
  return line;
}

}  // namespace

Exhibit gradients_over_distance(const Run& run) {
  constexpr int64_t batch = 16, n = 65, channels = 64;
  const std::vector<std::string> names = {"tanh RNN", "GRU", "LSTM", "LSTM, forget gates at 5", "attention"};
  const size_t kinds = names.size();
  std::vector<std::vector<std::vector<double>>> curves(kinds);  // [kind][seed][distance]
  std::vector<std::vector<double>> factors(kinds);              // [kind][seed]
  for (const uint64_t seed : run.seeds(5, 2)) {
    Rng rng = run.rng("weights and inputs", seed);
    const Tensor x = randn({batch, n, channels}, rng);
    const auto recurrent = [&](nn::Recurrence kind) {
      return nn::Recurrent({.kind = kind, .in = channels, .hidden = channels}, rng);
    };
    const nn::Recurrent tanh_rnn = recurrent(nn::Recurrence::tanh), gru = recurrent(nn::Recurrence::gru),
                        lstm = recurrent(nn::Recurrence::lstm);
    nn::Recurrent keeping = lstm;
    narrow(keeping.cells[0].bias.value(), 0, channels, channels).fill_(5);  // i, f, o, g: the second is the forget gate
    const nn::MultiHeadAttention attention({.dim = channels, .heads = 4}, rng);
    const Layer layers[] = {
        [&](const Variable& v) { return tanh_rnn(v).output; }, [&](const Variable& v) { return gru(v).output; },
        [&](const Variable& v) { return lstm(v).output; }, [&](const Variable& v) { return keeping(v).output; },
        [&](const Variable& v) { return attention(v, nn::Mask::causal()); }};
    for (size_t i = 0; i < kinds; ++i) {
      curves[i].push_back(gradient_by_distance(layers[i], x, rng));
      factors[i].push_back(factor_per_place(curves[i].back(), 1, 21));
    }
  }
  std::vector<double> distances;
  for (int64_t i = 0; i < n; ++i) distances.push_back(double(i));
  std::vector<Series> series;
  Grid grid{.header = {"layer", "factor for each place"}, .caption = "Over distances 1 to 21."};
  std::vector<Spread> factor;
  for (size_t i = 0; i < kinds; ++i) {
    series.push_back(over_runs(names[i], distances, curves[i]));
    factor.push_back(spread(factors[i]));
    grid.rows.push_back({names[i], factor.back().text(3)});
  }
  const bool recurrent_fade = factor[0].high < 0.9 && factor[1].high < 0.9 && factor[2].high < 0.9;
  const bool attention_stays = factor[4].low > 0.97 && factor[4].high < 1.03;
  const bool gates_can_keep = factor[3].low > 0.95;
  return {.verdict = !recurrent_fade || !attention_stays ? Verdict::fails
                     : gates_can_keep                    ? Verdict::within_limits
                                                         : Verdict::holds,
          .number = "factor for each place: tanh RNN " + format_significant(factor[0].median, 2) + ", GRU " +
                    format_significant(factor[1].median, 2) + ", LSTM " + format_significant(factor[2].median, 2) +
                    ", attention " + format_significant(factor[4].median, 3),
          .remark =
              "Before training. A product of so many Jacobians shrinks with the distance, attention has a single one "
              "for any distance. But fading is no law of recurrence: with its forget gates "
              "opened (a bias of 5) the same LSTM has a factor of " +
              format_significant(factor[3].median, 3) +
              ". And attention's gradient is level, not large: until it has learnt where to look, each of "
              "the n places gets about a share of 1/n.",
          .pictures = {{line_plot({.title = "Gradient of the last output with respect to an earlier input",
                                   .x = {.label = "distance (places)"},
                                   .y = {.label = "norm of the gradient", .log = true, .low = 1e-12, .high = 10}},
                                  series),
                        "64 channels, sequences of 65 places; median and range over the seeds."}},
          .grids = {grid}};
}

Exhibit receptive_fields(const Run& run) {
  constexpr int64_t n = 512, channels = 16;
  Rng rng = run.rng("weights and inputs");
  const Tensor x = randn({4, n, channels}, rng);
  struct Stacks {
    std::string name;
    std::vector<double> layers = {}, field = {}, effective = {};
    std::vector<double> deepest = {};  // its gradient by distance
  };
  Stacks plain{"dilation 1"}, dilated{"dilations 1, 2, 4, …"};
  bool as_computed = true;
  for (Stacks* stacks : {&plain, &dilated}) {
    for (const int64_t layers : {1, 2, 4, 6, 8, 16, 32}) {
      if (stacks == &dilated && layers > 8) continue;
      const std::vector<int64_t> dilations =
          stacks == &plain ? std::vector<int64_t>(size_t(layers), 1) : doubling(layers);
      const ConvolutionStack stack(channels, dilations, rng);
      stacks->deepest = gradient_by_distance(stack, x, rng);
      stacks->layers.push_back(double(layers));
      stacks->field.push_back(double(field(stacks->deepest)));
      stacks->effective.push_back(double(field_holding(stacks->deepest, 0.95)));
      as_computed = as_computed && int64_t(stacks->field.back()) == std::min(n, stack.receptive_field());
    }
  }
  const nn::EncoderLayer layer({.dim = channels, .heads = 2}, rng);
  const std::vector<double> attention =
      gradient_by_distance([&](const Variable& v) { return layer(v, nn::Mask::causal()); }, x, rng);
  const bool attention_sees_all = field(attention) == n;

  return {
      .verdict = as_computed && attention_sees_all ? Verdict::holds : Verdict::fails,
      .number = "places seen: 1 convolution " + format_count(int64_t(plain.field.front())) + ", 32 convolutions " +
                format_count(int64_t(plain.field.back())) + ", 8 with dilation " +
                format_count(int64_t(dilated.field.back())) + ", 1 attention layer " + format_count(field(attention)),
      .remark =
          "Counted from the gradients, and in every case what arithmetic says: 1 + Σ (k − 1) · dilation. Beyond the "
          "field the gradient is exactly 0. Depth needed grows with the distance, or with its logarithm if "
          "dilations double. Within the field a plain stack hardly looks at the rim: 95 % of the gradient of 32 layers "
          "lie within " +
          format_count(int64_t(plain.effective.back())) + " of its " + format_count(int64_t(plain.field.back())) +
          " places.",
      .pictures = {
          {line_plot({.title = "Receptive field, measured",
                      .x = {.label = "layers (kernel of 3)", .log = true, .ticks = {1, 2, 4, 8, 16, 32}},
                      .y = {.label = "places seen", .log = true, .ticks = {1, 4, 16, 64, 512}}},
                     {{.name = plain.name, .x = plain.layers, .y = plain.field, .mark = Mark::line_and_points},
                      {.name = dilated.name, .x = dilated.layers, .y = dilated.field, .mark = Mark::line_and_points},
                      {.name = "attention", .x = {1}, .y = {double(field(attention))}, .mark = Mark::points},
                      {.name = "dilation 1: 95 % of the gradient",
                       .x = plain.layers,
                       .y = plain.effective,
                       .mark = Mark::dashed,
                       .colour = 7}}),
           "Causal stacks of 16 channels with residual connections; sequences of 512 places."},
          {line_plot({.title = "Where the gradient of the last output goes",
                      .x = {.label = "distance + 1 (places)", .log = true},
                      .y = {.label = "norm of the gradient", .log = true, .low = 1e-8}},
                     {by_distance("32 convolutions", plain.deepest), by_distance("8 with dilation", dilated.deepest),
                      by_distance("1 attention layer", attention)}),
           "Where places crowd, each point is the mean of several. Beyond the field the gradient is 0, and no weight "
           "can "
           "help."}}};
}

extern const std::vector<Claim> distance_claims;
const std::vector<Claim> distance_claims = {
    {.id = "67",
     .title = "Gradients over a distance",
     .statement = "In a recurrent network the gradient fades over distance; in attention it reaches every place alike.",
     .experiment = gradients_over_distance,
     .expect = Verdict::within_limits},
    {.id = "68",
     .title = "A convolution sees its neighbourhood",
     .statement = "A convolution sees a few places around it, and places far apart meet only in a deep stack; one "
                  "attention layer sees them all.",
     .experiment = receptive_fields,
     .expect = Verdict::holds},
};

}  // namespace fovea::claims
