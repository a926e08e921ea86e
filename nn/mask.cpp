#include "nn/mask.h"

#include <algorithm>

#include "tensor/elementwise.h"
#include "tensor/views.h"

namespace fovea::nn {
namespace {
void require_bool(const char* name, const Tensor& keys) {
  if (!keys.defined() || keys.dtype() != DType::boolean)
    fail(ErrorKind::dtype, name, ": the mask must be bool, got ",
         keys.defined() ? fovea::name(keys.dtype()) : "no tensor", "; compare first, as in lengths > 3");
}

Tensor both(const Tensor& a, const Tensor& b) { return !a.defined() ? b : !b.defined() ? a : logical_and(a, b); }

// [L, 1]: where each query stands among the keys, the last one at the last key.
Tensor places(int64_t queries, int64_t keys) { return unsqueeze(arange(queries), 1) + double(keys - queries); }
}  // namespace

Mask Mask::keep(const Tensor& keys) {
  require_bool("Mask::keep", keys);
  Mask mask;
  mask.keep_ = keys;
  return mask;
}

Mask Mask::hide(const Tensor& keys) {
  require_bool("Mask::hide", keys);
  return keep(logical_not(keys));
}

Mask Mask::keep_keys(const Tensor& keys) {
  require_bool("Mask::keep_keys", keys);
  if (keys.rank() != 2)
    fail(ErrorKind::shape, "Mask::keep_keys: takes [batch, keys], got ", keys.shape(),
         "; for any other shape use Mask::keep");
  return keep(reshape(keys, {keys.size(0), 1, 1, keys.size(1)}));  // [B, 1, 1, S]
}

Mask Mask::causal() {
  Mask mask;
  mask.causal_ = true;
  return mask;
}

Mask Mask::window(int64_t size) {
  if (size < 1)
    fail(ErrorKind::value, "Mask::window: a query sees itself at least, so the size is 1 or more, got ", size);
  Mask mask;
  mask.window_ = size;
  return mask;
}

Mask operator&(const Mask& a, const Mask& b) {
  Mask result;
  result.causal_ = a.causal_ || b.causal_;
  result.window_ = a.window_ && b.window_ ? std::min(a.window_, b.window_) : std::max(a.window_, b.window_);
  result.keep_ = both(a.keep_, b.keep_);
  return result;
}

Tensor Mask::kept(int64_t queries, int64_t keys) const {
  if (window_ == 0 || window_ >= std::max(queries, keys)) return keep_;
  const Tensor distance = places(queries, keys) - unsqueeze(arange(keys), 0);  // [L, S], positive: the key is earlier
  const double reach = double(window_);
  const Tensor not_before = distance < reach;
  const Tensor not_after = distance > -reach;
  return both(logical_and(not_before, not_after), keep_);
}

Tensor Mask::as_tensor(int64_t queries, int64_t keys) const {
  if (!causal_) return kept(queries, keys);
  const Tensor triangle = unsqueeze(arange(keys), 0) <= places(queries, keys);  // [L, S]
  return both(triangle, kept(queries, keys));
}

}  // namespace fovea::nn
