// What every module can do by its visit(): paths, copies, state, files, modes, the summary; and for every model that
// visit() forgets no member.
#include <doctest/doctest.h>

#include <functional>
#include <set>

#include "autograd/elementwise.h"
#include "autograd/reduce.h"
#include "autograd/tape.h"
#include "nn/gpt.h"
#include "nn/losses.h"
#include "nn/recurrent.h"
#include "nn/scores.h"
#include "nn/seq2seq.h"
#include "nn/sequential.h"
#include "nn/transformer.h"
#include "tensor/reduce.h"
#include "tests/temporary_folder.h"

using namespace fovea;
using nn::Activation;

namespace {

std::vector<std::string> paths_of(nn::Module& module) {
  std::vector<std::string> paths;
  for (const NamedParameter& p : module.parameters()) paths.push_back(p.name);
  return paths;
}

// The shapes of the leaves on a tape: every parameter that took part, listed by its module or not.
std::multiset<std::string> leaf_shapes(const Tape& tape) {
  std::multiset<std::string> shapes;
  for (size_t i = 0; i < tape.size(); ++i) {
    if (std::string(tape.node(i).name) != "leaf") continue;
    std::ostringstream text;
    text << tape.node(i).shape;
    shapes.insert(text.str());
  }
  return shapes;
}

// After a backward every listed parameter has a live gradient, and no leaf took part that is not listed.
void check_complete(nn::Module& module, const std::function<Variable()>& forward) {
  module.to(DType::f64);
  std::multiset<std::string> listed;
  for (const auto& [path, p] : module.parameters()) {
    std::ostringstream text;
    text << p->shape();
    listed.insert(text.str());
  }
  Tape tape;
  const Variable loss = forward();
  CHECK(leaf_shapes(tape) == listed);
  tape.backward(loss);
  for (const NamedParameter& named : module.parameters()) {
    CAPTURE(named.name);
    const Parameter* p = named.parameter;
    REQUIRE(p->has_grad());
    CHECK(all(is_finite(p->grad())).item() == 1);
    const double largest = max(abs(p->grad())).item();
    if (named.name.ends_with("key.bias"))
      CHECK(largest < 1e-12);  // softmax does not see that all scores of a row shift: 0 but for rounding
    else
      CHECK(largest > 1e-7);
  }
}

// A loss that no symmetry makes blind: each element counts with a weight of its own.
Variable weighted_sum(const Variable& y) {
  Rng rng(99);
  return sum(y * randn(y.shape(), rng, y.dtype()));
}

nn::GPT small_gpt(bool tied = false, bool bias = true) {
  Rng rng(1);
  return nn::GPT({.vocab = 11, .layers = 2, .heads = 2, .dim = 8, .context = 6, .bias = bias, .tied = tied}, rng);
}

Tensor some_tokens(int64_t batch, int64_t time, int64_t vocab) {
  Rng rng(5);
  return randint(0, vocab, {batch, time}, rng);
}

// A layer whose visit() forgets the bias.
struct Forgetful : nn::Module {
  Parameter weight{ones({2, 3})}, bias{zeros({3})};
  Variable operator()(const Variable& x) const { return matmul(x, weight) + bias; }
  void visit(nn::Visitor& v) override { v("weight", weight); }
};

}  // namespace

TEST_CASE("parameters have the paths of their members, in order") {
  nn::GPT model = small_gpt(false, false);
  const std::vector<std::string> paths = paths_of(model);
  CHECK(paths.size() == 2 + 2 * 10 + 2 + 1);
  CHECK(paths[0] == "token_embedding.weight");
  CHECK(paths[1] == "position_embedding.weight");
  CHECK(paths[2] == "blocks.0.attention_norm.weight");
  CHECK(paths[4] == "blocks.0.attention.query.weight");
  CHECK(paths.back() == "head.weight");
  CHECK(std::set(paths.begin(), paths.end()).size() == paths.size());
  CHECK(paths_of(*std::make_unique<nn::GPT>(small_gpt(true, false))).back() == "norm.bias");

  Rng rng(1);
  nn::GPT reference({.vocab = 65, .layers = 4, .heads = 4, .dim = 128, .context = 64}, rng);
  CHECK(reference.parameter_count() == 813568);
}

