#include "tensor/sort.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "tensor/loop.h"
#include "tensor/views.h"

namespace fovea {
namespace {

// Whether element i comes before j: by value, NaN after everything, and by place where that is a tie.
template <class T> bool comes_before(const T* row, int64_t i, int64_t j, bool descending) {
  const T a = row[i], b = row[j];
  const bool a_is_nan = a != a, b_is_nan = b != b;
  if (a_is_nan || b_is_nan) return a_is_nan == b_is_nan ? i < j : b_is_nan;
  if (a != b) return descending ? a > b : a < b;
  return i < j;
}

// The first k of each row's order. Rows are independent, so the threads share them.
template <class T> void sort_rows(const Tensor& x, int64_t k, bool descending, Tensor& values, Tensor& indices) {
  const int64_t n = x.shape().back();
  const T* from = x.data<T>();
  T* to = values.data<T>();
  int64_t* places = indices.data<int64_t>();
  parallel_for(k > 0 ? values.count() / k : 0, std::max<int64_t>(kGrain / (8 * n + 1), 1),
               [&](int64_t first, int64_t last) {
                 std::vector<int64_t> order(size_t(n), 0);
                 for (int64_t r = first; r < last; ++r) {
                   const T* row = from + r * n;
                   std::iota(order.begin(), order.end(), 0);
                   const auto before = [&](int64_t i, int64_t j) { return comes_before(row, i, j, descending); };
                   if (k == n)
                     std::sort(order.begin(), order.end(), before);
                   else
                     std::partial_sort(order.begin(), order.begin() + k, order.end(), before);
                   for (int64_t i = 0; i < k; ++i) {
                     places[r * k + i] = order[size_t(i)];
                     to[r * k + i] = row[order[size_t(i)]];
                   }
                 }
               });
}

Sorted first_in_order(const Tensor& x, int64_t k, int axis, bool descending) {
  const Tensor rows = transpose(x, axis, -1).contiguous();  // the axis last
  Shape shape = rows.shape();
  shape.back() = k;
  Sorted result{empty(shape, x.dtype()), empty(shape, DType::i64)};
  with_type(x.dtype(), [&]<class T>(T) { sort_rows<T>(rows, k, descending, result.values, result.indices); });
  return {transpose(result.values, axis, -1).contiguous(), transpose(result.indices, axis, -1).contiguous()};
}

}  // namespace

Sorted sort(const Tensor& x, int axis, bool descending) {
  const int place = normalize_axis("sort", axis, x.rank());
  return first_in_order(x, x.shape()[place], place, descending);
}

Tensor argsort(const Tensor& x, int axis, bool descending) { return sort(x, axis, descending).indices; }

Sorted topk(const Tensor& x, int64_t k, int axis, bool largest) {
  const int place = normalize_axis("topk", axis, x.rank());
  if (k < 0 || k > x.shape()[place])
    fail(ErrorKind::value, "topk: k is ", k, ", axis ", place, " of x ", x.shape(), " has ", x.shape()[place]);
  return first_in_order(x, k, place, largest);
}

}  // namespace fovea
