// softmax, the norms and the cross entropy against naive twins in f64: values, and derivatives against differences
// of the twins; under every instruction set, for views, extreme values and threads.
#include "tensor/rows.h"

#include "tensor/parallel.h"
#include "tensor/views.h"
#include "tests/naive.h"

using namespace fovea;
using namespace fovea::tests;

TEST_CASE("softmax and log_softmax and their derivatives") {
  under_every_isa([] {
    for (const DType dtype : {DType::f32, DType::f64}) {
      for (int64_t n : {1, 2, 3, 7, 15, 16, 17, 31, 40, 65, 600, 1100}) {
        CAPTURE(n);
        const Tensor x = noise({3, n}, dtype, uint64_t(n)) * 3.0, dy = noise({3, n}, dtype, 99);
        check_rows(softmax(x), each_row(x, naive_softmax), tolerance_of(x));
        check_rows(log_softmax(x), each_row(x, naive_log_softmax), tolerance_of(x) * 2);
        if (n > 100) continue;
        const double tolerance = dtype == DType::f32 ? 3e-6 : kSlope;
        check_rows(softmax_backward(dy, softmax(x)), slopes(x, dy, naive_softmax), tolerance);
        check_rows(log_softmax_backward(dy, log_softmax(x)), slopes(x, dy, naive_log_softmax), tolerance);
      }
    }
  });
}

TEST_CASE("softmax along any axis of any view") {
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Tensor x = noise({4, 6, 5}, dtype, 3);
    const Tensor views[] = {x, permute(x, {2, 0, 1}), slice(x, 1, 1, 6, 2), expand(narrow(x, 0, 1, 1), {3, 6, 5}),
                            expand(narrow(x, 2, 1, 1), {4, 6, 8})};
    for (const Tensor& view : views) {
      for (int axis = 0; axis < 3; ++axis) {
        const Tensor y = softmax(view, axis), last = transpose(view, axis, -1);
        CHECK(y.is_contiguous());
        check_rows(transpose(y, axis, -1), each_row(last, naive_softmax), tolerance_of(x));
        const Tensor dy = noise(view.shape(), dtype, 8);
        CHECK(identical(transpose(softmax_backward(dy, y, axis), axis, -1).contiguous(),
                        softmax_backward(transpose(dy, axis, -1), softmax(last))));
        CHECK(identical(transpose(log_softmax_backward(dy, y, axis), axis, -1).contiguous(),
                        log_softmax_backward(transpose(dy, axis, -1), softmax(last))));
      }
    }
    CHECK(softmax(empty({0, 3}, dtype)).shape() == Shape{0, 3});
    CHECK(softmax(empty({3, 0}, dtype)).shape() == Shape{3, 0});
    CHECK(softmax(empty({0, 3}, dtype), 0).shape() == Shape{0, 3});
    CHECK(numbers(softmax(full({1, 1}, 7, dtype)))[0] == 1);
  }
}

TEST_CASE("softmax at its extremes") {
  under_every_isa([] {
    for (const DType dtype : {DType::f32, DType::f64}) {
      for (int64_t n : {3, 16, 21, 64}) {
        Tensor x = full({n}, -1e4, dtype);
        x.set({n - 1}, 1e4);
        Row y = numbers(softmax(x));
        CHECK(y[size_t(n - 1)] == 1);
        CHECK(y[0] == 0);
        CHECK(numbers(log_softmax(x))[0] == -2e4);

        x.set({0}, -kInf);
        y = numbers(softmax(x));
        CHECK(y[0] == 0);
        CHECK(numbers(log_softmax(x))[0] == -kInf);

        for (const double bad : {kNaN, kInf}) {
          x.set({1}, bad);
          for (double v : numbers(softmax(x))) CHECK(std::isnan(v));
          for (double v : numbers(masked_softmax(x, 1))) CHECK(std::isnan(v));
        }
        for (double v : numbers(softmax(full({n}, -kInf, dtype)))) CHECK(std::isnan(v));
        for (double v : numbers(masked_softmax(full({n}, -kInf, dtype), 1))) CHECK(v == 0);

        Tensor hidden = full({n}, -kInf, dtype);
        hidden.set({1}, kNaN);
        for (double v : numbers(masked_softmax(hidden, 1))) CHECK(std::isnan(v));
      }
    }
  });
}

