// Module: a plain struct with value members, and one visit() that names each member once.
//
//   struct Linear : nn::Module {
//     Parameter weight, bias;
//     void visit(nn::Visitor& v) override {
//       v("weight", weight);
//       v("bias", bias);
//     }
//   };
//
// From visit() come the parameters with their paths ("blocks.2.attention.query.weight"), zeroing, train and eval mode,
// conversion to another dtype, saving, loading, printing and counting. Modules copy and move as values; a copy has
// parameters of its own.
#pragma once
#include <iosfwd>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "autograd/variable.h"
#include "tensor/random.h"

namespace fovea::nn {

struct Module;

// Walks a module's members depth first. A visitor overrides what it cares for.
class Visitor {
 public:
  virtual ~Visitor() = default;
  virtual void parameter(const std::string& /*path*/, Parameter&) {}
  // State that is not trained, as running means. Copies of a module share it, so it is replaced, never written into.
  virtual void buffer(const std::string& /*path*/, Tensor&) {}
  virtual void generator(const std::string& /*path*/, Rng&) {}  // random state, as dropout's
  virtual void mode(bool& /*training*/) {}                      // true while training, false while evaluating
  virtual void enter(const std::string& /*path*/, Module&) {}
  virtual void leave(Module&) {}

  // What visit() calls, once per member.
  void operator()(const char* name, Parameter& p) {
    const Step step(path_, name);
    parameter(path_, p);
  }
  void operator()(const char* name, Tensor& t) {
    const Step step(path_, name);
    buffer(path_, t);
  }
  void operator()(const char* name, Rng& rng) {
    const Step step(path_, name);
    generator(path_, rng);
  }
  void operator()(const char*, bool& training) { mode(training); }
  void operator()(const char* name, Module& m);
  template <class M> void operator()(const char* name, std::vector<M>& list) {  // name.0, name.1, …
    const Step step(path_, name);
    for (size_t i = 0; i < list.size(); ++i) (*this)(std::to_string(i).c_str(), list[i]);
  }
  template <class M> void operator()(const char* name, std::optional<M>& m) {
    if (m) (*this)(name, *m);
  }
  template <class M> void operator()(const char* name, std::unique_ptr<M>& m) {
    if (m) (*this)(name, *m);
  }

 private:
  // One name deeper in the path, for as long as it lives.
  class Step {
   public:
    Step(std::string& path, const char* name) : path_(path), outer_(path.size()) {
      if (outer_ > 0) path_ += '.';
      path_ += name;
    }
    ~Step() { path_.resize(outer_); }
    Step(const Step&) = delete;
    Step& operator=(const Step&) = delete;

   private:
    std::string& path_;
    size_t outer_;
  };
  std::string path_;
};

struct Module {
  virtual ~Module() = default;
  virtual void visit(Visitor& v) = 0;

  std::vector<NamedParameter> parameters();  // in the order of visit(); they point into this module
  int64_t parameter_count();
  void zero_grad();
  void train(bool training = true);
  void eval() { train(false); }
  void to(DType dtype);  // converts every parameter and floating buffer; gradients are dropped

  std::map<std::string, Tensor> state();  // parameters and buffers by path; the tensors are the module's own
  // Copies numbers in by path. A name missing, surplus or of another shape is an error that lists them all, and
  // then nothing is changed.
  void load_state(const std::map<std::string, Tensor>& state);
  void save(const std::string& path);  // .safetensors
  void load(const std::string& path);
};

// A table: path, shape, parameters, bytes.
void print_summary(Module& module, std::ostream& out);

// The first line of a module's operator(): while it is alive, errors and anomalies say where in the model they arose.
// The path is worked out only when someone asks.
class Scope : public ErrorContext {
 public:
  explicit Scope(const Module& module) : module_(&module) {}
  std::string where() const override;  // "model.blocks.2.attention": from the outermost module that is running

 private:
  const Module* module_;
};

}  // namespace fovea::nn
