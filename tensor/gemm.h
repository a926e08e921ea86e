// Matrix products on plain memory: C = alpha op(A) op(B) + beta C, row-major, f32 and f64.
//
// op(A) is [m, k], op(B) [k, n], C [m, n]; Trans::yes means that memory holds the transpose (A as [k, m], B as
// [n, k]). lda, ldb, ldc are the elements from one row in memory to the next. With beta = 0, C is not read and may hold
// anything; with alpha = 0 or k = 0, A and B are not read.
//
// Numerics: an element is one chain along k, c = fma(alpha * a, b, c), from beta * C on. Its bits depend neither on
// the number of threads, nor on the sizes m and n, nor on its place, and are the same on every instruction set that
// has a fused multiply-add.
#pragma once
#include <cstdint>

namespace fovea {

enum class Trans { no, yes };

template <class T>
void gemm(Trans ta, Trans tb, int64_t m, int64_t n, int64_t k, T alpha, const T* a, int64_t lda, const T* b,
          int64_t ldb, T beta, T* c, int64_t ldc);

// The same for `batch` products; the i-th operands lie i * stride elements behind the first. The strides of A and B
// may be 0; the matrices of C must not overlap.
template <class T>
void gemm_batched(int64_t batch, Trans ta, Trans tb, int64_t m, int64_t n, int64_t k, T alpha, const T* a, int64_t lda,
                  int64_t stride_a, const T* b, int64_t ldb, int64_t stride_b, T beta, T* c, int64_t ldc,
                  int64_t stride_c);

}  // namespace fovea
