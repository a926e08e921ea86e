#include "tensor/matmul.h"

#include <algorithm>

#include "tensor/gemm.h"
#include "tensor/loop.h"
#include "tensor/views.h"

namespace fovea {
namespace {

// What a product computes: operands as matrices with batch axes in front, and the shape of the result.
struct BatchedProduct {
  Tensor a, b;  // [..., m, k], [..., k, n]; batch axes not yet broadcast
  int64_t m, n, k;
  Shape batch;   // broadcast
  Shape result;  // batch, then m unless a was 1-D, then n unless b was 1-D
};

BatchedProduct checked_operands(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype())
    fail(ErrorKind::dtype, "matmul: a ", a.shape(), " is ", a.dtype(), ", b ", b.shape(), " is ", b.dtype(),
         "; convert one with .to()");
  if (!is_floating(a.dtype())) fail(ErrorKind::dtype, "matmul: takes f32 or f64, got ", a.dtype());
  if (a.rank() == 0 || b.rank() == 0)
    fail(ErrorKind::shape, "matmul: a ", a.shape(), " and b ", b.shape(), " need an axis each; use * for scalars");
  const int64_t inner_a = a.shape().back(), inner_b = b.shape()[std::max(b.rank() - 2, 0)];
  if (inner_a != inner_b)
    fail(ErrorKind::shape, "matmul: inner sizes differ: a ", a.shape(), " has ", inner_a, ", b ", b.shape(), " has ",
         inner_b);

