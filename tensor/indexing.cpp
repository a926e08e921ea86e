#include "tensor/indexing.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "tensor/elementwise.h"
#include "tensor/loop.h"
#include "tensor/views.h"

namespace fovea {
namespace {

// The shape or strides without one axis.
Dims without(const Dims& dims, int axis) {
  Dims rest = dims;
  rest.erase(axis);
  return rest;
}

void check_dtype(const char* operation, const Tensor& index) {
  if (index.dtype() != DType::i64)
    fail(ErrorKind::dtype, operation, ": index ", index.shape(), " is ", index.dtype(), ", it must be i64");
}

[[noreturn]] void outside(const char* operation, int64_t index, int axis, const Tensor& x) {
  const char* hint = index < 0 ? "; negative indices do not count from the end here" : "";
  fail(ErrorKind::index, operation, ": index ", index, " outside axis ", axis, " of x ", x.shape(), ", which has ",
       x.shape()[axis], hint);
}

inline bool is_outside(int64_t index, int64_t size) { return uint64_t(index) >= uint64_t(size); }

// The indices of an [n] tensor, each checked against x's axis.
std::vector<int64_t> checked_indices(const char* operation, const Tensor& index, int axis, const Tensor& x) {
  check_dtype(operation, index);
  if (index.rank() != 1)
    fail(ErrorKind::shape, operation, ": index ", index.shape(), " has ", index.rank(), " axes, it must have one");
  std::vector<int64_t> indices = index.to_vector<int64_t>();
  for (int64_t i : indices) {
    if (is_outside(i, x.shape()[axis])) outside(operation, i, axis, x);
  }
  return indices;
}

// What gather and scatter_add ask of index: x's rank, and no more than `limit` has along the axes it shares.
void check_index_shape(const char* operation, const Tensor& index, const Tensor& other, const char* role,
                       int free_axis) {
  bool fits = index.rank() == other.rank();
  for (int i = 0; fits && i < index.rank(); ++i) fits = i == free_axis || index.shape()[i] <= other.shape()[i];
  if (!fits)
    fail(ErrorKind::shape, operation, ": index ", index.shape(), " does not fit into ", role, " ", other.shape(),
         "; it needs as many axes, none of them larger",
         free_axis >= 0 ? " (except axis " + std::to_string(free_axis) + ")" : std::string());
}

void check_same_dtype(const char* operation, const Tensor& x, const Tensor& other, const char* role) {
  if (x.dtype() != other.dtype())
    fail(ErrorKind::dtype, operation, ": x is ", x.dtype(), ", ", role, " is ", other.dtype(),
         "; convert one with .to()");
}

// A piece of parallel work along n things that cost `each` element moves.
int64_t grain_for(int64_t each) { return std::max<int64_t>(kGrain / std::max<int64_t>(each, 1), 1); }

}  // namespace

// --- joining and cutting -----------------------------------------------------------------------------------

Tensor cat(const std::vector<Tensor>& parts, int axis) {
  if (parts.empty()) fail(ErrorKind::value, "cat: no tensors");
  const Tensor& first = parts[0];
  const int place = normalize_axis("cat", axis, first.rank());
  Shape shape = first.shape();
  shape[place] = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    const Tensor& part = parts[i];
    if (part.dtype() != first.dtype())
      fail(ErrorKind::dtype, "cat: part 0 is ", first.dtype(), ", part ", i, " is ", part.dtype());
    if (part.rank() != first.rank() || without(part.shape(), place) != without(first.shape(), place))
      fail(ErrorKind::shape, "cat: part ", i, " ", part.shape(), " does not fit to part 0 ", first.shape(),
           "; all sizes but that of axis ", place, " must agree");
    shape[place] += part.shape()[place];
  }
  Tensor result = empty(shape, first.dtype());
  int64_t at = 0;
  for (const Tensor& part : parts) {
    narrow(result, place, at, part.shape()[place]).copy_(part);
    at += part.shape()[place];
  }
  return result;
}

Tensor stack(const std::vector<Tensor>& parts, int axis) {
  if (parts.empty()) fail(ErrorKind::value, "stack: no tensors");
  std::vector<Tensor> unsqueezed;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].shape() != parts[0].shape())
      fail(ErrorKind::shape, "stack: part ", i, " ", parts[i].shape(), " has not the shape of part 0, ",
           parts[0].shape());
    unsqueezed.push_back(unsqueeze(parts[i], axis));
  }
  return cat(unsqueezed, axis < 0 ? axis + unsqueezed[0].rank() : axis);
}

