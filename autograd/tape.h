// The tape: the operations of a computation in the order they ran, walked from the end to get the gradients.
//
//   Tape tape;
//   Variable loss = cross_entropy(model(x), targets);
//   tape.backward(loss);                        // every parameter the loss depends on now has its gradient
//
// Every operation appears after the ones it depends on, so the walk needs no search and no recursion: when it
// reaches a node, all that flows into its gradient has arrived. What a node saved is freed as the walk
// passes.
//
// While no tape is alive nothing is recorded. Tapes nest: the innermost one records. backward() ends the
// recording. A tape belongs to the thread that made it.
#pragma once
#include <iosfwd>
#include <span>
#include <string>
#include <vector>

#include "autograd/arena.h"
#include "autograd/variable.h"

namespace fovea {

class Profile;
class Tape;

// One recorded operation. The operation itself, a plain struct, sits in the Recorded<Op> of operation.h.
struct Node {
  virtual ~Node() = default;
  virtual void backward(Tape& tape, const Tensor& dy) = 0;  // hands each input its share of dy
  virtual void visit_saved(void (*)(void* context, Tensor&), void* /*context*/) {}
  int64_t saved_bytes();

  const char* name = "";
  std::span<const int32_t> inputs;  // places on the tape; -1: a constant
  Shape shape;                      // of the result …
  DType dtype = DType::f32;
  Tensor grad;              // … and its gradient, as far as it has arrived
  int64_t nanoseconds = 0;  // of the forward, on a tape that measures
};

// For tests: sees and may falsify what passes along the tape, to prove that the gradient checker notices.
struct TapeHook {
  virtual ~TapeHook() = default;
  virtual void after_forward(Node&) {}  // may change what was saved
  virtual void before_backward(const Node&, Tensor& /*dy*/) {}
  virtual void after_backward(const Node&, std::span<Tensor> /*grads*/) {}
  virtual bool accumulate(const Node&, Tensor& /*into*/, const Tensor& /*grad*/) { return false; }  // true: done
};

struct TapeOptions {
  bool anomaly = false;        // look at every result and gradient; the first NaN or infinity raises AnomalyError
  bool timing = false;         // measure each operation, for print()
  int64_t step = -1;           // named in an anomaly's message
  Profile* profile = nullptr;  // adds up there what each operation costs, forward and backward
};

class Tape {
 public:
  explicit Tape(TapeOptions options = {});
  ~Tape();
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  // The gradient of a scalar with respect to every leaf, added to what the leaves have. Once per tape.
  void backward(const Variable& loss);
  // The same for any shape: dy is the gradient of something further on with respect to y.
  void backward(const Variable& y, const Tensor& dy);

  size_t size() const { return nodes_.size(); }
  const Node& node(size_t i) const { return *nodes_[i]; }
  Node& last() { return *nodes_.back(); }
  int64_t saved_bytes() const;          // held by the operations for the backward
  void print(std::ostream& out) const;  // a line per operation: name, shapes, inputs, bytes saved, time
  void print() const;                   // on standard output

  static Tape* recording();              // the innermost tape that records on this thread, or null
  static void set_hook(TapeHook* hook);  // for tests; null: none

  // --- what operation.h records with ---
  // The place of an input; -1 for a constant. A variable of another tape is an error.
  int32_t place_of(const Variable& x, const char* operation);
  // A node that is not on the tape yet: a Recording puts it there.
  template <class NodeType, class... Args> NodeType* prepare(Args&&... args) {
    return arena_.make<NodeType>(std::forward<Args>(args)...);
  }
  // The tape that records an operation on these inputs, and their places there; null where none needs a gradient.
  static Tape* recording(std::span<const Variable* const> inputs, std::span<int32_t> places, const char* operation);
  // While an operation runs forward: of a node of a tape, or of none. One that throws never gets onto the tape.
  class Recording {
   public:
    Recording(Tape* tape, Node* node, const char* name);
    ~Recording();
    Variable finish(Tensor y, std::span<const Variable* const> inputs, double flops);

   private:
    Tape* tape_;
    Node* node_;
    int64_t start_ = 0;
  };
  // Gives the gradients that an operation computed to its inputs.
  void hand_out(Node& node, const Tensor& dy, std::span<Tensor> grads, double flops);
  // The gradient that has arrived at a place so far, to be added to in place; null where there is none yet, where it is
  // shared, or where somebody wants to see each gradient.
  Tensor* gradient_to_add_to(int32_t place);
  const TapeOptions& options() const { return options_; }

  // While one is alive nothing is recorded: what checkpoint() runs its first pass under.
  class Pause {
   public:
    Pause();
    ~Pause();
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

   private:
    Tape* paused_;
  };

 private:
  Variable append(Node* node, const char* name, Tensor y);
  // Adds a share of the gradient of the node at that place, summed to its shape if it was broadcast.
  void accumulate(int32_t place, Tensor grad, const Node& from);
  void walk(int32_t from);
  void end_recording();
  void profile_forward(Node& node, double flops, const Tensor& y, std::span<const Variable* const> inputs);
  void profile_backward(Node& node, double flops, const Tensor& dy, std::span<const Tensor> grads);
  void check_forward(const Node& node, const Tensor& y, std::span<const Variable* const> inputs);
  void check_backward(const Node& node, const Tensor& dy, std::span<const Tensor> grads);

  TapeOptions options_;
  uint64_t serial_;
  Tape* outer_;
  bool ended_ = false;
  int64_t lap_ = 0;  // on a tape with a profile: when the part of the walk that runs began
  Arena arena_;
  std::vector<Node*> nodes_;         // in the arena
  std::vector<std::string> places_;  // in the model, per node; only on a tape that looks for anomalies
};

}  // namespace fovea
