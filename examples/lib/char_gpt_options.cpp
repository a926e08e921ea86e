#include "examples/lib/char_gpt_options.h"

#include "nn/positions.h"

namespace fovea::lib {
namespace {

std::vector<std::string> position_names() {
  std::vector<std::string> names;
  for (const nn::Positions positions : nn::all_positions) names.push_back(nn::name(positions));
  return names;
}

}  // namespace

Args declare_flags(CharGptOptions& o) {
  Args args("char_gpt", "Trains a small GPT on the characters of a text, and writes text with it.");
  args.group("Text", {{"--text FILE...", &o.text, "UTF-8 files to learn from (default: fovea's own sources)"}});
  args.group("Model",
             {{"--layers N", &o.layers, "Transformer blocks", {.at_least = 1}},
              {"--heads N", &o.heads, "attention heads in each; must divide --dim", {.at_least = 1}},
              {"--dim N", &o.dim, "width of the model", {.at_least = 1}},
              {"--context N", &o.context, "characters it looks back on", {.at_least = 1}},
              {"--positions NAME", &o.positions, "how it knows where a character stands", {.one_of = position_names()}},
              {"--dropout P", &o.dropout, "share of values dropped in training", {.at_least = 0, .below = 1}}});
  args.group("Training",
             {{"--batch N", &o.batch, "blocks of text in a step", {.at_least = 1}},
              {"--steps N", &o.steps, "steps of the optimiser", {.at_least = 0}},
              {"--lr X", &o.lr, "highest learning rate", {.above = 0}},
              {"--min-lr X", &o.min_lr, "learning rate at the end, reached along a cosine", {.at_least = 0}},
              {"--warmup N", &o.warmup, "steps over which the learning rate rises", {.at_least = 0}},
              {"--weight-decay X", &o.weight_decay, "of the matrices (AdamW)", {.at_least = 0}},
              {"--beta2 X", &o.beta2, "memory of the squared gradient (AdamW)", {.at_least = 0, .below = 1}},
              {"--clip X", &o.clip, "largest norm of the gradient; 0: no limit", {.at_least = 0}},
              {"--seed N", &o.seed, "of the weights, the batches, dropout and sampling", {.at_least = 0}},
              {"--threads N", &o.threads, "0: all cores", {.at_least = 0, .at_most = 1024}}});
  args.group("The run",
             {{"--out DIR", &o.out, "where checkpoint and logs go"},
              {"--eval-every N", &o.eval_every, "steps between evaluations and checkpoints", {.at_least = 1}},
              {"--eval-batches N", &o.eval_batches, "validation batches; 0: the whole part", {.at_least = 0}},
              {"--resume", &o.resume, "go on from the checkpoint in --out, with its settings"},
              {"--profile", &o.profile, "measure each operation, and say at the end what limits the run"}});
  args.group(
      "Writing text",
      {{"--generate", &o.generate, "write with the model in --out instead of training"},
       {"--prompt TEXT", &o.prompt, "what it goes on from"},
       {"--tokens N", &o.tokens, "characters to write", {.at_least = 0}},
       {"--temperature X", &o.temperature, "below 1 safer, above 1 wilder, 0 always the likeliest", {.at_least = 0}},
       {"--top-k N", &o.top_k, "choose among the N likeliest only; 0: all", {.at_least = 0}},
       {"--top-p P", &o.top_p, "choose among the likeliest that hold this share", {.above = 0, .at_most = 1}}});
  return args;
}

}  // namespace fovea::lib