std::vector<Tensor> split(const Tensor& x, int64_t size, int axis) {
  const int place = normalize_axis("split", axis, x.rank());
  const int64_t total = x.shape()[place];
  if (size < 1) fail(ErrorKind::value, "split: pieces of ", size, " elements; the size must be at least 1");
  std::vector<Tensor> parts;
  for (int64_t at = 0; at < total || at == 0; at += size)
    parts.push_back(narrow(x, place, at, std::min(size, total - at)));
  return parts;
}

std::vector<Tensor> split(const Tensor& x, const std::vector<int64_t>& sizes, int axis) {
  const int place = normalize_axis("split", axis, x.rank());
  int64_t at = 0;
  for (int64_t size : sizes) at += size;
  if (at != x.shape()[place])
    fail(ErrorKind::shape, "split: the sizes add up to ", at, ", axis ", place, " of x ", x.shape(), " has ",
         x.shape()[place]);
  std::vector<Tensor> parts;
  at = 0;
  for (int64_t size : sizes) {
    parts.push_back(narrow(x, place, at, size));
    at += size;
  }
  return parts;
}

std::vector<Tensor> chunk(const Tensor& x, int64_t chunks, int axis) {
  const int place = normalize_axis("chunk", axis, x.rank());
  if (chunks < 1) fail(ErrorKind::value, "chunk: ", chunks, " chunks; there must be at least 1");
  return split(x, std::max<int64_t>((x.shape()[place] + chunks - 1) / chunks, 1), place);
}

Tensor pad(const Tensor& x, int axis, int64_t before, int64_t after, double value) {
  const int place = normalize_axis("pad", axis, x.rank());
  if (before < 0 || after < 0)
    fail(ErrorKind::value, "pad: ", before, " elements before and ", after, " behind axis ", place, " of x ", x.shape(),
         "; to take some away use narrow()");
  if (before == 0 && after == 0) return x;
  Shape shape = x.shape();
  shape[place] += before + after;
  Tensor result = empty(shape, x.dtype());
  narrow(result, place, 0, before).fill_(value);
  narrow(result, place, before, x.shape()[place]).copy_(x);
  narrow(result, place, before + x.shape()[place], after).fill_(value);
  return result;
}

Tensor repeat(const Tensor& x, const Shape& times) {
  if (times.rank() < x.rank())
    fail(ErrorKind::shape, "repeat: x ", x.shape(), " has ", x.rank(), " axes, times ", times, " names ", times.rank());
  Tensor result = x;
  while (result.rank() < times.rank()) result = unsqueeze(result, 0);
  Shape shape = result.shape();
  for (int axis = 0; axis < times.rank(); ++axis) {
    shape[axis] = checked_product("repeat", shape[axis], times[axis]);
    if (times[axis] > 1) result = cat(std::vector<Tensor>(size_t(times[axis]), result), axis);
  }
  return result.count() == 0 || times.contains(0) ? empty(shape, x.dtype()) : result.clone();
}

Tensor flip(const Tensor& x, const Axes& axes) {
  Strides strides = x.strides();
  int64_t offset = 0;
  for (int64_t axis : axes) {
    const int place = normalize_axis("flip", axis, x.rank());
    offset += std::max<int64_t>(x.shape()[place] - 1, 0) * strides[place];
    strides[place] = -strides[place];
  }
  return x.view(x.shape(), strides, offset).clone();
}

Tensor roll(const Tensor& x, int64_t shift, int axis) {
  const int place = normalize_axis("roll", axis, x.rank());
  const int64_t size = x.shape()[place];
  if (size == 0) return x.clone();
  const int64_t front = ((-shift) % size + size) % size;  // this element comes first
  return cat({narrow(x, place, front, size - front), narrow(x, place, 0, front)}, place);
}

// --- one index per element ---------------------------------------------------------------------------------

Tensor gather(const Tensor& x, int axis, const Tensor& index) {
  const int place = normalize_axis("gather", axis, x.rank());
  check_dtype("gather", index);
  check_index_shape("gather", index, x, "x", place);
  Tensor y = empty(index.shape(), x.dtype());
  Strides x_strides = x.strides();
  const int64_t step = x_strides[place], size = x.shape()[place];
  x_strides[place] = 0;
  const Loop loop(y.shape(), {x_strides, index.strides(), y.strides()});
  const int64_t* indices = index.data<int64_t>();
  with_type(x.dtype(), [&]<class T>(T) {
    const T* from = x.data<T>();
    T* to = y.data<T>();
    loop.run([&](const int64_t* at, int64_t n) {
      for (int64_t i = 0; i < n; ++i) {
        const int64_t k = indices[at[1] + i * loop.run_strides[1]];
        if (is_outside(k, size)) outside("gather", k, place, x);
        to[at[2] + i * loop.run_strides[2]] = from[at[0] + i * loop.run_strides[0] + k * step];
      }
    });
  });
  return y;
}