TEST_CASE("a module copies as a value and moves with its parameters") {
  nn::GPT model = small_gpt();
  const Tensor tokens = some_tokens(2, 5, 11);
  const Tensor before = model(tokens).value();
  nn::GPT copy = model;
  CHECK(identical(copy(tokens).value(), before));
  for (const auto& [path, p] : copy.parameters()) p->value().fill_(0.5);
  CHECK(identical(model(tokens).value(), before));
  CHECK(max_abs_difference(copy(tokens).value(), before) > 1e-3);
  copy = model;
  CHECK(identical(copy(tokens).value(), before));

  const Storage storage = model.blocks[1].attention.query.weight.value().storage();
  nn::GPT moved = std::move(model);
  CHECK(identical(moved(tokens).value(), before));
  CHECK(moved.blocks[1].attention.query.weight.value().storage() == storage);
}

TEST_CASE("visit() of every model names each of its parameters, and each has a live gradient") {
  SUBCASE("GPT") {
    for (const bool tied : {false, true}) {
      nn::GPT model = small_gpt(tied);
      for (const auto& [path, p] : model.parameters()) p->value() = p->value() * 10.0;  // large enough to be seen
      const Tensor tokens = some_tokens(3, 6, 11);
      check_complete(model, [&] { return weighted_sum(model(tokens)); });
    }
  }
  SUBCASE("GPT with dropout") {
    Rng rng(1);
    nn::GPT model({.vocab = 11, .layers = 2, .heads = 2, .dim = 8, .context = 6, .dropout = 0.1}, rng);
    const Tensor tokens = some_tokens(3, 6, 11);
    check_complete(model, [&] { return nn::cross_entropy(model(tokens), some_tokens(3, 6, 11)); });
  }
  SUBCASE("Transformer") {
    for (const bool norm_first : {false, true}) {
      Rng rng(1);
      nn::Transformer model({.source_vocab = 9,
                             .target_vocab = 7,
                             .layers = 2,
                             .heads = 2,
                             .dim = 8,
                             .activation = Activation::gelu,
                             .norm_first = norm_first},
                            rng);
      check_complete(model, [&] { return weighted_sum(model(some_tokens(2, 4, 9), some_tokens(2, 5, 7))); });
    }
  }
  SUBCASE("recurrent layers") {
    for (const nn::Recurrence kind :
         {nn::Recurrence::tanh, nn::Recurrence::relu, nn::Recurrence::gru, nn::Recurrence::lstm}) {
      Rng rng(1);
      nn::Recurrent net({.kind = kind, .in = 6, .hidden = 5, .layers = 2, .bidirectional = true}, rng);
      const Variable x = randn({3, 4, 6}, rng, DType::f64);
      check_complete(net, [&] { return weighted_sum(net(x, from_vector<int64_t>({2, 4, 3})).output); });
    }
  }
  SUBCASE("sequence to sequence") {
    for (const nn::Context context : {nn::Context::initial, nn::Context::every_step, nn::Context::attention}) {
      for (const nn::Looking looking : {nn::Looking::before, nn::Looking::after}) {
        Rng rng(1);
        nn::Seq2Seq model({.source_vocab = 9,
                           .target_vocab = 7,
                           .embedding = 4,
                           .hidden = 5,
                           .kind = nn::Recurrence::lstm,
                           .context = context,
                           .looking = looking},
                          rng);
        check_complete(model, [&] { return weighted_sum(model(some_tokens(3, 6, 9), some_tokens(3, 5, 7)).logits); });
      }
    }
  }
  SUBCASE("layers by themselves") {
    Rng rng(1);
    const Variable x = randn({2, 4, 6}, rng, DType::f64);
    nn::RMSNorm rms(6);
    check_complete(rms, [&] { return weighted_sum(rms(x)); });
    nn::Sequential net(nn::Linear(6, 5, rng), Activation::silu, nn::Linear(5, 2, rng), nn::LayerNorm(2));
    check_complete(net, [&] { return weighted_sum(net(x)); });
    nn::MultiHeadAttention cross({.dim = 6, .heads = 3, .key_dim = 4, .value_dim = 5}, rng);
    const Variable key = randn({2, 7, 4}, rng, DType::f64), value = randn({2, 7, 5}, rng, DType::f64);
    check_complete(cross, [&] { return weighted_sum(cross(x, key, value)); });
  }
  SUBCASE("scores") {
    Rng rng(1);
    const Variable q = randn({2, 4, 3}, rng, DType::f64), k = randn({2, 7, 5}, rng, DType::f64);
    for (const nn::ScoreKind kind : {nn::ScoreKind::general, nn::ScoreKind::additive, nn::ScoreKind::concat}) {
      nn::Score score({.kind = kind, .query_dim = 3, .key_dim = 5, .hidden = 4}, rng);
      check_complete(score, [&] { return weighted_sum(score(q, k)); });
    }
    for (const nn::ScoreKind kind : {nn::ScoreKind::cosine, nn::ScoreKind::gaussian}) {
      nn::Score score({.kind = kind, .learned = true}, rng);
      check_complete(score, [&] { return weighted_sum(score(q, narrow(k, -1, 0, 3))); });
    }
  }
  SUBCASE("a forgotten member shows") {
    Forgetful layer;
    Tape tape;
    const Variable loss = sum(layer(ones({4, 2})));
    CHECK(leaf_shapes(tape).size() == 2);
    CHECK(layer.parameters().size() == 1);
  }
}