  BatchedProduct p{a.rank() == 1 ? unsqueeze(a, 0) : a, b.rank() == 1 ? unsqueeze(b, 1) : b, 0, 0, inner_a, {}, {}};
  p.m = p.a.size(-2);
  p.n = p.b.size(-1);
  const auto batch_of = [](const Tensor& x) { return Shape(std::span(x.shape().begin(), size_t(x.rank() - 2))); };
  p.batch = broadcast_shapes("matmul (batch axes)", batch_of(p.a), batch_of(p.b));
  p.result = p.batch;
  if (a.rank() > 1) p.result.push_back(p.m);
  if (b.rank() > 1) p.result.push_back(p.n);
  return p;
}

// A matrix as gemm takes it: row-major with a leading dimension, possibly transposed. leading 0: it does not lie so.
struct GemmLayout {
  Trans trans = Trans::no;
  int64_t leading = 0;
};

GemmLayout layout_of(int64_t rows, int64_t columns, int64_t down, int64_t right) {
  if ((right == 1 || columns == 1) && (down >= columns || rows == 1)) return {Trans::no, rows == 1 ? columns : down};
  if ((down == 1 || rows == 1) && (right >= rows || columns == 1)) return {Trans::yes, columns == 1 ? rows : right};
  return {};
}

struct MatrixView {
  Tensor x;
  GemmLayout layout;
};

MatrixView as_matrix(const Tensor& x) {
  const GemmLayout layout = layout_of(x.size(-2), x.size(-1), x.strides()[x.rank() - 2], x.strides()[x.rank() - 1]);
  if (layout.leading > 0) return {x, layout};
  return {x.clone(), {Trans::no, std::max<int64_t>(x.size(-1), 1)}};
}

// The step from one row to the next where the rows of all matrices of a batch lie one step apart, so that the batch is
// one tall matrix; -1 where they do not.
int64_t row_step(const Tensor& x) {
  int64_t step = -1, expected = -1;
  for (int axis = x.rank() - 2; axis >= 0; --axis) {
    if (x.shape()[axis] == 1) continue;
    if (expected >= 0 && x.strides()[axis] != expected) return -1;
    if (step < 0) step = x.strides()[axis];
    expected = x.strides()[axis] * x.shape()[axis];
  }
  return step < 0 ? x.shape().back() : step;
}

// The product with one matrix for the whole batch, a linear layer's: [..., m, k] is one matrix [... · m, k]. False, and
// nothing done, where the rows do not lie evenly spaced.
bool multiply_rows(const Tensor& a, const Tensor& b, Tensor& out, bool accumulate) {
  if (a.rank() < 2 || b.rank() != 2) return false;
  const int64_t k = a.shape().back(), n = b.shape().back(), m = out.count() / std::max<int64_t>(n, 1);
  const int64_t a_step = row_step(a), out_step = row_step(out);
  if (k == 0 || a_step < 0 || out_step < 0) return false;
  const GemmLayout from_a = layout_of(m, k, a_step, a.strides().back());
  const GemmLayout from_b = layout_of(k, n, b.strides()[0], b.strides()[1]);
  const GemmLayout to = layout_of(m, n, out_step, out.strides().back());
  if (from_a.leading == 0 || from_b.leading == 0 || to.leading == 0 || to.trans == Trans::yes) return false;
  with_floating(a.dtype(), "matmul", [&]<class T>(T) {
    gemm<T>(from_a.trans, from_b.trans, m, n, k, T(1), a.data<T>(), from_a.leading, b.data<T>(), from_b.leading,
            T(accumulate ? 1 : 0), out.data<T>(), to.leading);
  });
  return true;
}

Strides batch_strides(const Tensor& x, const Shape& batch) {
  const auto front = [&](const Dims& d) { return Dims(std::span(d.begin(), size_t(x.rank() - 2))); };
  return broadcast_strides(front(x.shape()), front(x.strides()), batch);
}

// out [batch..., m, n] with rows of adjacent elements; a and b as in BatchedProduct.
template <class T> void multiply_batches(const BatchedProduct& p, Tensor& out, T beta) {
  const MatrixView a = as_matrix(p.a), b = as_matrix(p.b);
  const int64_t ldc = out.size(-2) == 1 ? p.n : out.strides()[out.rank() - 2];
  const Loop loop(p.batch, {batch_strides(a.x, p.batch), batch_strides(b.x, p.batch), batch_strides(out, p.batch)});
  const T *a_data = a.x.data<T>(), *b_data = b.x.data<T>();
  T* c_data = out.data<T>();
  const auto run = [&](const int64_t* at, int64_t n) {
    gemm_batched<T>(n, a.layout.trans, b.layout.trans, p.m, p.n, p.k, T(1), a_data + at[0], a.layout.leading,
                    loop.run_strides[0], b_data + at[1], b.layout.leading, loop.run_strides[1], beta, c_data + at[2],
                    ldc, loop.run_strides[2]);
  };
  // Where the matrices do not lie evenly spaced (attention heads, say) there are several runs. Small products are
  // shared among the threads as wholes; a large one uses all threads by itself.
  constexpr int64_t kLarge = int64_t(1) << 22;  // multiplications
  const int64_t work = std::max<int64_t>(p.m * p.n * p.k, 1);
  if (loop.run_length() == loop.count || work >= kLarge)
    loop.walk(0, loop.count, run);
  else
    loop.run(run, std::max<int64_t>(kLarge / 16 / work, 1));
}

// out = a b or out += a b, for operands and an out that fit.
void multiply(const BatchedProduct& p, const Tensor& a, const Tensor& b, Tensor& out, bool accumulate) {
  if (out.count() == 0 || multiply_rows(a, b, out, accumulate)) return;
  Shape full = p.batch;  // out with the axes of 1-D operands put back
  full.push_back(p.m);
  full.push_back(p.n);
  Strides strides = out.strides();
  if (b.rank() == 1) strides.push_back(1);
  if (a.rank() == 1) strides.insert(strides.rank() - 1, p.n);
  Tensor target = out.view(full, strides);
  const bool in_rows = (p.n == 1 || strides.back() == 1) && (p.m == 1 || strides[strides.rank() - 2] >= p.n);
  if (!in_rows) target = accumulate ? out.clone().view(full, row_major(full)) : empty(full, a.dtype());
  with_floating(a.dtype(), "matmul", [&]<class T>(T) { multiply_batches<T>(p, target, T(accumulate ? 1 : 0)); });
  if (!in_rows) out.copy_(target.view(out.shape(), row_major(out.shape())));
}

}  // namespace

void matmul_into(const Tensor& a, const Tensor& b, Tensor& out, bool accumulate) {
  const BatchedProduct p = checked_operands(a, b);
  if (out.shape() != p.result || out.dtype() != a.dtype())
    fail(ErrorKind::shape, "matmul: out ", out.shape(), " of ", out.dtype(), " does not fit the product of a ",
         a.shape(), " and b ", b.shape(), ", ", p.result, " of ", a.dtype());
  multiply(p, a, b, out, accumulate);
}

Tensor matmul(const Tensor& a, const Tensor& b) {
  const BatchedProduct p = checked_operands(a, b);
  Tensor out = empty(p.result, a.dtype());
  multiply(p, a, b, out, false);
  return out;
}

Tensor dot(const Tensor& a, const Tensor& b) {
  if (a.rank() != 1 || b.rank() != 1)
    fail(ErrorKind::shape, "dot: takes two vectors, got a ", a.shape(), " and b ", b.shape());
  return matmul(a, b);
}

Tensor outer(const Tensor& a, const Tensor& b) {
  if (a.rank() != 1 || b.rank() != 1)
    fail(ErrorKind::shape, "outer: takes two vectors, got a ", a.shape(), " and b ", b.shape());
  return matmul(unsqueeze(a, 1), unsqueeze(b, 0));
}

}  // namespace fovea
