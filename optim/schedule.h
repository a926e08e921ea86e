// Learning rates as functions of the step, counted from 0. Each is a value with its numbers as members, made with
// designated initialisers:  WarmupCosine schedule{.lr = 1e-3, .min_lr = 1e-4, .warmup = 100, .steps = 2000};
//                           optimizer.step(schedule(step));
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>

namespace fovea::optim {

struct Constant {
  double lr;
  double operator()(int64_t) const { return lr; }
};

// Rises in equal parts over the first `warmup` steps, lr · (step + 1) / (warmup + 1), and stays at lr.
struct LinearWarmup {
  double lr;
  int64_t warmup = 0;
  double operator()(int64_t step) const { return step < warmup ? lr * double(step + 1) / double(warmup + 1) : lr; }
};

// The warm-up, then half a cosine wave from lr down to min_lr, which it reaches at `steps` and keeps
// (Loshchilov & Hutter 2017).
struct WarmupCosine {
  double lr;
  double min_lr = 0;
  int64_t warmup = 0;
  int64_t steps = 1;
  double operator()(int64_t step) const {
    if (step < warmup) return LinearWarmup{lr, warmup}(step);
    if (step >= steps) return min_lr;
    const double progress = double(step - warmup) / double(steps - warmup);
    return min_lr + (lr - min_lr) * 0.5 * (1 + std::cos(std::numbers::pi * progress));
  }
};

// Times `factor` after every `every` steps.
struct StepDecay {
  double lr;
  double factor = 0.1;
  int64_t every = 1;
  double operator()(int64_t step) const { return lr * std::pow(factor, double(step / every)); }
};

// scale · dim^(−1/2) · min(t^(−1/2), t · warmup^(−3/2)), t = step + 1 (Vaswani et al. 2017, eq. 3).
struct Noam {
  double dim;
  double warmup = 4000;
  double scale = 1;
  double operator()(int64_t step) const {
    const double t = double(step + 1);
    return scale / std::sqrt(dim) * std::min(1 / std::sqrt(t), t * std::pow(warmup, -1.5));
  }
};

}  // namespace fovea::optim
