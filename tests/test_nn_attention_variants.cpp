// The variants of attention: a sliding window, heads that share keys and values, normed queries and keys.
#include <doctest/doctest.h>

#include "autograd/gradcheck.h"
#include "nn/attention.h"
#include "tensor/indexing.h"
#include "tensor/reduce.h"
#include "tensor/rows.h"

using namespace fovea;
using nn::Mask;

namespace {

Tensor random_f64(const Shape& shape, uint64_t seed) {
  Rng rng(seed);
  return randn(shape, rng, DType::f64);
}

}  // namespace

TEST_CASE("a window lets a query see what is less than its size away, in any combination with other masks") {
  Rng rng(1);
  const Tensor keep = bernoulli(0.7, {2, 1, 5, 7}, rng);
  for (const int64_t size : {1, 2, 3, 6, 7, 50}) {
    for (const bool causal : {false, true}) {
      for (const bool kept : {false, true}) {
        Mask mask = Mask::window(50) & Mask::window(size);  // the narrower one holds
        if (causal) mask = Mask::causal() & mask;
        if (kept) mask = mask & Mask::keep(keep);
        CHECK(!mask.keeps_all());
        const Tensor all = mask.as_tensor(5, 7);
        for (int64_t i = 0; i < 5; ++i) {
          for (int64_t j = 0; j < 7; ++j) {
            const int64_t distance = 2 + i - j;  // the last query stands at the last key
            const bool seen =
                std::abs(distance) < size && !(causal && distance < 0) && !(kept && keep.at({1, 0, i, j}) == 0);
            CHECK((!all.defined() || all.at(kept ? Shape{1, 0, i, j} : Shape{i, j}) != 0) == seen);
          }
        }
      }
    }
  }
  // In attention the window is the same as its tensor, in tiles and with the weights.
  const Tensor q = random_f64({2, 3, 5, 4}, 1), k = random_f64({2, 3, 7, 4}, 2), v = random_f64({2, 3, 7, 4}, 3);
  const Mask window = Mask::causal() & Mask::window(3), tensor = Mask::keep(window.as_tensor(5, 7));
  CHECK(identical(nn::scaled_dot_product_attention(q, k, v, window).value(),
                  nn::scaled_dot_product_attention(q, k, v, tensor).value()));
  CHECK(identical(nn::attention_with_weights(q, k, v, window).weights.value(),
                  nn::attention_with_weights(q, k, v, tensor).weights.value()));

  Rng weights(1);
  nn::MultiHeadAttention attention({.dim = 8, .heads = 2}, weights);
  attention.to(DType::f64);
  const Tensor x = random_f64({2, 9, 8}, 1);
  const Tensor by_mask = attention(x, Mask::causal() & Mask::window(4)).value();
  attention.window = 4;
  CHECK(identical(attention(x, Mask::causal()).value(), by_mask));
  nn::KeyValueCache cache;  // a step sees the last four, its own place included
  for (int64_t t = 0; t < 9; ++t) {
    const Tensor step = attention(narrow(x, 1, t, 1), Mask::causal(), &cache).value();
    CHECK(max_abs_difference(step, narrow(by_mask, 1, t, 1)) < 1e-14);
  }
}