TEST_CASE("masked_softmax: masks of every shape, causal, both, and rows with nothing to see") {
  under_every_isa([] {
    for (const DType dtype : {DType::f32, DType::f64}) {
      for (int64_t keys : {1, 5, 16, 37}) {
        const int64_t queries = 6;
        const Tensor x = transpose(noise({2, queries, keys, 3}, dtype, uint64_t(keys)), 1, 3);  // [2, 3, keys, queries]
        const Tensor scores = transpose(x, 2, 3);                                               // [2, 3, queries, keys]
        std::vector<Tensor> masks = {Tensor{}};
        for (const Shape& shape : {Shape{2, 3, queries, keys}, Shape{queries, keys}, Shape{2, 1, 1, keys}, Shape{keys},
                                   Shape{3, queries, 1}, Shape{1, 1}, Shape{}})
          masks.push_back(noise(shape, DType::f64, 5) > -0.7);
        masks.push_back(transpose(noise({keys, queries}, DType::f64, 6) > 0.0, 0, 1));
        for (const Tensor& mask : masks) {
          for (const bool causal : {false, true}) {
            const Tensor keep = mask.defined() ? expand(mask, scores.shape()) : ones(scores.shape(), DType::boolean);
            const Tensor y = masked_softmax(scores, 0.5, mask, causal);
            const std::vector<Row> values = rows_of(scores), kept = rows_of(keep);
            std::vector<Row> wanted;
            for (size_t r = 0; r < values.size(); ++r) {
              const int64_t last = int64_t(r) % queries + keys - queries;
              Row seen, spread;
              for (int64_t k = 0; k < keys; ++k) {
                if (kept[r][size_t(k)] != 0 && (!causal || k <= last)) seen.push_back(values[r][size_t(k)] * 0.5);
              }
              const Row weights = naive_softmax(seen);
              size_t next = 0;
              for (int64_t k = 0; k < keys; ++k)
                spread.push_back(kept[r][size_t(k)] != 0 && (!causal || k <= last) ? weights[next++] : 0);
              wanted.push_back(spread);
            }
            check_rows(y, wanted, tolerance_of(x));
          }
        }
      }
    }
  });
  const Tensor x = noise({4, 9}, DType::f64), dy = noise({4, 9}, DType::f64, 2);
  const auto scaled = [](const Row& row) {
    Row half;
    for (double v : row) half.push_back(-0.5 * v);
    return naive_softmax(half);
  };
  check_rows(softmax_backward(dy, masked_softmax(x, -0.5), -1, -0.5), slopes(x, dy, scaled), kSlope);
}

TEST_CASE("layer_norm and rms_norm and their derivatives") {
  under_every_isa([] {
    for (const DType dtype : {DType::f32, DType::f64}) {
      for (int64_t n : {1, 2, 5, 16, 19, 33, 64, 700}) {
        CAPTURE(n);
        const double eps = 0.1;  // large, so that a difference can follow rows of two
        const Tensor x = noise({2, 35, n}, dtype, uint64_t(n)) + 0.3, dy = noise({2, 35, n}, dtype, 42);
        for (const bool affine : {true, false}) {
          const Tensor weight = affine ? noise({n}, dtype, 5) : Tensor{},
                       bias = affine ? noise({n}, dtype, 6) : Tensor{};
          const Row w = affine ? numbers(weight) : Row(size_t(n), 1), b = affine ? numbers(bias) : Row(size_t(n), 0);
          const Row none(size_t(n), 0);
          const auto layer = [&](const Row& row) { return naive_norm(row, true, w, b, eps); };
          const auto rms = [&](const Row& row) { return naive_norm(row, false, w, none, eps); };
          const NormResult y = layer_norm(x, weight, bias, eps), z = rms_norm(x, weight, eps);
          check_rows(y.out, each_row(x, layer), tolerance_of(x) * 4);
          check_rows(z.out, each_row(x, rms), tolerance_of(x) * 4);
          CHECK(y.mean.shape() == Shape{2, 35});
          CHECK(z.rstd.shape() == Shape{2, 35});
          if (n > 100) continue;

          const double tolerance = dtype == DType::f32 ? 4e-5 : 1e-8;
          const NormGradients dl = layer_norm_backward(dy, x, y.mean, y.rstd, weight);
          const NormGradients dr = rms_norm_backward(dy, x, z.rstd, weight);
          check_rows(dl.dx, slopes(x, dy, layer), tolerance);
          check_rows(dr.dx, slopes(x, dy, rms), tolerance);
          const std::vector<Row> dys = rows_of(dy);
          const auto plain = [&](bool centred) {
            return each_row(x, [&](const Row& row) { return naive_norm(row, centred, Row(size_t(n), 1), none, eps); });
          };
          const std::vector<Row> layer_hat = plain(true), rms_hat = plain(false);
          Row dweight_layer(size_t(n), 0), dweight_rms(size_t(n), 0), dbias(size_t(n), 0);
          for (size_t r = 0; r < dys.size(); ++r) {
            for (size_t i = 0; i < size_t(n); ++i) {
              dweight_layer[i] += dys[r][i] * layer_hat[r][i];
              dweight_rms[i] += dys[r][i] * rms_hat[r][i];
              dbias[i] += dys[r][i];
            }
          }
          const double sum_tolerance = dtype == DType::f32 ? 1e-5 : 1e-13;
          check_rows(unsqueeze(dl.dweight, 0), {dweight_layer}, sum_tolerance);
          check_rows(unsqueeze(dl.dbias, 0), {dbias}, sum_tolerance);
          check_rows(unsqueeze(dr.dweight, 0), {dweight_rms}, sum_tolerance);
          CHECK(!dr.dbias.defined());
        }
      }
    }
  });
}

