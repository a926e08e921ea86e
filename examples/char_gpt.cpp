// The main job: a GPT over the characters of a text, trained from nothing on a CPU.
//
//   char_gpt                                      train on fovea's own sources
//   char_gpt --text book.txt --steps 5000         train on a text
//   char_gpt --out DIR --resume                   go on after Ctrl-C or a crash: the same bits as without
//   char_gpt --out DIR --generate --prompt "The " write
//
// Exit codes: 0 done, 1 an error, 2 a mistake in the command line, 3 the loss became NaN, 130 interrupted.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <iostream>
#include <sstream>

#include "autograd/losses.h"
#include "autograd/profile.h"
#include "autograd/tape.h"
#include "examples/lib/char_data.h"
#include "examples/lib/char_gpt_options.h"
#include "examples/lib/checkpoint.h"
#include "examples/lib/format.h"
#include "examples/lib/interrupt.h"
#include "examples/lib/own_text.h"
#include "examples/lib/progress.h"
#include "examples/lib/run_log.h"
#include "examples/lib/sampling.h"
#include "examples/lib/text_file.h"
#include "examples/lib/utf8.h"
#include "nn/gpt.h"
#include "optim/adam.h"
#include "optim/clip.h"
#include "optim/schedule.h"
#include "tensor/checksum.h"
#include "tensor/cpu.h"
#include "tensor/dispatch.h"
#include "tensor/file.h"
#include "tensor/machine.h"
#include "tensor/parallel.h"

using namespace fovea;
using namespace fovea::lib;

namespace {

constexpr int kNanExit = 3;

std::string checkpoint_path(const CharGptOptions& o) { return o.out + "/checkpoint.safetensors"; }

nn::GPTConfig model_config(const CharGptOptions& o, int64_t vocab) {
  const auto positions = std::find_if(nn::all_positions.begin(), nn::all_positions.end(),
                                      [&](nn::Positions p) { return nn::name(p) == o.positions; });
  return {.vocab = vocab,
          .layers = o.layers,
          .heads = o.heads,
          .dim = o.dim,
          .context = o.context,
          .dropout = o.dropout,
          .positions = *positions};
}

// --- writing text ----------------------------------------------------------------------------------------------

// Goes on from the prompt, character by character, each shown as soon as it is chosen.
void write_text(const nn::GPT& model, const Vocabulary& vocabulary, std::u32string prompt, const CharGptOptions& o,
                Rng rng, std::ostream& out) {
  if (prompt.empty()) prompt = vocabulary.contains(U'\n') ? U'\n' : vocabulary.character(0);
  std::vector<int64_t> text = vocabulary.encode(prompt, "--prompt");
  nn::GPT::Cache cache;
  Variable logits;
  // A full cache starts again from the last half of what it can hold.
  const auto read_last = [&](int64_t count) {
    cache.clear();
    const std::vector<int64_t> last(text.end() - std::min(count, int64_t(text.size())), text.end());
    logits = model.next(from_vector(last, {1, int64_t(last.size())}), cache);  // [1, V]
  };
  read_last(model.context());
  out << encode_utf8(prompt) << std::flush;
  for (int64_t i = 0; i < o.tokens; ++i) {
    const int64_t token = sample_token(reshape(logits.value(), {-1}), {o.temperature, o.top_k, o.top_p}, rng);
    text.push_back(token);
    out << encode_utf8(std::u32string(1, vocabulary.character(token))) << std::flush;
    if (cache.length() == model.context())
      read_last(std::max<int64_t>(model.context() / 2, 1));
    else
      logits = model.next(from_vector(std::vector<int64_t>{token}, {1, 1}), cache);
  }
  out << '\n';
}

int generate(const CharGptOptions& o, const CharGptOptions& trained_with, const Checkpoint& checkpoint) {
  const Vocabulary vocabulary(checkpoint.characters);
  const std::u32string prompt = decode_utf8(o.prompt, "--prompt");
  Rng rng(uint64_t(o.seed));
  nn::GPT model(model_config(trained_with, vocabulary.size()), rng);
  model.load_state(checkpoint.model);
  model.eval();
  write_text(model, vocabulary, prompt, o, rng.stream("sampling"), std::cout);
  return 0;
}

// --- training --------------------------------------------------------------------------------------------------

class Training {
 public:
  Training(const CharGptOptions& options, const Args& args, const std::u32string& text);
  void describe();
  void resume(const Checkpoint& checkpoint);
  int run();

