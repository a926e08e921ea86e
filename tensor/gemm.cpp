// The blocked loops of the matrix product (K. Goto, R. van de Geijn, "Anatomy of High-Performance Matrix
// Multiplication", 2008; F. Van Zee, R. van de Geijn, "BLIS", 2015).
//
//   for each piece of C: rows x columns       one thread's work
//     for each kc of the inner axis           A packed, if it cannot be read well where it lies
//       for each nc columns                   B packed: kc x nc                        (second-level cache)
//         for each tile of mr rows            mr x kc of A                             (first-level cache)
//           for each panel of nr columns      the micro-kernel: kc x nr of B streams   (registers)
//
// The two inner loops and all that knows vectors are in tensor/kernels/. Packing costs a copy: a B whose rows lie in
// memory is copied by the first tile that reads it, behind its multiplications, and where an operand is used too few
// times to pay for a copy, the micro-kernel reads it where it lies. A piece packs for itself: so the threads meet only
// at the end.
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

  bool add() const { return beta != T(0); }
};

constexpr double kWorthThreads = 100e3;  // multiplications below which a second thread costs more than it brings
constexpr double kPieceWork = 1e6;       // multiplications in a piece of work: some ten microseconds or more
constexpr double kBatchedWork = 400e3;   // the same where a piece is whole products, which start at once
constexpr int64_t kPackedRows = 1024;    // of A, at most: a few megabytes

// How a product is cut up.
struct Plan {
  bool pack_a, pack_b;
  int64_t kc, nc;      // of the inner axis, and columns of B, at a time
  int64_t rows, cols;  // of C in one piece
};

// Cuts C into `least` pieces or up to `most`, down and across, whatever costs least. A is packed for each piece across,
// B for each piece down; but with more pieces than threads, one that is held up can leave some of its own to the
// others.
template <class T> void cut(const GemmTable<T>& t, const Product<T>& p, int64_t least, int64_t most, Plan& plan) {
  double best = 0;
  for (int64_t pieces = least; pieces <= most; pieces *= 2) {
    for (int64_t down = 1; down <= pieces && (down <= least || p.m / down >= t.mr); ++down) {
      if (pieces % down != 0) continue;
      const int64_t rows = ceil_div(p.m, down), cols = round_up(ceil_div(p.n, pieces / down), t.nr);
      const double a_copies = double(p.m) * double(ceil_div(p.n, cols)), b_copies = double(p.n) * double(down);
      // in multiplications, over k; the work is that of the largest piece, as if all were as large
      const double work = double(rows) * double(cols) * double(pieces) * (1 + 0.05 * double(least) / double(pieces));
      const double cost = work + 6 * ((plan.pack_a ? 1 : 0.25) * a_copies + (plan.pack_b ? 1 : 0.05) * b_copies);
      if (best == 0 || cost < best) {
        best = cost;
        plan.rows = rows;
        plan.cols = cols;
      }
    }
  }
}

template <class T> Plan make_plan(const GemmTable<T>& t, const Product<T>& p, int64_t workers) {
  Plan plan;
  // A is read once for each nc columns: where it lies that costs no more than to read a copy, unless its rows, or its
  // columns if they are what memory holds, are some multiple of 4 KiB apart and so share a few sets of the first-level
  // cache; or unless a tile's part of a column is so short that most of its cache line is fetched for nothing.
  const int64_t apart = std::max(p.a.row, p.a.col) * int64_t(sizeof(T));
  const bool short_parts = p.a.col != 1 && t.mr * sizeof(T) < 48;
  plan.pack_a = p.alpha != T(1) || (short_parts ? p.n > 4 * t.nr : apart % 4096 == 0 && p.n > 16 * t.nr);
  plan.pack_b = p.b.col != 1;
  if (workers == 1 && p.k <= t.kc && p.k * p.n <= t.block_size && !plan.pack_a) {  // all at once
    plan.kc = p.k, plan.nc = round_up(p.n, t.nr), plan.rows = p.m, plan.cols = p.n;
    return plan;
  }
  plan.kc = ceil_div(p.k, ceil_div(p.k, t.kc));  // even shares: 1024 is 2 x 512, not 768 + 256
  const double work = double(p.m) * double(p.n) * double(p.k) / double(workers);
  cut(t, p, workers, workers == 1 ? 1 : workers * std::clamp<int64_t>(int64_t(work / kPieceWork), 1, 16), plan);
  if (plan.pack_a) plan.rows = std::min(plan.rows, kPackedRows);
  const int64_t widest = std::max(t.nr, t.block_size / plan.kc / t.nr * t.nr);
  plan.nc = round_up(ceil_div(plan.cols, ceil_div(plan.cols, widest)), t.nr);
  return plan;
}

