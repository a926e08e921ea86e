// bench_ops: the time of the operations that work row by row or element by element, forward and backward, and of what
// an optimiser does, with the memory traffic that they stand for.
//
//   bench_ops [--threads N] [--shape 3072x256...] [--only NAME...] [--seconds S] [--json]
//
// A forward is recorded, as in training; a backward is the walk over a tape that holds that one operation. GB/s counts
// what must be moved: forward x and y, backward dy, what was saved and dx. --json prints one line per operation
// instead.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "autograd/autograd.h"
#include "examples/lib/args.h"
#include "examples/lib/table.h"
#include "nn/gpt.h"
#include "optim/adam.h"
#include "optim/clip.h"
#include "tensor/cpu.h"
#include "tensor/dispatch.h"
#include "tensor/parallel.h"
#include "tensor/random.h"
#include "tests/bench/measure.h"

using namespace fovea;

namespace {

std::string number(double value, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

// Runs what is asked for and prints it.
class Bench {
 public:
  std::vector<std::string> only;
  double seconds = 0.25;
  bool json = false;

  // sample: one run, in seconds. bytes: what it moves.
  void report(const std::string& name, const std::string& size, double bytes, const std::function<double()>& sample) {
    const auto named = [&](const std::string& wanted) { return name.find(wanted) != std::string::npos; };
    if (!only.empty() && std::none_of(only.begin(), only.end(), named)) return;
    empty_ = false;
    std::vector<double> times;
    for (int i = 0; i < 3; ++i) sample();
    for (const double start = now(); now() - start < seconds || times.size() < 9;) times.push_back(sample());
    std::sort(times.begin(), times.end());
    const double median = times[times.size() / 2];
    if (json) {
      std::printf(
          "{\"op\": \"%s\", \"size\": \"%s\", \"threads\": %d, \"us\": %.2f, \"best_us\": %.2f, \"gb_s\": %.2f}\n",
          name.c_str(), size.c_str(), threads(), median * 1e6, times[0] * 1e6, bytes / median * 1e-9);
      std::fflush(stdout);
      return;
    }
    table_.row({name, size, number(median * 1e6, 1), number(times[0] * 1e6, 1), number(bytes / median * 1e-9, 1)});
  }

  void run(const std::string& name, const std::string& size, double bytes, const std::function<void()>& fn) {
    report(name, size, bytes, [&] {
      const double start = now();
      fn();
      return now() - start;
    });
  }

  ~Bench() {
    if (json || empty_) return;
    std::printf("%s, %s, %d threads\n%s", cpu_name().c_str(), isa_name(active_isa()).c_str(), threads(),
                table_.text().c_str());
  }

 private:
  bool empty_ = true;
  lib::Table table_{
      {{"operation"}, {"size"}, {"µs", lib::Align::right}, {"best", lib::Align::right}, {"GB/s", lib::Align::right}}};
};

struct Operation {
  const char* name;
  std::function<Variable(const Variable&)> apply;
};

// The operations on x [rows, columns] and their gradients.
void bench_shape(Bench& bench, int64_t rows, int64_t columns) {
  Rng rng(1);
  const std::string size = std::to_string(rows) + "x" + std::to_string(columns);
  const double bytes = 4.0 * double(rows) * double(columns);
  Parameter x(randn({rows, columns}, rng)), weight(ones({columns})), bias(zeros({columns}));
  const Tensor dy = randn({rows, columns}, rng), other = randn({rows, columns}, rng);
  const Tensor targets = randint(0, columns, {rows}, rng);

  const Operation operations[] = {
      {"softmax", [](const Variable& v) { return softmax(v); }},
      {"log_softmax", [](const Variable& v) { return log_softmax(v); }},
      {"layernorm", [&](const Variable& v) { return layer_norm(v, weight, bias); }},
      {"rmsnorm", [&](const Variable& v) { return rms_norm(v, weight); }},
      {"gelu(erf)", [](const Variable& v) { return gelu(v); }},
      {"gelu(tanh)", [](const Variable& v) { return gelu_tanh(v); }},
      {"silu", [](const Variable& v) { return silu(v); }},
      {"sigmoid", [](const Variable& v) { return sigmoid(v); }},
      {"tanh", [](const Variable& v) { return tanh(v); }},
      {"exp", [](const Variable& v) { return exp(v); }},
      {"relu", [](const Variable& v) { return relu(v); }},
      {"add", [&](const Variable& v) { return v + Variable(other); }},
      {"dropout", [&](const Variable& v) { return dropout(v, 0.1, rng); }},
      {"cross_entropy", [&](const Variable& v) { return cross_entropy(v, targets); }},
  };
  for (const auto& operation : operations) {
    const char* const name = operation.name;
    const auto& apply = operation.apply;
    const bool is_loss = std::strcmp(name, "cross_entropy") == 0;
    bench.run(std::string(name) + " fwd", size, is_loss ? bytes : 2 * bytes, [&] {
      Tape tape;
      apply(x);
    });
    bench.report(std::string(name) + " bwd", size, is_loss ? 2 * bytes : 3 * bytes, [&] {
      for (Parameter* p : {&x, &weight, &bias}) p->zero_grad();
      Tape tape;
      const Variable y = apply(x);
      const Tensor start_from = is_loss ? ones({}) : dy;
      const double start = now();
      tape.backward(y, start_from);
      return now() - start;
    });
  }
  bench.run("sum", size, bytes, [&] { sum(x.value()); });
  bench.run("sum over rows", size, bytes, [&] { sum(x.value(), {0}); });
  bench.run("logsumexp", size, bytes, [&] { logsumexp(x.value(), {-1}); });
  Tensor filled = other.clone();
  bench.run("zero", size, bytes, [&] { filled.fill_(0); });
}

// Once per shape of a table: tokens [768] look up rows of [65, 128].
void bench_embedding(Bench& bench) {
  Rng rng(2);
  Parameter table(randn({65, 128}, rng));
  const Tensor tokens = randint(0, 65, {768}, rng), dy = randn({768, 128}, rng);
  bench.run("embedding fwd", "65x128", 2 * 4.0 * 768 * 128, [&] { take_rows(table.value(), tokens); });
  bench.report("embedding bwd", "65x128", 4.0 * (768 + 65) * 128, [&] {
    table.zero_grad();
    Tape tape;
    const Variable y = take_rows(table, tokens);
    const double start = now();
    tape.backward(y, dy);
    return now() - start;
  });
}

// What happens to all parameters between two steps.
void bench_optimizer(Bench& bench, const std::string& size, const std::vector<NamedParameter>& parameters) {
  Rng rng(3);
  double bytes = 0;
  for (const auto& [name, p] : parameters) {
    p->set_grad(randn(p->shape(), rng));
    bytes += double(p->value().bytes());
  }
  optim::AdamW adamw(optim::decay_groups(parameters, 0.1));
  bench.run("adamw", size, 7 * bytes, [&] { adamw.step(1e-4); });
  bench.run("grad_norm", size, bytes, [&] { optim::grad_norm(parameters); });
  bench.run("clip", size, 3 * bytes, [&] { optim::clip_grad_norm(parameters, 1e-3); });
}

// "3072x256" as rows and columns.
std::pair<int64_t, int64_t> parse_shape(const std::string& text) {
  long long rows = 0, columns = 0;
  char rest = 0;
  if (std::sscanf(text.c_str(), "%lldx%lld%c", &rows, &columns, &rest) != 2 || rows < 1 || columns < 1)
    throw lib::UsageError("bench_ops: --shape wants ROWSxCOLUMNS, as 3072x256, got " + text);
  return {rows, columns};
}

int run(int argc, char** argv) {
  Bench bench;
  int64_t thread_count = 0;
  std::vector<std::string> shapes = {"3072x256", "1024x384"};
  lib::Args args("bench_ops", "Measures the operations that work row by row or element by element, and the optimiser.");
  args.group("Options", {{"--threads N", &thread_count, "0: all cores", {.at_least = 0, .at_most = 1024}},
                         {"--shape ROWSxCOLUMNS...", &shapes, "what the operations work on"},
                         {"--only NAME...", &bench.only, "just the operations with one of these in their name"},
                         {"--seconds S", &bench.seconds, "how long to measure each", {.at_least = 0}},
                         {"--json", &bench.json, "print a JSON object per operation"}});
  if (args.parse(argc, argv) == lib::Args::Outcome::handled) return 0;
  if (thread_count > 0) set_threads(int(thread_count));
  for (const std::string& shape : shapes) {
    const auto [rows, columns] = parse_shape(shape);
    bench_shape(bench, rows, columns);
  }
  bench_embedding(bench);

  Rng rng(4);
  nn::GPT model({.vocab = 65, .layers = 4, .heads = 4, .dim = 128, .context = 64}, rng);  // 813,568 parameters
  bench_optimizer(bench, "S", model.parameters());
  std::vector<Parameter> large;
  for (int i = 0; i < 16; ++i) large.emplace_back(randn({250'000}, rng));
  std::vector<NamedParameter> named;
  for (size_t i = 0; i < large.size(); ++i) named.push_back({"p" + std::to_string(i), &large[i]});
  bench_optimizer(bench, "4M", named);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return lib::run_program("bench_ops", [&] { return run(argc, argv); });
}
