// Whole models against PyTorch's numbers: the encoder–decoder Transformer, and GPT with its loss, every gradient and
// ten steps of AdamW.
#include "autograd/tape.h"
#include "nn/gpt.h"
#include "nn/losses.h"
#include "nn/transformer.h"
#include "optim/adam.h"
#include "optim/clip.h"
#include "tests/golden_file.h"

using namespace fovea;

TEST_CASE("the Transformer equals PyTorch's numbers") {
  for (const DType dtype : {DType::f64, DType::f32}) {
    GoldenFile golden("transformer", dtype);
    Rng rng(1);
    nn::Transformer model({.source_vocab = 9, .target_vocab = 7, .layers = 2, .heads = 2, .dim = 16, .hidden = 32},
                          rng);
    golden.load_into(model);
    const nn::Mask keep = nn::Mask::keep(golden["source_keep"]);
    golden.check("memory", model.encode(golden["source"], keep).value());

    Tape tape;
    const Variable logits = model(golden["source"], golden["target"], keep);  // [B, T, V]
    golden.check("logits", logits.value());
    const Variable loss = nn::cross_entropy(logits, golden["labels"]);
    golden.check("loss", loss.value());
    tape.backward(loss);
    golden.check_parameters(model, "", ".grad");
    CHECK(golden.unused() == "");
  }
}

TEST_CASE("GPT equals PyTorch's numbers: logits, loss, gradients and ten steps of AdamW") {
  for (const DType dtype : {DType::f64, DType::f32}) {
    GoldenFile golden("gpt", dtype);
    Rng rng(1);
    nn::GPT model({.vocab = 11, .layers = 2, .heads = 2, .dim = 16, .context = 8}, rng);
    golden.load_into(model);
    const Tensor tokens = golden["tokens"], targets = golden["targets"];
    golden.check("logits", model(tokens).value());

    optim::AdamW optimizer(optim::decay_groups(model.parameters(), 0.1), {.beta2 = 0.99});
    std::vector<double> losses, norms;
    for (int step = 0; step < 10; ++step) {
      model.zero_grad();
      Tape tape;
      const Variable loss = nn::cross_entropy(model(tokens), targets);
      losses.push_back(loss.item());
      tape.backward(loss);
      if (step == 0) {
        golden.check("loss", loss.value());
        golden.check_parameters(model, "", ".grad");
      }
      norms.push_back(optim::clip_grad_norm(model.parameters(), 1.0));
      optimizer.step(1e-2);
    }
    golden.check("step_loss", from_vector(losses).to(dtype));
    golden.check("step_norm", from_vector(norms).to(dtype));
    golden.check_parameters(model, "", ".final");
    CHECK(golden.unused() == "");
  }
}

TEST_CASE("GPT with a tied head equals PyTorch's numbers") {
  for (const DType dtype : {DType::f64, DType::f32}) {
    GoldenFile golden("gpt_tied", dtype);
    Rng rng(1);
    nn::GPT model({.vocab = 11, .layers = 2, .heads = 2, .dim = 16, .context = 8, .tied = true}, rng);
    golden.load_into(model);
    Tape tape;
    const Variable logits = model(golden["tokens"]);
    golden.check("logits", logits.value());
    const Variable loss = nn::cross_entropy(logits, golden["targets"]);
    golden.check("loss", loss.value());
    tape.backward(loss);
    golden.check_parameters(model, "", ".grad");
    CHECK(golden.unused() == "");
  }
}