// `rows` elements of column j, from row i on, as a row of the transposed product: for alpha = 1.
template <class T>
void multiply_column(const GemmTable<T>& t, const Product<T>& p, int64_t i, int64_t rows, int64_t j) {
  T* const b = packed_b.get<T>(p.k + rows);
  T* const c = b + p.k;
  for (int64_t l = 0; l < p.k; ++l) b[l] = *p.b.at(l, j);
  for (int64_t r = 0; p.add() && r < rows; ++r) c[r] = p.c[(i + r) * p.ldc + j];
  t.row(rows, p.k, b, p.a.at(i, 0), p.a.col, p.a.row, p.add(), c);
  for (int64_t r = 0; r < rows; ++r) p.c[(i + r) * p.ldc + j] = c[r];
}

// One piece of C: `rows` x `cols` at (i, j).
template <class T>
void multiply_piece(const GemmTable<T>& t, const Product<T>& p, const Plan& plan, int64_t i, int64_t rows, int64_t j,
                    int64_t cols) {
  if (cols % t.nr == 1 && p.alpha == T(1)) multiply_column(t, p, i, rows, j + --cols);  // alone in its panel
  for (int64_t l = 0; l < p.k; l += plan.kc) {
    const int64_t depth = std::min(plan.kc, p.k - l);
    typename GemmTable<T>::Operand a{p.a.at(i, l), p.a.row, p.a.col, plan.pack_a};
    if (plan.pack_a) {
      T* block = packed_a.get<T>(rows * (depth + 16));
      t.pack_a(rows, depth, p.alpha, a.data, a.row, a.col, block);
      a.data = block;
    }
    for (int64_t first = 0; first < cols; first += plan.nc) {
      const int64_t width = std::min(plan.nc, cols - first);
      typename GemmTable<T>::Operand b{p.b.at(l, j + first), p.b.row, p.b.col, plan.pack_b};
      T* const space = plan.pack_b || b.col == 1 ? packed_b.get<T>((depth + 1) * plan.nc) : nullptr;
      if (plan.pack_b) {
        t.pack_b(depth, width, b.data, b.row, b.col, space);
        b.data = space;
      }
      t.block(rows, width, depth, a, b, space, p.add() || l > 0, p.c + i * p.ldc + j + first, p.ldc);
    }
  }
}

template <class T> void multiply_blocked(const GemmTable<T>& t, const Product<T>& p, int64_t workers) {
  const Plan plan = make_plan(t, p, workers);
  if (plan.rows == p.m && plan.cols == p.n) return multiply_piece(t, p, plan, 0, p.m, 0, p.n);
  const int64_t down = ceil_div(p.m, plan.rows), across = ceil_div(p.n, plan.cols);
  parallel_for(down * across, 1, [&](int64_t begin, int64_t end) {
    for (int64_t piece = begin; piece < end; ++piece) {
      const int64_t i = piece / across * plan.rows, j = piece % across * plan.cols;
      multiply_piece(t, p, plan, i, std::min(plan.rows, p.m - i), j, std::min(plan.cols, p.n - j));
    }
  });
}

// One row.
template <class T> void multiply_row(const GemmTable<T>& t, const Product<T>& p, int64_t workers) {
  const T* a = p.a.data;
  if (p.alpha != T(1) || p.a.col != 1) {
    T* scaled = packed_a.get<T>(p.k);
    for (int64_t l = 0; l < p.k; ++l) scaled[l] = p.alpha * p.a.data[l * p.a.col];
    a = scaled;
  }
  parallel_for(p.n, round_up(ceil_div(p.n, workers), 4 * t.nr), [&](int64_t begin, int64_t end) {
    t.row(end - begin, p.k, a, p.b.at(0, begin), p.b.row, p.b.col, p.add(), p.c + begin);
  });
}

// C = beta C. The kernels know only C = A B and C += A B.
template <class T> void scale(const Product<T>& p) {
  for (int64_t i = 0; i < p.m; ++i) {
    T* row = p.c + i * p.ldc;
    for (int64_t j = 0; j < p.n; ++j) row[j] = p.add() ? p.beta * row[j] : T(0);
  }
}

int64_t workers_for(double multiplications) { return multiplications < kWorthThreads ? 1 : threads(); }

template <class T> void multiply(const Product<T>& p, int64_t workers) {
  if (p.m == 0 || p.n == 0) return;
  const bool nothing = p.k == 0 || p.alpha == T(0);
  if (p.beta != T(1) && (p.add() || nothing)) scale(p);
  if (nothing) return;
  if (p.m == 1) {
    multiply_row(table_of<T>(*kernels().gemm), p, workers);
  } else {
    multiply_blocked(table_of<T>(*kernels().gemm), p, workers);
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
  const int64_t grain = std::min(ceil_div(batch, workers), 1 + int64_t(kBatchedWork / (work + 1)));
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
