#include "nn/mask.h"

#include "tensor/elementwise.h"
#include "tensor/views.h"

namespace fovea::nn {
namespace {
void require_bool(const char* name, const Tensor& keys) {
  if (!keys.defined() || keys.dtype() != DType::boolean)
    fail(ErrorKind::dtype, name, ": the mask must be bool, got ",
         keys.defined() ? fovea::name(keys.dtype()) : "no tensor", "; compare first, as in lengths > 3");
}
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

Mask operator&(const Mask& a, const Mask& b) {
  Mask both;
  both.causal_ = a.causal_ || b.causal_;
  both.keep_ = !a.keep_.defined() ? b.keep_ : !b.keep_.defined() ? a.keep_ : logical_and(a.keep_, b.keep_);
  return both;
}

Tensor Mask::as_tensor(int64_t queries, int64_t keys) const {
  if (!causal_) return keep_;
  const Tensor query = unsqueeze(arange(queries), 1) + double(keys - queries);  // [L, 1]: the last key that each sees
  const Tensor triangle = unsqueeze(arange(keys), 0) <= query;                  // [L, S]
  return keep_.defined() ? logical_and(triangle, keep_) : triangle;
}

}  // namespace fovea::nn