 private:
  struct StepResult {
    double loss, norm;
    bool finite() const { return std::isfinite(loss) && std::isfinite(norm); }
  };
  StepResult forward_and_backward(int64_t step, const Batch& batch, TapeOptions tape_options = {});
  Batch next_batch();
  double validation_loss();
  void evaluate(int64_t step);
  void save(int64_t step);
  std::string progress_text(int64_t step, const StepResult& result) const;
  int stop_at_nan(int64_t step, const Batch& batch, const RngLog& draws);
  int stop_interrupted(int64_t step);
  void finish();
  Profile* profile() { return profile_ ? &*profile_ : nullptr; }
  double tokens_per_second(int64_t step) const { return double((step - start_) * o_.batch * o_.context) / seconds(); }
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count(); }

  const CharGptOptions& o_;
  const Args& args_;
  uint64_t text_checksum_;
  CharData data_;
  Rng rng_, batches_;
  nn::GPT model_;
  std::vector<NamedParameter> parameters_;
  optim::AdamW optimiser_;
  optim::WarmupCosine schedule_;
  Progress progress_;
  std::optional<RunLog> log_;
  std::optional<Profile> profile_;
  int64_t start_ = 0;  // the step that this run begins with; not 0 if it is resumed
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  double loss_sum_ = 0;  // since the latest evaluation
  int64_t loss_count_ = 0;
  double gradient_norm_ = 0;  // of the latest step
};

Training::Training(const CharGptOptions& options, const Args& args, const std::u32string& text)
    : o_(options),
      args_(args),
      text_checksum_(checksum(std::as_bytes(std::span(text.data(), text.size())))),
      data_(text, options.context),
      rng_(uint64_t(options.seed)),
      batches_(rng_.stream("batches")),
      model_(model_config(options, data_.vocabulary().size()), rng_),
      parameters_(model_.parameters()),
      optimiser_(optim::decay_groups(parameters_, options.weight_decay), {.beta2 = options.beta2}),
      schedule_{.lr = options.lr, .min_lr = options.min_lr, .warmup = options.warmup, .steps = options.steps},
      progress_({.total = options.steps, .plain_every = std::max<int64_t>(options.eval_every / 5, 1)}) {}

void Training::describe() {
  const int64_t vocab = data_.vocabulary().size(), total = model_.parameter_count();
  const int64_t looked_up = model_.token_embedding.weight.count() + model_.position_embedding.parameter_count();
  // Each weight of a product costs 2 operations forward and 4 backward; so do the scores and the weighted values.
  const int64_t operations = 6 * (total - looked_up) + 12 * o_.layers * o_.dim * o_.context;
  std::cout << cpu_name() << ", " << isa_name(active_isa()) << " kernels"
            << (missing_isa().empty() ? "" : " (this build has none for " + missing_isa() + ": make LEVELS=all)")
            << ", " << threads() << (threads() == 1 ? " thread" : " threads")
            << "\ntext: " << format_count(data_.size()) << " characters, " << vocab << " different; "
            << format_count(data_.train_size()) << " to train on, " << format_count(data_.validation_size())
            << " to validate on\n\n";
  nn::print_summary(model_, std::cout);
  std::cout << "\n"
            << format_count(operations) << " floating-point operations per character and training step\n"
            << "the loss of a model that knows nothing: ln " << vocab << " = " << format_fixed(std::log(vocab), 4)
            << "\n\n"
            << std::flush;
}

void Training::resume(const Checkpoint& checkpoint) {
  if (checkpoint.text_checksum != text_checksum_)
    fail(ErrorKind::value, checkpoint_path(o_), ": was trained on another text; give the same files with --text");
  restore(checkpoint, model_, optimiser_, batches_);
  start_ = checkpoint.step;
  loss_sum_ = checkpoint.loss_sum;
  loss_count_ = checkpoint.loss_count;
  std::cout << "going on from step " << format_count(start_) << " (" << checkpoint_path(o_) << ")\n" << std::flush;
}

// Leaves the gradients in the parameters, clipped; the norm is the one before.
Training::StepResult Training::forward_and_backward(int64_t step, const Batch& batch, TapeOptions tape_options) {
  tape_options.step = step;
  tape_options.profile = profile();
  model_.zero_grad();
  Tape tape(tape_options);
  const Variable loss = cross_entropy(model_(batch.inputs), batch.targets);  // [B, T, V] against [B, T]
  tape.backward(loss);
  const Profile::Section section(profile(), "clipping");
  return {loss.item(), o_.clip > 0 ? optim::clip_grad_norm(parameters_, o_.clip) : optim::grad_norm(parameters_)};
}