TEST_CASE("norms: what is not needed is left out, and views and empty inputs work") {
  const Tensor x = noise({6, 40}, DType::f32), dy = noise({6, 40}, DType::f32, 2), w = noise({40}, DType::f32, 3);
  const NormResult y = layer_norm(x, w);
  const NormGradients all = layer_norm_backward(dy, x, y.mean, y.rstd, w);
  const NormGradients only_dx = layer_norm_backward(dy, x, y.mean, y.rstd, w, {true, false, false});
  CHECK(identical(only_dx.dx, all.dx));
  CHECK(!only_dx.dweight.defined());
  CHECK(!only_dx.dbias.defined());
  const NormGradients no_dx = layer_norm_backward(dy, x, y.mean, y.rstd, w, {false, true, true});
  CHECK(!no_dx.dx.defined());
  CHECK(identical(no_dx.dweight, all.dweight));
  CHECK(identical(no_dx.dbias, all.dbias));

  const Tensor turned = transpose(x, 0, 1), stretched = expand(narrow(x, 0, 0, 1), {3, 40});
  CHECK(identical(layer_norm(turned).out, layer_norm(turned.contiguous()).out));
  CHECK(identical(rms_norm(stretched).out, rms_norm(stretched.clone()).out));
  CHECK(identical(layer_norm(x, slice(noise({80}, DType::f32, 4), 0, 0, 80, 2)).out,
                  layer_norm(x, slice(noise({80}, DType::f32, 4), 0, 0, 80, 2).clone()).out));
  CHECK(identical(
      layer_norm_backward(transpose(dy, 0, 1), turned, layer_norm(turned).mean, layer_norm(turned).rstd).dx,
      layer_norm_backward(transpose(dy, 0, 1).clone(), turned.clone(), layer_norm(turned).mean, layer_norm(turned).rstd)
          .dx));
  const Tensor nothing = empty({0, 5});
  const NormResult of_nothing = layer_norm(nothing, ones({5}));
  CHECK(of_nothing.out.shape() == Shape{0, 5});
  CHECK(identical(layer_norm_backward(nothing, nothing, of_nothing.mean, of_nothing.rstd, ones({5})).dweight,
                  zeros({5})));
}

TEST_CASE("layer_norm of f32 rows far from zero, with and without outliers, is exact to 1e-6") {
  under_every_isa([] {
    for (int64_t n : {8, 100, 256, 768, 5000}) {
      for (const double outlier : {0.0, 1e4, -3e5, 1e8}) {
        for (const int64_t place : {int64_t(0), n / 2}) {
          Tensor x = noise({3, n}, DType::f32, uint64_t(n)) + 1e6;
          if (outlier != 0) x.set({1, place}, 1e6 + outlier);
          const Row one(size_t(n), 1), none(size_t(n), 0);
          const auto layer = [&](const Row& row) { return naive_norm(row, true, one, none, 1e-5); };
          check_rows(layer_norm(x).out, each_row(x, layer), 1e-6);

          const NormResult y = layer_norm(x);
          const Tensor dy = noise({3, n}, DType::f32, 77), wide = x.to(DType::f64);
          const NormResult exact = layer_norm(wide);
          check_rows(layer_norm_backward(dy, x, y.mean, y.rstd).dx,
                     rows_of(layer_norm_backward(dy.to(DType::f64), wide, exact.mean, exact.rstd).dx), 2e-6);
        }
      }
    }
  });
}