TEST_CASE("state saves and loads by path; what does not fit is listed and changes nothing") {
  nn::GPT model = small_gpt();
  const Tensor tokens = some_tokens(2, 5, 11);
  const TemporaryFolder folder;
  model.save(folder / "gpt.safetensors");
  Rng rng(2);
  nn::GPT other({.vocab = 11, .layers = 2, .heads = 2, .dim = 8, .context = 6, .bias = true}, rng);
  CHECK(!identical(other(tokens).value(), model(tokens).value()));
  other.load(folder / "gpt.safetensors");
  CHECK(identical(other(tokens).value(), model(tokens).value()));

  auto state = model.state();
  std::map<std::string, Tensor> wrong = state;
  wrong.erase("norm.bias");
  wrong["head.scale"] = ones({3});
  wrong["blocks.0.attention.query.weight"] = ones({8, 4});
  wrong["norm.weight"] = full({8}, 7);
  CHECK_THROWS_WITH_AS(other.load_state(wrong),
                       "load_state: the names and shapes given are not the model's:\n"
                       "  blocks.0.attention.query.weight: the model has [8, 8], given is [8, 4]\n"
                       "  missing: norm.bias [8]\n"
                       "  surplus: head.scale [3]",
                       ValueError);
  CHECK(identical(other(tokens).value(), model(tokens).value()));
}

TEST_CASE("an error says where in the model it arose") {
  nn::GPT model = small_gpt();
  model.blocks[1].attention.query.weight = Parameter(ones({9, 8}));
  CHECK_THROWS_WITH_AS(
      model(some_tokens(2, 5, 11)),
      "matmul: inner sizes differ: a [2, 5, 8] has 8, b [9, 8] has 9 (in model.blocks.1.attention.query)", ShapeError);
  CHECK_THROWS_WITH_AS(model(some_tokens(2, 7, 11)), doctest::Contains("(in model.position_embedding)"), ShapeError);
  CHECK_THROWS_WITH_AS(model(full({1, 2}, 11, DType::i64)), doctest::Contains("(in model.token_embedding)"),
                       IndexError);

  Rng rng(1);
  nn::Sequential net(nn::Linear(2, 3, rng), nn::Linear(4, 1, rng));
  CHECK_THROWS_WITH_AS(net(ones({5, 2})), doctest::Contains("(in model.1)"), ShapeError);
}

TEST_CASE("train, eval and dtype reach every member") {
  Rng rng(1);
  nn::GPT model({.vocab = 11, .layers = 2, .heads = 2, .dim = 8, .context = 6, .dropout = 0.5}, rng);
  const Tensor tokens = some_tokens(2, 5, 11);
  CHECK(!identical(model(tokens).value(), model(tokens).value()));
  model.eval();
  CHECK(!model.blocks[1].attention.dropout.training);
  CHECK(identical(model(tokens).value(), model(tokens).value()));
  const Tensor single = model(tokens).value();
  model.train();
  CHECK(!identical(model(tokens).value(), single));
  model.eval();

  model.to(DType::f64);
  const Tensor twice = model(tokens).value();
  CHECK(twice.dtype() == DType::f64);
  CHECK(max_abs_difference(twice, single.to(DType::f64)) < 1e-6);
}

TEST_CASE("the summary lists paths, shapes, parameters and bytes") {
  Rng rng(1);
  nn::Sequential net(nn::Linear(20, 100, rng), Activation::relu, nn::Linear(100, 3, rng));
  std::ostringstream out;
  nn::print_summary(net, out);
  CHECK(out.str() ==
        "path      shape      parameters  bytes\n"
        "--------------------------------------\n"
        "0.weight  [20, 100]       2,000  8,000\n"
        "0.bias    [100]             100    400\n"
        "2.weight  [100, 3]          300  1,200\n"
        "2.bias    [3]                 3     12\n"
        "--------------------------------------\n"
        "total                     2,403  9,612\n");
}