TEST_CASE("grouped queries: heads that share keys and values equal heads that have copies of them") {
  const Tensor x = random_f64({2, 5, 12}, 1);
  for (const int64_t groups : {1, 2, 3, 6}) {
    CAPTURE(groups);
    Rng rng(1), same_rng(1);
    nn::MultiHeadAttention grouped({.dim = 12, .heads = 6, .key_value_heads = groups}, rng);
    nn::MultiHeadAttention full({.dim = 12, .heads = 6}, same_rng);
    CHECK(grouped.key.weight.shape() == Shape{12, 2 * groups});
    CHECK(grouped.parameter_count() == full.parameter_count() - 2 * (12 + 1) * 2 * (6 - groups));
    for (const auto& [path, p] : grouped.parameters()) p->value() = random_f64(p->shape(), 3 + path.size());
    auto state = grouped.state();
    for (const std::string name : {"key.weight", "key.bias", "value.weight", "value.bias"}) {
      std::vector<Tensor> copies;
      for (int64_t h = 0; h < 6; ++h) copies.push_back(narrow(state.at(name), -1, h * groups / 6 * 2, 2));
      state[name] = cat(copies, -1);
    }
    full.to(DType::f64);
    full.load_state(state);
    for (const Mask& mask : {Mask(), Mask::causal() & Mask::window(3)}) {
      CHECK(identical(grouped(x, mask).value(), full(x, mask).value()));
      const nn::Attention a = grouped.attend_with_weights(x, grouped.keys_and_values(x, x), mask);
      CHECK(a.weights.shape() == Shape{2, 6, 5, 5});
      CHECK(max_abs_difference(a.output.value(), full(x, mask).value()) < 1e-14);
    }
    CHECK(grouped.keys_and_values(x, x).keys.shape() == Shape{2, groups, 5, 2});  // what a cache holds
    CHECK(grouped.keys_and_values(x, x).values.shape() == Shape{2, groups, 5, 2});
  }
}

TEST_CASE("QK-norm: each query and key has its channels' mean square set to 1, then scaled as learned") {
  Rng rng(1);
  nn::MultiHeadAttention attention({.dim = 8, .heads = 2, .key_value_heads = 1, .qk_norm = true}, rng);
  attention.to(DType::f64);
  attention.query_norm->weight.value() = random_f64({4}, 1);
  attention.key_norm->weight.value() = random_f64({4}, 2);
  const Tensor x = random_f64({1, 5, 8}, 3);
  const auto normed = [](const Tensor& rows, const Tensor& scale) {  // [T, d]
    return rows / sqrt(mean(rows * rows, {1}, true) + 1e-5) * scale;
  };
  const auto columns = [&](const nn::Linear& projection, int64_t start) {  // of a head: [T, d]
    return narrow(select(projection(x).value(), 0, 0), 1, start, 4);
  };
  const Tensor k = normed(columns(attention.key, 0), attention.key_norm->weight.value());
  std::vector<Tensor> heads;
  for (const int64_t start : {0, 4}) {
    const Tensor q = normed(columns(attention.query, start), attention.query_norm->weight.value());
    heads.push_back(matmul(softmax(matmul(q, transpose(k)) / 2.0, -1), columns(attention.value, 0)));  // √d = 2
  }
  const Tensor expected = attention.output(unsqueeze(cat(heads, 1), 0)).value();
  CHECK(max_abs_difference(attention(x).value(), expected) < 1e-14);

  attention.query.weight.value().mul_(1000);  // scores do not grow with the projections
  attention.key.weight.value().mul_(1000);
  CHECK(max_abs_difference(attention(x).value(), expected) < 1e-3);
}

TEST_CASE("every variant of attention: gradients against differences, along random directions") {
  for (const bool qk_norm : {false, true}) {
    Rng rng(1);
    nn::MultiHeadAttention attention(
        {.dim = 8, .heads = 4, .key_value_heads = 2, .qk_norm = qk_norm, .window = 3, .positions = nn::Positions::rope},
        rng);
    attention.to(DType::f64);
    Parameter x(random_f64({2, 5, 8}, 1)), bias(random_f64({4, 5, 5}, 2));
    std::vector<NamedParameter> parameters = attention.parameters();
    parameters.push_back({"x", &x});
    const Mask mask = Mask::causal() & Mask::keep_keys(equal(tensor({{1, 0, 1, 1, 1}, {1, 1, 1, 1, 0}}), 1.0));
    const GradcheckOptions options{.full_outputs = 0, .full_inputs = 0};
    const GradcheckReport in_tiles = gradcheck(
        parameters, [&] { return attention(x, mask); }, options);
    CHECK_MESSAGE(in_tiles.ok, in_tiles);
    parameters.push_back({"bias", &bias});
    const GradcheckReport composed = gradcheck(
        parameters, [&] { return attention(x, mask, nullptr, bias); }, options);
    CHECK_MESSAGE(composed.ok, composed);
  }
}
