#include "nn/module.h"

#include <ostream>

#include "tensor/safetensors.h"

namespace fovea::nn {
namespace {

struct ParameterList : Visitor {
  std::vector<NamedParameter> list;
  void parameter(const std::string& path, Parameter& p) override { list.push_back({path, &p}); }
};

struct Counter : Visitor {
  int64_t count = 0;
  void parameter(const std::string&, Parameter& p) override { count += p.count(); }
};

struct GradientDropper : Visitor {
  void parameter(const std::string&, Parameter& p) override { p.zero_grad(); }
};

struct ModeSetter : Visitor {
  bool training;
  explicit ModeSetter(bool t) : training(t) {}
  void mode(bool& member) override { member = training; }
};

struct Converter : Visitor {
  DType dtype;
  explicit Converter(DType d) : dtype(d) {}
  void parameter(const std::string&, Parameter& p) override {
    p.value() = p.value().to(dtype);
    p.zero_grad();
  }
  void buffer(const std::string&, Tensor& t) override {
    if (is_floating(t.dtype())) t = t.to(dtype);
  }
};

struct StateReader : Visitor {
  std::map<std::string, Tensor> state;
  void parameter(const std::string& path, Parameter& p) override { state[path] = p.value(); }
  void buffer(const std::string& path, Tensor& t) override { state[path] = t; }
};

struct StateWriter : Visitor {
  const std::map<std::string, Tensor>* given;
  explicit StateWriter(const std::map<std::string, Tensor>& g) : given(&g) {}
  void parameter(const std::string& path, Parameter& p) override { p.value().copy_(given->at(path)); }
  void buffer(const std::string& path, Tensor& t) override {
    t = t.clone();  // copies of the module share the old one
    t.copy_(given->at(path));
  }
};

struct PathFinder : Visitor {
  const Module* wanted;
  std::string path;
  bool found = false;
  explicit PathFinder(const Module* w) : wanted(w) {}
  void enter(const std::string& p, Module& m) override {
    if (found || &m != wanted) return;
    path = p;
    found = true;
  }
};

}  // namespace

void Visitor::operator()(const char* name, Module& m) {
  const Step step(path_, name);
  enter(path_, m);
  m.visit(*this);
  leave(m);
}

std::vector<NamedParameter> Module::parameters() {
  ParameterList visitor;
  visit(visitor);
  return std::move(visitor.list);
}

int64_t Module::parameter_count() {
  Counter visitor;
  visit(visitor);
  return visitor.count;
}

void Module::zero_grad() {
  GradientDropper visitor;
  visit(visitor);
}

void Module::train(bool training) {
  ModeSetter visitor(training);
  visit(visitor);
}

void Module::to(DType dtype) {
  Converter visitor(dtype);
  visit(visitor);
}

std::map<std::string, Tensor> Module::state() {
  StateReader visitor;
  visit(visitor);
  return std::move(visitor.state);
}

void Module::load_state(const std::map<std::string, Tensor>& given) {
  const std::map<std::string, Tensor> own = state();
  std::ostringstream problems;
  for (const auto& [name, tensor] : own) {
    const auto it = given.find(name);
    if (it == given.end())
      problems << "\n  missing: " << name << " " << tensor.shape();
    else if (it->second.shape() != tensor.shape())
      problems << "\n  " << name << ": the model has " << tensor.shape() << ", given is " << it->second.shape();
  }
  for (const auto& [name, tensor] : given) {
    if (!own.count(name)) problems << "\n  surplus: " << name << " " << tensor.shape();
  }
  if (!problems.str().empty())
    fail(ErrorKind::value, "load_state: the names and shapes given are not the model's:", problems.str());
  StateWriter visitor(given);
  visit(visitor);
}

void Module::save(const std::string& path) { save_safetensors(path, state()); }

void Module::load(const std::string& path) { load_state(load_safetensors(path).tensors); }

std::string Scope::where() const {
  const Scope* outermost = this;
  for (const ErrorContext* c = outer(); c; c = c->outer()) {
    if (const auto* scope = dynamic_cast<const Scope*>(c)) outermost = scope;
  }
  // The innermost module that the outermost one lists; one made on the fly is not, its caller is.
  for (const ErrorContext* c = this; c; c = c->outer()) {
    const auto* scope = dynamic_cast<const Scope*>(c);
    if (!scope || scope == outermost) continue;
    PathFinder finder(scope->module_);
    const_cast<Module*>(outermost->module_)->visit(finder);  // visit() hands out references, and none is used
    if (finder.found) return "model." + finder.path;
  }
  return "model";
}

}  // namespace fovea::nn