// Elements that differ along other axes never meet, so the threads share those; each goes along the axis in order.
Tensor scatter_add(const Tensor& x, int axis, const Tensor& index, const Tensor& src) {
  const int place = normalize_axis("scatter_add", axis, x.rank());
  check_dtype("scatter_add", index);
  check_same_dtype("scatter_add", x, src, "src");
  check_index_shape("scatter_add", index, x, "x", place);
  check_index_shape("scatter_add", index, src, "src", -1);
  Tensor y = x.clone();
  const int64_t length = index.shape()[place], size = x.shape()[place];
  const int64_t y_step = y.strides()[place], i_step = index.strides()[place], s_step = src.strides()[place];
  const Loop loop(without(index.shape(), place),
                  {without(y.strides(), place), without(index.strides(), place), without(src.strides(), place)});
  const int64_t* indices = index.data<int64_t>();
  with_type(x.dtype(), [&]<class T>(T) {
    T* to = y.data<T>();
    const T* from = src.data<T>();
    const auto lanes = [&](const int64_t* at, int64_t n) {
      for (int64_t i = 0; i < n; ++i) {
        T* lane = to + at[0] + i * loop.run_strides[0];
        const int64_t* where = indices + at[1] + i * loop.run_strides[1];
        const T* values = from + at[2] + i * loop.run_strides[2];
        for (int64_t j = 0; j < length; ++j) {
          const int64_t k = where[j * i_step];
          if (is_outside(k, size)) outside("scatter_add", k, place, x);
          lane[k * y_step] = T(lane[k * y_step] + values[j * s_step]);
        }
      }
    };
    loop.run(lanes, grain_for(length));
  });
  return y;
}

// --- one index per slice -----------------------------------------------------------------------------------

namespace {

// y's slice j along the axis = x's slice indices[j].
void copy_slices(const Tensor& x, Tensor& y, int axis, const std::vector<int64_t>& indices) {
  const Loop slice(without(x.shape(), axis), {without(x.strides(), axis), without(y.strides(), axis)});
  const int64_t x_run = slice.run_strides[0], y_run = slice.run_strides[1];
  const int64_t x_step = x.strides()[axis], y_step = y.strides()[axis];
  with_type(x.dtype(), [&]<class T>(T) {
    const T* from = x.data<T>();
    T* to = y.data<T>();
    parallel_for(int64_t(indices.size()), grain_for(slice.count), [&](int64_t first, int64_t last) {
      for (int64_t j = first; j < last; ++j) {
        slice.walk(0, slice.count, [&](const int64_t* at, int64_t n) {
          const T* s = from + indices[size_t(j)] * x_step + at[0];
          T* t = to + j * y_step + at[1];
          if (x_run == 1 && y_run == 1)
            std::memcpy(static_cast<void*>(t), s, size_t(n) * sizeof(T));
          else
            for (int64_t i = 0; i < n; ++i) t[i * y_run] = s[i * x_run];
        });
      }
    });
  });
}

}  // namespace

Tensor index_select(const Tensor& x, int axis, const Tensor& index) {
  const int place = normalize_axis("index_select", axis, x.rank());
  const std::vector<int64_t> indices = checked_indices("index_select", index, place, x);
  Shape shape = x.shape();
  shape[place] = int64_t(indices.size());
  Tensor y = empty(shape, x.dtype());
  copy_slices(x, y, place, indices);
  return y;
}

Tensor take_rows(const Tensor& table, const Tensor& index) {
  if (table.rank() < 1) fail(ErrorKind::shape, "take_rows: the table [] has no rows");
  const std::vector<int64_t> indices = checked_indices("take_rows", reshape(index, {index.count()}), 0, table);
  Shape row = without(table.shape(), 0), rows = row, shape = index.shape();
  rows.insert(0, int64_t(indices.size()));
  for (int64_t size : row) shape.push_back(size);
  Tensor y = empty(rows, table.dtype());
  copy_slices(table, y, 0, indices);
  return y.view(shape, row_major(shape));
}

