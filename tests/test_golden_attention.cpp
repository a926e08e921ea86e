// Attention against PyTorch's numbers: every mask, and multi-head attention of both kinds.
#include "autograd/reduce.h"
#include "autograd/tape.h"
#include "nn/attention.h"
#include "tests/golden_file.h"

using namespace fovea;

namespace {

// Both forms: composed, with the weights, and in tiles.
void check_attention(GoldenFile& golden, const std::string& name, bool causal) {
  CAPTURE(name);
  const auto at = [&](const char* tensor) { return name + "." + tensor; };
  nn::Mask mask;
  if (golden.has(at("keep"))) mask = nn::Mask::keep(golden[at("keep")]);
  for (const bool in_tiles : {false, true}) {
    CAPTURE(in_tiles);
    Parameter q(golden[at("q")]), k(golden[at("k")]), v(golden[at("v")]), bias;
    if (golden.has(at("bias"))) bias = Parameter(golden[at("bias")]);
    if (in_tiles && golden.has(at("g_weights"))) continue;
    Tape tape;
    const nn::Attention a = in_tiles ? nn::Attention{nn::scaled_dot_product_attention(q, k, v, mask, bias), {}}
                                     : nn::attention_with_weights(q, k, v, mask, bias);
    golden.check(at("y"), a.output.value());
    if (!in_tiles && golden.has(at("weights"))) golden.check(at("weights"), a.weights.value());
    Variable total = sum(a.output * golden[at("g")]);
    if (golden.has(at("g_weights"))) total = total + sum(a.weights * golden[at("g_weights")]);
    tape.backward(total);
    golden.check(at("q.grad"), q.grad());
    golden.check(at("k.grad"), k.grad());
    golden.check(at("v.grad"), v.grad());
    if (bias.defined()) golden.check(at("bias.grad"), bias.grad());
    if (!causal) continue;  // the same by Mask::causal(), with the part of the mask that is not

    const Tape::Pause no_tape;
    nn::Mask by_name = nn::Mask::causal();
    if (name.find("padding") != std::string::npos)  // the last query sees every key that is no padding
      by_name = by_name & nn::Mask::keep(narrow(golden[at("keep")], -2, q.size(-2) - 1, 1));
    const Variable b = in_tiles ? nn::scaled_dot_product_attention(q, k, v, by_name, bias)
                                : nn::attention_with_weights(q, k, v, by_name, bias).output;
    CHECK(identical(a.output.value(), b.value()));
  }
}

void check_self(GoldenFile& golden, const std::string& name, nn::Mask mask) {
  CAPTURE(name);
  Rng rng(1);
  nn::MultiHeadAttention mha({.dim = 8, .heads = 2}, rng);
  golden.load_into(mha, name + ".");
  if (golden.has(name + ".keep")) mask = mask & nn::Mask::keep(golden[name + ".keep"]);
  for (const bool weights : {true, false}) {
    Parameter x(golden[name + ".x"]);
    mha.zero_grad();
    Tape tape;
    const nn::Attention a =
        weights ? mha.attend_with_weights(x, mha.keys_and_values(x, x), mask) : nn::Attention{mha(x, mask), {}};
    golden.check(name + ".y", a.output.value());
    if (weights) golden.check(name + ".weights", a.weights.value());
    tape.backward(a.output, golden[name + ".g"]);
    golden.check(name + ".x.grad", x.grad());
    golden.check_parameters(mha, name + ".", ".grad");
  }
}

void check_cross(GoldenFile& golden, const std::string& name) {
  CAPTURE(name);
  Rng rng(1);
  nn::MultiHeadAttention mha({.dim = 8, .heads = 2, .key_dim = 6, .value_dim = 10}, rng);
  golden.load_into(mha, name + ".");
  nn::Mask mask;
  if (golden.has(name + ".keep")) mask = nn::Mask::keep(golden[name + ".keep"]);
  for (const bool weights : {true, false}) {
    Parameter query(golden[name + ".query"]), key(golden[name + ".key"]), value(golden[name + ".value"]);
    mha.zero_grad();
    Tape tape;
    const nn::Attention a = weights ? mha.attend_with_weights(query, mha.keys_and_values(key, value), mask)
                                    : nn::Attention{mha(query, key, value, mask), {}};
    golden.check(name + ".y", a.output.value());
    if (weights) golden.check(name + ".weights", a.weights.value());
    tape.backward(a.output, golden[name + ".g"]);
    golden.check(name + ".query.grad", query.grad());
    golden.check(name + ".key.grad", key.grad());
    golden.check(name + ".value.grad", value.grad());
    golden.check_parameters(mha, name + ".", ".grad");
  }
}

}  // namespace

TEST_CASE("scaled dot-product attention equals PyTorch's numbers under every mask") {
  for (const DType dtype : {DType::f64, DType::f32}) {
    GoldenFile golden("attention", dtype);
    for (const char* name : {"none", "weights", "padding", "bias", "row_hidden", "batch_hidden", "saturated", "long"})
      check_attention(golden, name, false);
    for (const char* name : {"causal", "causal_padding", "bias_causal_padding", "long_causal"})
      check_attention(golden, name, true);
    CHECK(golden.unused() == "");
  }
}

TEST_CASE("multi-head attention equals PyTorch's numbers") {
  for (const DType dtype : {DType::f64, DType::f32}) {
    GoldenFile golden("mha", dtype);
    check_self(golden, "self", {});
    check_self(golden, "self_causal", nn::Mask::causal());
    check_self(golden, "self_padding", {});
    check_self(golden, "self_causal_padding", nn::Mask::causal());
    check_cross(golden, "cross");
    check_cross(golden, "cross_padding");
    CHECK(golden.unused() == "");
  }
}
