// Sequential: layers one after another. Anything goes that takes a Variable and returns one: modules, activations,
// functions.
//
//   Sequential net(Linear(2, 16, rng), Activation::gelu, Linear(16, 1, rng));
//   Variable y = net(x);                                  // parameters "0.weight", "0.bias", "2.weight", "2.bias"
//
// It copies as a value, layers included.
#pragma once
#include <concepts>
#include <memory>

#include "nn/activation.h"
#include "nn/module.h"

namespace fovea::nn {

class Sequential : public Module {
 public:
  Sequential() = default;
  Sequential(const Sequential& other) {
    for (const auto& layer : other.layers_) layers_.push_back(layer->copy());
  }
  Sequential(Sequential&&) noexcept = default;
  Sequential& operator=(Sequential other) noexcept {
    layers_ = std::move(other.layers_);
    return *this;
  }
  // A single Sequential is copied, not wrapped: to nest one alone use add().
  template <class... Layers>
  requires(sizeof...(Layers) > 1 ||
           !(std::same_as<std::remove_cvref_t<Layers>, Sequential> && ...)) explicit Sequential(Layers&&... layers) {
    (add(std::forward<Layers>(layers)), ...);
  }

  template <class L> Sequential& add(L&& layer) {
    layers_.push_back(std::make_unique<Holder<std::remove_cvref_t<L>>>(std::forward<L>(layer)));
    return *this;
  }
  size_t size() const { return layers_.size(); }

  Variable operator()(Variable x) const {
    Scope scope(*this);
    for (const auto& layer : layers_) x = layer->run(x);
    return x;
  }

  void visit(Visitor& v) override {
    for (size_t i = 0; i < layers_.size(); ++i) layers_[i]->visit(v, std::to_string(i).c_str());
  }

 private:
  // A layer of any type, behind what is asked of it.
  struct Layer {
    virtual ~Layer() = default;
    virtual std::unique_ptr<Layer> copy() const = 0;
    virtual Variable run(const Variable& x) const = 0;
    virtual void visit(Visitor& v, const char* name) = 0;
  };

  template <class L> struct Holder final : Layer {
    L layer;
    explicit Holder(L l) : layer(std::move(l)) {}
    std::unique_ptr<Layer> copy() const override { return std::make_unique<Holder>(layer); }
    Variable run(const Variable& x) const override {
      if constexpr (std::same_as<L, Activation>)
        return activate(x, layer);
      else
        return layer(x);
    }
    void visit([[maybe_unused]] Visitor& v, [[maybe_unused]] const char* name) override {
      if constexpr (std::derived_from<L, Module>) v(name, layer);
    }
  };

  std::vector<std::unique_ptr<Layer>> layers_;
};

}  // namespace fovea::nn