Batch Training::next_batch() {
  const Profile::Section section(profile(), "data");
  return data_.random_batch(o_.batch, batches_);
}

double Training::validation_loss() {
  model_.eval();
  const int64_t all = data_.validation_blocks();
  const int64_t blocks = o_.eval_batches == 0 ? all : std::min(all, o_.eval_batches * o_.batch);
  double sum = 0;
  for (int64_t first = 0; first < blocks; first += o_.batch) {
    const Batch batch = data_.validation_batch(first, std::min(o_.batch, blocks - first));
    sum += cross_entropy(model_(batch.inputs), batch.targets, {}, Reduction::sum).item();
  }
  model_.train();
  return sum / double(blocks * o_.context);
}

void Training::save(int64_t step) {
  Checkpoint checkpoint{.step = step,
                        .arguments = args_.assignments(),
                        .characters = data_.vocabulary().characters(),
                        .text_checksum = text_checksum_,
                        .loss_sum = loss_sum_,
                        .loss_count = loss_count_,
                        .model = {},
                        .optimiser = {},
                        .generators = {}};
  collect(checkpoint, model_, optimiser_, batches_);
  save_checkpoint(checkpoint_path(o_), checkpoint);
}

// Measures, logs, and saves: in this order, so that a resumed run's log has every line once.
void Training::evaluate(int64_t step) {
  const Profile::Section section(profile(), "evaluation");
  const double validation = validation_loss();
  std::vector<RunLog::Field> fields = {{"validation_loss", validation}};
  std::string line = "step " + format_count(step) + "/" + format_count(o_.steps);
  if (loss_count_ > 0) {
    const double training = loss_sum_ / double(loss_count_);
    fields.push_back({"train_loss", training});
    fields.push_back({"gradient_norm", gradient_norm_});
    fields.push_back({"learning_rate", schedule_(step - 1)});
    fields.push_back({"tokens_per_second", tokens_per_second(step)});
    line += "  train loss " + format_fixed(training, 4);
  }
  progress_.clear();
  std::cout << line << "  validation loss " << format_fixed(validation, 4) << "  " << format_duration(seconds()) << "\n"
            << std::flush;
  loss_sum_ = 0;
  loss_count_ = 0;
  log_->write(step, fields);
  save(step);
}

std::string Training::progress_text(int64_t step, const StepResult& result) const {
  return "step " + format_count(step) + "/" + format_count(o_.steps) + "  loss " + format_fixed(result.loss, 3) +
         "  grad " + format_fixed(result.norm, 2) + "  lr " + format_significant(schedule_(step - 1), 3) + "  " +
         format_rate(tokens_per_second(step), "tok") + "  " + format_duration(progress_.seconds_left(step)) + " left";
}

int Training::run() {
  log_.emplace(
      o_.out + "/log",
      std::vector<std::string>{"train_loss", "validation_loss", "gradient_norm", "learning_rate", "tokens_per_second"},
      o_.resume ? std::optional(start_) : std::nullopt);
  const InterruptCatcher catcher;
  if (!o_.resume) evaluate(0);
  if (o_.profile) profile_.emplace();
  began_ = std::chrono::steady_clock::now();
  for (int64_t step = start_ + 1; step <= o_.steps; ++step) {
    if (interrupted()) return stop_interrupted(step - 1);
    const Batch batch = next_batch();
    RngLog draws;
    StepResult result;
    {
      const RecordRng record_draws(draws);
      result = forward_and_backward(step, batch);
    }
    if (!result.finite()) return stop_at_nan(step, batch, draws);
    {
      const Profile::Section section(profile(), "optimiser");
      optimiser_.step(schedule_(step - 1));
    }
    loss_sum_ += result.loss;
    ++loss_count_;
    gradient_norm_ = result.norm;
    if (step % o_.eval_every == 0 || step == o_.steps)
      evaluate(step);
    else if (progress_.due(step))
      progress_.update(step, progress_text(step, result));
  }
  progress_.clear();
  if (profile_) {
    std::cout << "\n";
    profile_->print(std::cout);
  }
  finish();
  return 0;
}

// Makes the step again, with the same dropout masks, on a tape that looks at every number.
int Training::stop_at_nan(int64_t step, const Batch& batch, const RngLog& draws) {
  progress_.clear();
  std::cerr << "char_gpt: the loss or its gradient became NaN or infinite at step " << format_count(step) << "\n";
  try {
    const ReplayRng replay_draws(draws);
    forward_and_backward(step, batch, {.anomaly = true});
  } catch (const AnomalyError& anomaly) { std::cerr << "  " << anomaly.what() << "\n"; }
  std::cerr << "  a smaller --lr, a longer --warmup or a smaller --clip may help; the last good checkpoint is "
            << checkpoint_path(o_) << "\n";
  return kNanExit;
}

