// The blocked loops of the matrix product (K. Goto, R. van de Geijn, "Anatomy of High-Performance Matrix
// Multiplication", 2008; F. Van Zee, R. van de Geijn, "BLIS", 2015).
//
//   for each range of nc columns            B packed once, shared by all threads   (third-level cache)
//     for each piece: a range of rows       one thread's work
//       for each kc of the inner axis       A packed by the thread                 (second-level cache)
//         for each panel of nr columns      kc x nr of B                           (first-level cache)
//           for each tile of mr rows        the micro-kernel                       (registers)
//
// The two inner loops and all that knows vectors are in tensor/kernels/. Packing costs a copy; where an operand is used
// too few times to pay for it, the micro-kernel reads it where it lies.
#include "tensor/gemm.h"

#include <algorithm>
#include <memory>
#include <new>

#include "tensor/dispatch.h"
#include "tensor/error.h"
#include "tensor/kernels/gemm.h"
#include "tensor/parallel.h"

namespace fovea {
namespace {

template <class T> const GemmTable<T>& gemm_table();
template <> const GemmTable<float>& gemm_table() { return kernels().gemm->f32; }
template <> const GemmTable<double>& gemm_table() { return kernels().gemm->f64; }

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

// A thread's memory for packed operands; it grows to what the largest product needs and is kept.
class Workspace {
 public:
  template <class T> T* get(int64_t count) {
    const size_t bytes = size_t(count) * sizeof(T);
    if (bytes > size_) {
      memory_.reset();
      memory_.reset(::operator new(bytes, kAlignment));
      size_ = bytes;
    }
    return static_cast<T*>(memory_.get());
  }

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Free {
    void operator()(void* memory) const { ::operator delete(memory, kAlignment); }
  };
  std::unique_ptr<void, Free> memory_;
  size_t size_ = 0;
};

thread_local Workspace packed_a, packed_b;

template <class T> struct Matrix {  // element (i, j) at data[i * row + j * col]
  const T* data;
  int64_t row, col;

  Matrix(Trans trans, const T* d, int64_t ld)
      : data(d), row(trans == Trans::no ? ld : 1), col(trans == Trans::no ? 1 : ld) {}
  const T* at(int64_t i, int64_t j) const { return data + i * row + j * col; }
};

template <class T> struct Product {
  int64_t m, n, k;
  T alpha;
  Matrix<T> a, b;
  T beta;
  T* c;
  int64_t ldc;
};

// How a product is cut up.
struct Plan {
  bool pack_a, pack_b;
  int64_t kc;          // of the inner axis at a time
  int64_t nc;          // columns of B that are packed together
  int64_t rows, cols;  // of C in one piece
};

constexpr int64_t kPackedB = 1 << 20;  // elements of B packed together: 4 MiB of f32, for the third-level cache

template <class T> Plan make_plan(const GemmTable<T>& t, const Product<T>& p, int64_t workers) {
  Plan plan;
  plan.kc = ceil_div(p.k, ceil_div(p.k, t.kc));  // even shares: 384 is 2 x 192, not 256 + 128
  const int64_t mc = t.mc * t.kc / plan.kc;      // the same memory for a block of A
  int64_t row_pieces = ceil_div(p.m, mc), col_pieces = 1;
  if (p.m >= 2 * t.mr * workers) {
    row_pieces = round_up(row_pieces, workers);
  } else {
    col_pieces = workers;
  }
  // A is read once for each panel of B: where memory holds its rows, it pays for a copy later than where the rows lie
  // across memory, a cache line for each column of a tile.
  plan.pack_a = p.alpha != T(1) || p.n > (p.a.col == 1 ? 16 : 4) * t.nr;
  plan.pack_b = row_pieces > 2 * workers;  // else each thread copies panels for itself
  plan.nc = plan.pack_b ? std::max(t.nr, kPackedB / p.k / t.nr * t.nr) : p.n;
  plan.rows = ceil_div(p.m, row_pieces);
  plan.cols = round_up(ceil_div(std::min(p.n, plan.nc), col_pieces), t.nr);
  return plan;
}

// Packs `cols` columns of B from column j on, over the whole inner axis: block after block of plan.kc rows.
template <class T>
void pack_columns(const GemmTable<T>& t, const Product<T>& p, const Plan& plan, int64_t j, int64_t cols, T* packed,
                  int64_t workers) {
  const int64_t padded = round_up(cols, t.nr), panels = padded / t.nr;
  parallel_for(panels, ceil_div(panels, workers), [&](int64_t begin, int64_t end) {
    const int64_t first = begin * t.nr, count = std::min(cols, end * t.nr) - first;
    for (int64_t l = 0; l < p.k; l += plan.kc) {
      const int64_t depth = std::min(plan.kc, p.k - l);
      t.pack_b(depth, count, p.b.at(l, j + first), p.b.row, p.b.col, packed + l * padded + first * depth);
    }
  });
}

// One piece of C: `rows` x `cols` at (i, j). `packed` holds the columns [j0, ...) of B, `padded` wide, if B is packed.
template <class T>
void multiply_piece(const GemmTable<T>& t, const Product<T>& p, const Plan& plan, int64_t i, int64_t rows, int64_t j,
                    int64_t cols, const T* packed, int64_t j0, int64_t padded) {
  for (int64_t l = 0; l < p.k; l += plan.kc) {
    const int64_t depth = std::min(plan.kc, p.k - l);
    typename GemmTable<T>::Operand a{p.a.at(i, l), p.a.row, p.a.col, plan.pack_a};
    typename GemmTable<T>::Operand b{p.b.at(l, j), p.b.row, p.b.col, plan.pack_b};
    if (plan.pack_a) {
      T* block = packed_a.get<T>(rows * depth);
      t.pack_a(rows, depth, p.alpha, a.data, a.row, a.col, block);
      a.data = block;
    }
    if (plan.pack_b) b.data = packed + l * padded + (j - j0) * depth;
    t.block(rows, cols, depth, a, b, l == 0 ? p.beta : T(1), p.c + i * p.ldc + j, p.ldc);
  }
}

template <class T> void multiply_blocked(const GemmTable<T>& t, const Product<T>& p, int64_t workers) {
  const Plan plan = make_plan(t, p, workers);
  for (int64_t j0 = 0; j0 < p.n; j0 += plan.nc) {
    const int64_t cols = std::min(plan.nc, p.n - j0), padded = round_up(cols, t.nr);
    T* packed = plan.pack_b ? packed_b.get<T>(p.k * padded) : nullptr;
    if (plan.pack_b) pack_columns(t, p, plan, j0, cols, packed, workers);
    const int64_t down = ceil_div(p.m, plan.rows), across = ceil_div(cols, plan.cols), pieces = down * across;
    parallel_for(pieces, workers > 1 ? 1 : pieces, [&](int64_t begin, int64_t end) {
      for (int64_t piece = begin; piece < end; ++piece) {
        const int64_t i = piece / across * plan.rows, j = j0 + piece % across * plan.cols;
        multiply_piece(t, p, plan, i, std::min(plan.rows, p.m - i), j, std::min(plan.cols, j0 + cols - j), packed, j0,
                       padded);
      }
    });
  }
}

// One row: c = alpha a B + beta c.
template <class T> void multiply_row(const GemmTable<T>& t, const Product<T>& p, int64_t workers) {
  const T* a = p.a.data;
  if (p.alpha != T(1) || p.a.col != 1) {
    T* scaled = packed_a.get<T>(p.k);
    for (int64_t l = 0; l < p.k; ++l) scaled[l] = p.alpha * p.a.data[l * p.a.col];
    a = scaled;
  }
  parallel_for(p.n, round_up(ceil_div(p.n, workers), 4 * t.nr), [&](int64_t begin, int64_t end) {
    t.row(end - begin, p.k, a, p.b.at(0, begin), p.b.row, p.b.col, p.beta, p.c + begin);
  });
}

// Below this many multiplications a second thread costs more than it brings (some microseconds of work).
constexpr double kWorthThreads = 100e3;

int64_t workers_for(double multiplications) { return multiplications < kWorthThreads ? 1 : threads(); }

template <class T> void multiply(const Product<T>& p, int64_t workers) {
  if (p.m == 0 || p.n == 0) return;
  if (p.k == 0 || p.alpha == T(0)) {
    for (int64_t i = 0; i < p.m; ++i) {
      T* row = p.c + i * p.ldc;
      for (int64_t j = 0; j < p.n; ++j) row[j] = p.beta == T(0) ? T(0) : p.beta * row[j];
    }
  } else if (p.m == 1) {
    multiply_row(gemm_table<T>(), p, workers);
  } else {
    multiply_blocked(gemm_table<T>(), p, workers);
  }
}

void check(const char* what, Trans ta, Trans tb, int64_t m, int64_t n, int64_t k, int64_t lda, int64_t ldb,
           int64_t ldc) {
  if (m < 0 || n < 0 || k < 0) fail(ErrorKind::shape, what, ": negative size in m ", m, ", n ", n, ", k ", k);
  const int64_t width_a = ta == Trans::no ? k : m, width_b = tb == Trans::no ? n : k;
  const auto check_ld = [&](const char* name, int64_t ld, int64_t width) {
    if (ld < width)
      fail(ErrorKind::shape, what, ": ", name, " is ", ld, ", but a row in memory has ", width, " elements");
  };
  check_ld("lda", lda, width_a);
  check_ld("ldb", ldb, width_b);
  check_ld("ldc", ldc, n);
}

}  // namespace

template <class T>
void gemm(Trans ta, Trans tb, int64_t m, int64_t n, int64_t k, T alpha, const T* a, int64_t lda, const T* b,
          int64_t ldb, T beta, T* c, int64_t ldc) {
  check("gemm", ta, tb, m, n, k, lda, ldb, ldc);
  multiply<T>({m, n, k, alpha, {ta, a, lda}, {tb, b, ldb}, beta, c, ldc},
              workers_for(double(m) * double(n) * double(k)));
}

template <class T>
void gemm_batched(int64_t batch, Trans ta, Trans tb, int64_t m, int64_t n, int64_t k, T alpha, const T* a, int64_t lda,
                  int64_t stride_a, const T* b, int64_t ldb, int64_t stride_b, T beta, T* c, int64_t ldc,
                  int64_t stride_c) {
  check("gemm_batched", ta, tb, m, n, k, lda, ldb, ldc);
  const double work = double(m) * double(n) * double(k);  // of one product
  const auto product = [&](int64_t i) {
    return Product<T>{m,  n, k, alpha, {ta, a + i * stride_a, lda}, {tb, b + i * stride_b, ldb}, beta, c + i * stride_c,
                      ldc};
  };
  const int64_t workers = workers_for(work * double(batch));
  if (batch < workers) {  // too few to give each thread one: the threads share each product
    for (int64_t i = 0; i < batch; ++i) multiply(product(i), workers_for(work));
    return;
  }
  const int64_t grain = std::min(ceil_div(batch, workers), 1 + int64_t(kWorthThreads / (work + 1)));
  parallel_for(batch, workers > 1 ? grain : batch, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) multiply(product(i), 1);
  });
}

template void gemm(Trans, Trans, int64_t, int64_t, int64_t, float, const float*, int64_t, const float*, int64_t, float,
                   float*, int64_t);
template void gemm(Trans, Trans, int64_t, int64_t, int64_t, double, const double*, int64_t, const double*, int64_t,
                   double, double*, int64_t);
template void gemm_batched(int64_t, Trans, Trans, int64_t, int64_t, int64_t, float, const float*, int64_t, int64_t,
                           const float*, int64_t, int64_t, float, float*, int64_t, int64_t);
template void gemm_batched(int64_t, Trans, Trans, int64_t, int64_t, int64_t, double, const double*, int64_t, int64_t,
                           const double*, int64_t, int64_t, double, double*, int64_t, int64_t);

}  // namespace fovea