TEST_CASE("cross entropy: every combination of weights, smoothing and ignored rows") {
  under_every_isa([] {
    for (const DType dtype : {DType::f32, DType::f64}) {
      for (int64_t classes : {1, 2, 9, 16, 65, 600}) {
        const Tensor x = noise({2, 3, classes}, dtype, uint64_t(classes)) * 2.0;
        const Tensor targets =
            reshape(tensor({0, double(classes - 1), -100, double(classes / 2), 0, -100}, DType::i64), {2, 3});
        const Row target = numbers(targets);
        for (const bool weighted : {false, true}) {
          for (const double smoothing : {0.0, 0.1, 1.0}) {
            const Tensor weights = weighted ? abs(noise({classes}, dtype, 4)) : Tensor{};
            const Row w = weighted ? numbers(weights) : Row(size_t(classes), 1);
            const CrossEntropyOptions options = {weights, smoothing};
            const CrossEntropyResult result = cross_entropy_rows(x, targets, options);
            const Tensor dlosses = noise({2, 3}, dtype, 9);
            const Tensor dx = cross_entropy_rows_backward(dlosses, x, targets, result.logsumexps, options);
            const Row losses = numbers(result.losses), scale = numbers(dlosses);
            const std::vector<Row> logits = rows_of(x), gradients = rows_of(dx);
            double weight = 0;
            std::vector<Row> wanted_gradients;
            for (size_t r = 0; r < 6; ++r) {
              const auto loss = [&](const Row& row) {
                return target[r] < 0 ? 0 : naive_loss(row, int64_t(target[r]), w, smoothing);
              };
              CHECK(std::abs(losses[r] - loss(logits[r])) <= tolerance_of(x) * 2 * std::max(1.0, losses[r]));
              if (target[r] >= 0) weight += w[size_t(target[r])];
              if (classes < 100)
                wanted_gradients.push_back(slope(logits[r], [&](const Row& row) { return scale[r] * loss(row); }));
            }
            CHECK(result.weight == doctest::Approx(weight));
            CHECK(result.losses.dtype() == dtype);
            if (classes < 100) check_rows(dx, wanted_gradients, dtype == DType::f32 ? 2e-6 : kSlope);
            for (double v : gradients[2]) CHECK(v == 0);
          }
        }
      }
    }
  });
}

TEST_CASE("cross entropy keeps its precision for huge logits and sure targets") {
  under_every_isa([] {
    const Tensor x = tensor({{1e4, 1e4 - 1, -1e4}, {30, 0, 0}, {-1e4, 1e4, 0}});
    const CrossEntropyResult r = cross_entropy_rows(x, tensor({1, 0, 0}, DType::i64));
    const Row losses = numbers(r.losses);
    CHECK(losses[0] == doctest::Approx(1 + std::log1p(std::exp(-1.0))).epsilon(1e-6));
    CHECK(losses[1] >= 0);
    CHECK(losses[1] < 1e-6);
    CHECK(losses[2] == 2e4);
    const std::vector<Row> dx =
        rows_of(cross_entropy_rows_backward(ones({3}), x, tensor({1, 0, 0}, DType::i64), r.logsumexps));
    CHECK(dx[0][0] == doctest::Approx(1 / (1 + std::exp(-1.0))).epsilon(1e-6));
    CHECK(dx[0][1] == doctest::Approx(-1 / (1 + std::exp(-1.0))).epsilon(1e-6));
    CHECK(dx[0][2] == 0);
    CHECK(dx[2] == Row{-1, 1, 0});
  });
  const Tensor none = empty({0, 4});
  CHECK(cross_entropy_rows(none, empty({0}, DType::i64)).weight == 0);
  const Tensor one = noise({4}, DType::f64);  // a single row without a batch
  CHECK(cross_entropy_rows(one, scalar(2, DType::i64)).losses.item() ==
        doctest::Approx(-naive_log_softmax(numbers(one))[2]));
}