// The elements of a slice are shared among the threads; each takes every index in order, so equal indices add up in
// the same order always.
void index_add_(Tensor& x, int axis, const Tensor& index, const Tensor& src) {
  const int place = normalize_axis("index_add", axis, x.rank());
  const std::vector<int64_t> indices = checked_indices("index_add", index, place, x);
  check_same_dtype("index_add", x, src, "src");
  Shape wanted = x.shape();
  wanted[place] = int64_t(indices.size());
  if (src.shape() != wanted)
    fail(ErrorKind::shape, "index_add: src ", src.shape(), " must be ", wanted, ", a slice of x ", x.shape(),
         " for each of the ", indices.size(), " indices");
  const Loop slice(without(x.shape(), place), {without(x.strides(), place), without(src.strides(), place)});
  const int64_t x_run = slice.run_strides[0], s_run = slice.run_strides[1];
  const int64_t x_step = x.strides()[place], s_step = src.strides()[place];
  with_type(x.dtype(), [&]<class T>(T) {
    T* to = x.data<T>();
    const T* from = src.data<T>();
    const auto add = [&](const int64_t* at, int64_t n) {
      for (size_t j = 0; j < indices.size(); ++j) {
        T* t = to + indices[j] * x_step + at[0];
        const T* s = from + int64_t(j) * s_step + at[1];
        for (int64_t i = 0; i < n; ++i) t[i * x_run] = T(t[i * x_run] + s[i * s_run]);
      }
    };
    // No narrower than a cache line, which threads must not share.
    slice.run(add, std::max<int64_t>(grain_for(int64_t(indices.size())), 16));
  });
}

Tensor index_add(const Tensor& x, int axis, const Tensor& index, const Tensor& src) {
  Tensor y = x.clone();
  index_add_(y, axis, index, src);
  return y;
}

// --- places and triangles ----------------------------------------------------------------------------------

Tensor one_hot(const Tensor& index, int64_t classes, DType dtype) {
  check_dtype("one_hot", index);
  Shape shape = index.shape();
  shape.push_back(classes);
  Tensor y = zeros(shape, dtype);
  const std::vector<int64_t> indices = index.to_vector<int64_t>();
  with_type(dtype, [&]<class T>(T) {
    T* to = y.data<T>();
    for (size_t i = 0; i < indices.size(); ++i) {
      if (is_outside(indices[i], classes))
        fail(ErrorKind::index, "one_hot: index ", indices[i], " is not one of ", classes, " classes");
      to[int64_t(i) * classes + indices[i]] = T(1);
    }
  });
  return y;
}

Tensor nonzero(const Tensor& x) {
  const std::vector<bool> set = x.to(DType::boolean).to_vector<bool>();
  const Strides steps = row_major(x.shape());
  std::vector<int64_t> places;
  int64_t found = 0;
  for (int64_t i = 0; i < x.count(); ++i) {
    if (!set[size_t(i)]) continue;
    for (int axis = 0; axis < x.rank(); ++axis) places.push_back(i / steps[axis] % x.shape()[axis]);
    ++found;
  }
  return from_vector(places, {found, x.rank()});
}

namespace {

// x with zeros in columns [begin(row), end(row)) of each matrix.
template <class Begin, class End> Tensor clear_columns(const char* operation, const Tensor& x, Begin begin, End end) {
  if (x.rank() < 2) fail(ErrorKind::shape, operation, ": x ", x.shape(), " has no matrices; it needs two axes");
  Tensor y = x.clone();
  const int64_t rows = x.size(-2), columns = x.size(-1);
  if (y.count() == 0) return y;
  with_type(x.dtype(), [&]<class T>(T) {
    T* data = y.data<T>();
    parallel_for(y.count() / columns, grain_for(columns), [&](int64_t first, int64_t last) {
      for (int64_t row = first; row < last; ++row) {
        const int64_t from = std::clamp<int64_t>(begin(row % rows), 0, columns);
        const int64_t to = std::clamp<int64_t>(end(row % rows), 0, columns);
        for (int64_t column = from; column < to; ++column) data[row * columns + column] = T(0);
      }
    });
  });
  return y;
}

}  // namespace

Tensor tril(const Tensor& x, int64_t diagonal) {
  return clear_columns(
      "tril", x, [=](int64_t row) { return row + diagonal + 1; }, [&](int64_t) { return x.size(-1); });
}

Tensor triu(const Tensor& x, int64_t diagonal) {
  return clear_columns(
      "triu", x, [](int64_t) { return int64_t(0); }, [=](int64_t row) { return row + diagonal; });
}

}  // namespace fovea