int Training::stop_interrupted(int64_t step) {
  progress_.clear();
  save(step);
  std::cout << "interrupted after step " << format_count(step) << ", saved to " << checkpoint_path(o_)
            << "\nto go on:  " << args_.command_with("--resume") << "\n"
            << std::flush;
  return 128 + interrupt_signal();
}

void Training::finish() {
  std::cout << "\n--- a sample " << std::string(50, '-') << "\n";
  model_.eval();
  write_text(model_, data_.vocabulary(), U"", o_, rng_.stream("sampling"), std::cout);
  std::cout << std::string(63, '-') << "\n\ncheckpoint  " << checkpoint_path(o_) << "\nlog         "
            << log_->jsonl_path() << ", " << log_->csv_path() << "\nweights     "
            << checksum_text(weights_checksum(model_)) << "\nmemory      " << format_bytes(memory_stats().peak_bytes)
            << " in tensors, " << format_bytes(process_peak_bytes())
            << " the whole process, at most\nto write more:  " << args_.program() << " --generate --out "
            << shell_quote(o_.out) << " --prompt TEXT\n";
}

// --- the command line --------------------------------------------------------------------------------------------

// What a checkpoint was made with.
CharGptOptions options_of(const Checkpoint& checkpoint) {
  CharGptOptions options;
  Args args = declare_flags(options);
  std::vector<const char*> words = {"char_gpt"};
  for (const std::string& argument : checkpoint.arguments) words.push_back(argument.c_str());
  args.parse(int(words.size()), words.data());
  return options;
}

// A resumed run is the same run: what shapes the model and the batches cannot change on the way.
void check_same_run(const CharGptOptions& saved, const CharGptOptions& now) {
  const auto same = [](const char* flag, auto before, auto after) {
    if (before == after) return;
    std::ostringstream message;
    message << "char_gpt: the run was made with " << flag << ' ' << before << ", not " << after
            << "; leave the flag out, or begin a new run in another --out";
    throw UsageError(message.str());
  };
  same("--layers", saved.layers, now.layers);
  same("--heads", saved.heads, now.heads);
  same("--dim", saved.dim, now.dim);
  same("--context", saved.context, now.context);
  same("--positions", saved.positions, now.positions);
  same("--batch", saved.batch, now.batch);
  same("--seed", saved.seed, now.seed);
  same("--dropout", saved.dropout, now.dropout);
}

int train(const CharGptOptions& o, const Args& args, const Checkpoint* checkpoint) {
  if (!checkpoint && file_exists(checkpoint_path(o))) {
    throw UsageError("char_gpt: " + o.out + " holds a run already, and it is not overwritten\n  to go on with it:    " +
                     args.command_with("--resume") + "\n  to write with it:    " + args.program() +
                     " --generate --out " + shell_quote(o.out) + "\n  to start a new one:  give another --out");
  }
  Training training(o, args, o.text.empty() ? decode_utf8(own_text(), "fovea's own sources") : read_text(o.text));
  make_folders(o.out);
  training.describe();
  if (checkpoint) training.resume(*checkpoint);
  return training.run();
}

int run(int argc, char** argv) {
  CharGptOptions options;
  Args args = declare_flags(options);
  if (args.parse(argc, argv) == Args::Outcome::handled) return 0;
  if (options.threads > 0) set_threads(int(options.threads));
  if (!options.resume && !options.generate) return train(options, args, nullptr);

  if (!file_exists(checkpoint_path(options)))
    throw UsageError("char_gpt: no run in " + options.out + ": there is no " + checkpoint_path(options));
  const Checkpoint checkpoint = load_checkpoint(checkpoint_path(options));
  const CharGptOptions saved = options_of(checkpoint);
  if (options.generate) return generate(options, saved, checkpoint);
  CharGptOptions resumed = saved;  // what is not said again is as it was
  resumed.profile = false;
  Args resumed_args = declare_flags(resumed);
  resumed_args.parse(argc, argv);
  check_same_run(saved, resumed);
  return train(resumed, resumed_args, &checkpoint);
}

}  // namespace

int main(int argc, char** argv) {
  return run_program("char_gpt", [&] { return run(argc, argv); });
}
