// Claims about sinusoidal positions, as they are before anything is learned: their formula, and how large they are
// beside an embedding.
#include <algorithm>
#include <cmath>

#include "examples/claims/training.h"
#include "examples/claims/weights_map.h"
#include "nn/positions.h"
#include "tensor/elementwise.h"
#include "tensor/matmul.h"
#include "tensor/reduce.h"
#include "tensor/views.h"

namespace fovea::claims {
namespace {

Tensor encoding(int64_t places, int64_t dim) { return nn::sinusoidal_positions(places, dim, DType::f64); }

// What the paper writes down, number by number: sin(t / 10000^(2i/dim)) at channel 2i, the cosine at 2i + 1.
double by_the_formula(int64_t t, int64_t channel, int64_t dim) {
  const double angle = double(t) / std::pow(10000.0, double(channel / 2 * 2) / double(dim));
  return channel % 2 == 0 ? std::sin(angle) : std::cos(angle);
}

// The matrix that takes PE(p) to PE(p + k), whatever p: each pair of channels is turned by its frequency times k.
// (sin, cos) ↦ (sin cos kω + cos sin kω, cos cos kω − sin sin kω). [dim, dim]
Tensor step_forward(int64_t k, int64_t dim) {
  const Tensor angles = nn::position_angles(1, dim, k);  // kω, [1, dim/2]
  Tensor turn = zeros({dim, dim}, DType::f64);
  for (int64_t i = 0; i < dim; i += 2) {
    const double s = std::sin(angles.at({0, i / 2})), c = std::cos(angles.at({0, i / 2}));
    turn.set({i, i}, c), turn.set({i, i + 1}, -s);
    turn.set({i + 1, i}, s), turn.set({i + 1, i + 1}, c);
  }
  return turn;
}

}  // namespace

Exhibit sinusoidal_encoding(const Run&) {
  constexpr int64_t places = 128, dim = 64;
  const Tensor pe = encoding(places, dim);
  double formula_error = 0, turn_error = 0, product_error = 0;
  for (int64_t t = 0; t < places; ++t) {
    for (int64_t c = 0; c < dim; ++c)
      formula_error = std::max(formula_error, std::abs(pe.at({t, c}) - by_the_formula(t, c, dim)));
  }
  const Tensor products = matmul(pe, transpose(pe));  // PE(p)·PE(q), [places, places]
  for (int64_t k = 1; k < places; ++k) {
    const Tensor turned = matmul(narrow(pe, 0, 0, places - k), step_forward(k, dim));
    turn_error = std::max(turn_error, max_abs_difference(turned, narrow(pe, 0, k, places - k)));
    const Tensor at_distance = diagonal(products, k);
    product_error = std::max(product_error, max(at_distance).item() - min(at_distance).item());
  }

  std::vector<Series> by_distance;
  for (const int64_t width : {16, 64, 512}) {
    const Tensor p = encoding(2 * places + 1, width);
    const Tensor product = matmul(p, unsqueeze(select(p, 0, places), 1)) / (double(width) / 2);  // with the middle one
    by_distance.push_back({"d = " + std::to_string(width), steps_of(2 * places + 1, -places), numbers(product)});
  }
  const auto map = [](const char* title, const char* rows, const char* columns, const Tensor& values, Palette palette) {
    return heat_map({.title = title,
                     .rows = rows,
                     .columns = columns,
                     .row_names = numbered(64, 0, 10),
                     .column_names = numbered(64, 0, 10),
                     .palette = palette},
                    values);
  };
  const double worst = std::max({formula_error, turn_error, product_error});
  return {
      .verdict = worst < 1e-11 ? Verdict::holds : Verdict::fails,
      .number = "largest error of formula, rotation and product: " + format_significant(worst, 1),
      .remark =
          "Each pair of channels is a clock hand; k places later each hand has turned by its own fixed angle, "
          "wherever it stood. The product of two is a sum of cosines of p − q, so it is the same for q − p: "
          "alone it cannot tell before from after. It takes the projections of queries and keys to do that.",
      .pictures = {
          {map("The encoding", "place", "channel", narrow(pe, 0, 0, 64), Palette::diverging),
           "Fast hands on the left, slow ones on the right."},
          {map("PE(p)·PE(q)", "p", "q", narrow(narrow(products, 0, 0, 64), 1, 0, 64), Palette::sequential),
           "Alike along every diagonal. d = 64."},
          {line_plot(
               {.title = "PE(p)·PE(q), by the distance", .x = {.label = "p − q"}, .y = {.label = "product / (d/2)"}},
               by_distance),
           "Largest at the same place; with more channels it falls more smoothly."}}};
}

Exhibit sizes_of_embedding_and_encoding(const Run& run) {
  const std::vector<std::string> names = {"encoding", "N(0, 1/d)", "N(0, 1/d) · √d", "N(0, 1)", "N(0, 1) · √d"};
  const std::vector<std::string> norm_formulas = {"√(d/2)", "1", "√d", "√d", "d"};
  const std::vector<double> widths = {16, 64, 256, 512, 1024};
  std::vector<std::vector<double>> norms(names.size()), sizes(names.size());  // [kind][width]
  bool one_norm = true;                                                       // every place has the same
  for (const double d : widths) {
    Rng rng = run.rng("embeddings");
    const auto embeddings = [&](double deviation) { return randn({200, int64_t(d)}, rng, DType::f64) * deviation; };
    const Tensor of_deviation_small = embeddings(1 / std::sqrt(d)), of_deviation_1 = embeddings(1);
    const Tensor kinds[] = {encoding(200, int64_t(d)), of_deviation_small, of_deviation_small * std::sqrt(d),
                            of_deviation_1, of_deviation_1 * std::sqrt(d)};
    for (size_t kind = 0; kind < names.size(); ++kind) {
      norms[kind].push_back(mean(norm(kinds[kind], 2, {-1})).item());
      sizes[kind].push_back(mean(abs(kinds[kind])).item());
    }
    one_norm = one_norm && max(abs(norm(kinds[0], 2, {-1}) - std::sqrt(d / 2))).item() < 1e-10;
  }

  constexpr size_t shown = 3;  // d = 512
  std::vector<Series> series;
  Grid grid{.header = {"", "mean norm", "which is", "beside the encoding", "mean |number|"},
            .caption = "d = 512, 200 places or words. Of N(0, σ²) the mean |number| is σ √(2/π) = 0.80 σ."};
  for (size_t kind = 0; kind < names.size(); ++kind) {
    if (names[kind] != "N(0, 1)")
      series.push_back({.name = names[kind],
                        .x = widths,
                        .y = norms[kind],
                        .mark = kind == 0 ? Mark::dashed : Mark::line_and_points,
                        .colour = kind == 0 ? 7 : int(kind)});
    grid.rows.push_back({names[kind], format_significant(norms[kind][shown], 4), norm_formulas[kind],
                         format_significant(norms[kind][shown] / norms[0][shown], 3),
                         format_significant(sizes[kind][shown], 3)});
  }
  const double ratio = norms[2][shown] / norms[0][shown];
  const double size = sizes[3][shown];  // of numbers of deviation 1
  const bool comparable = ratio > 0.5 && ratio<2, overshoots = norms[4][shown] / norms[0][shown]> 10;
  const bool sizes_of_the_notes = std::abs(norms[0][shown] / std::sqrt(512.0) - 1) < 0.05 && std::abs(size - 1) < 0.05;
  return {.verdict = !comparable || !one_norm            ? Verdict::fails
                     : overshoots || !sizes_of_the_notes ? Verdict::within_limits
                                                         : Verdict::holds,
          .number = "√d · embedding / encoding = " + format_significant(ratio, 3) + " for N(0, 1/d) at d = 512",
          .remark =
              "It holds of embeddings that begin at deviation 1/√d, which the factor takes to the norm √d: √2 "
              "times the encoding. Those that begin at deviation 1 are that long already, and the factor "
              "overshoots by √d. Two sizes in the notes are wrong. The encoding's norm is √(d/2), not √d, and "
              "so at every place, since sin² + cos² = 1 for each of d/2 pairs. And the mean |e| of normal "
              "numbers of deviation σ is σ √(2/π), here " +
              format_significant(size, 3) + " for σ = 1, not σ.",
          .pictures = {{line_plot({.title = "How long they are",
                                   .x = {.label = "d", .log = true, .ticks = widths},
                                   .y = {.label = "mean norm", .log = true}},
                                  series),
                        "The encoding, and random embeddings. N(0, 1) without a factor lies on N(0, 1/d) · √d."}},
          .grids = {grid}};
}

extern const std::vector<Claim> sinusoid_claims;
const std::vector<Claim> sinusoid_claims = {
    {.id = "56",
     .title = "Sinusoids: one turn per step",
     .statement =
         "PE(t) has sin(t/10000^(2i/d)) at channel 2i and the cosine at 2i + 1. PE(p + k) is a rotation of PE(p) "
         "that depends on k alone, and PE(p)·PE(q) depends on p − q alone.",
     .experiment = sinusoidal_encoding,
     .expect = Verdict::holds},
    {.id = "58+slip-4",
     .title = "The sizes of embedding and encoding",
     .statement = "Embeddings are multiplied by √d so that they are about as large as the encoding that is added to "
                  "them; that one has norm √d, and the numbers of an embedding of deviation σ are σ in the mean.",
     .experiment = sizes_of_embedding_and_encoding,
     .expect = Verdict::within_limits},
};

}  // namespace fovea::claims