TEST_CASE("a row's result has the same bits wherever it stands, whoever computes it, at every fused level") {
  const Isa before = active_isa();
  const int threads_before = threads();
  const Tensor x = noise({301, 263}, DType::f32), dy = noise({301, 263}, DType::f32, 2),
               w = noise({263}, DType::f32, 3);
  const Tensor targets = (abs(noise({301}, DType::f64, 4)) * 100.0).to(DType::i64), keep = x > -1.0;
  const auto everything = [&](const Tensor& a, const Tensor& da, const Tensor& t, const Tensor& mask) {
    const NormResult layer = layer_norm(a, w, w), rms = rms_norm(a, w);
    const NormGradients dl = layer_norm_backward(da, a, layer.mean, layer.rstd, w);
    const NormGradients dr = rms_norm_backward(da, a, rms.rstd, w);
    const CrossEntropyResult ce = cross_entropy_rows(a, t, {w, 0.1});
    return std::vector<Tensor>{softmax(a),
                               log_softmax(a),
                               softmax_backward(da, a),
                               log_softmax_backward(da, a),
                               masked_softmax(a, 0.3, mask),
                               layer.out,
                               layer.mean,
                               layer.rstd,
                               rms.out,
                               rms.rstd,
                               dl.dx,
                               dr.dx,
                               ce.losses,
                               ce.logsumexps,
                               cross_entropy_rows_backward(ce.losses, a, t, ce.logsumexps, {w, 0.1}),
                               dl.dweight,
                               dl.dbias,
                               dr.dweight,
                               masked_softmax(a, 0.3, mask, true)};
  };
  std::vector<Tensor> fused;
  for (const Isa isa : available_isas()) {
    set_isa(isa);
    CAPTURE(isa_name(isa));
    set_threads(1);
    const std::vector<Tensor> one = everything(x, dy, targets, keep);
    for (const int count : {2, 5}) {
      set_threads(count);
      const std::vector<Tensor> several = everything(x, dy, targets, keep);
      for (size_t i = 0; i < one.size(); ++i) CHECK(identical(one[i], several[i]));
    }
    const auto part = [](const Tensor& t) { return narrow(t, 0, 77, 3); };
    const std::vector<Tensor> alone = everything(part(x), part(dy), part(targets), part(keep));
    for (size_t i = 0; i + 4 < one.size(); ++i) CHECK(identical(part(one[i]).clone(), alone[i]));  // no sums over rows
    if (!kernels().fused) continue;
    if (fused.empty()) fused = one;
    for (size_t i = 0; i < one.size(); ++i) CHECK(identical(one[i], fused[i]));
  }
  set_isa(before);
  set_threads(threads_before);
}

TEST_CASE("errors of rows") {
  const Tensor x = zeros({2, 3});
  CHECK(message_of<IndexError>([&] { softmax(x, 2); }) ==
        "softmax: axis 2 of a tensor with 2 axes; it must lie in [-2, 2)");
  CHECK(message_of<DTypeError>([&] { softmax(arange(3)); }) ==
        "softmax: takes f32 or f64, got i64; convert with .to(DType::f32)");
  CHECK(message_of<ShapeError>([&] {
          softmax_backward(zeros({2, 4}), x);
        }) == "softmax_backward: dy [2, 4] f32 does not fit y [2, 3] f32");
  CHECK(message_of<DTypeError>([&] { masked_softmax(x, 1, x); }) ==
        "masked_softmax: the mask is f32; it must be bool, true = keep");
  CHECK(message_of<ShapeError>([&] {
          masked_softmax(x, 1, ones({4, 2, 3}, DType::boolean));
        }) == "masked_softmax: the mask [4, 2, 3] is larger than x [2, 3]");
  CHECK(message_of<ShapeError>([&] { masked_softmax(zeros({3}), 1, {}, true); }) ==
        "masked_softmax: causal needs x [..., queries, keys], got [3]");
  CHECK(message_of<ShapeError>([&] { layer_norm(x, ones({2})); }) ==
        "layer_norm: weight [2] does not fit x [2, 3]; it must be [3]");
  CHECK(message_of<DTypeError>([&] { rms_norm(x, ones({3}, DType::f64)); }) ==
        "rms_norm: weight is f64, x is f32; convert one with .to()");
  CHECK(message_of<ShapeError>([&] { layer_norm(scalar(1)); }) ==
        "layer_norm: x is a single number []; it needs at least one axis");
  CHECK(message_of<ValueError>([&] { layer_norm(x, {}, {}, -1); }) == "layer_norm: eps is -1; it must not be negative");
  CHECK(message_of<DTypeError>([&] { cross_entropy_rows(x, zeros({2})); }) ==
        "cross_entropy: targets are f32; they must be i64");
  CHECK(message_of<ShapeError>([&] { cross_entropy_rows(x, arange(3)); }) ==
        "cross_entropy: targets [3] do not fit logits [2, 3]; there must be one for each row, [2]");
  CHECK(message_of<IndexError>([&] {
          cross_entropy_rows(x, tensor({0, 3}, DType::i64));
        }) ==
        "cross_entropy: target 3 of row 1 lies outside the 3 classes of logits [2, 3] and is not ignore_index -100");
  CHECK(message_of<ValueError>([&] {
          cross_entropy_rows(x, arange(2), {{}, 1.5});
        }) == "cross_entropy: label_smoothing is 1.5; it must lie in [0, 1]");
}
