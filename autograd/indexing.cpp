#include "autograd/indexing.h"

#include "autograd/operation.h"
#include "autograd/views.h"
#include "tensor/reduce.h"

namespace fovea {
namespace {

struct Cat {  // each part gets its piece of dy back
  int axis;
  std::vector<int64_t> sizes;
  Tensor forward(std::span<const Tensor> parts) {
    Tensor y = cat(std::vector<Tensor>(parts.begin(), parts.end()), axis);
    for (const Tensor& part : parts) sizes.push_back(part.size(axis));
    return y;
  }
  std::vector<Tensor> backward(const Tensor& dy) const { return split(dy, sizes, axis); }
};

struct Pad {
  int axis;
  int64_t before, after;
  double value;
  int64_t size = 0;
  Tensor forward(const Tensor& x) {
    size = x.size(axis);
    return pad(x, axis, before, after, value);
  }
  Grads<1> backward(const Tensor& dy, Needs<1>) const { return {narrow(dy, axis, before, size)}; }
};

struct Repeat {  // copy i of the whole tensor adds its share
  Shape times, from;
  Tensor forward(const Tensor& x) {
    from = x.shape();
    return repeat(x, times);
  }
  Grads<1> backward(const Tensor& dy, Needs<1>) const {
    Shape split_up;  // [t0, n0, t1, n1, …]: summed over the t
    Axes copies;
    for (int i = 0; i < times.rank(); ++i) {
      const int in_x = i - (times.rank() - from.rank());
      copies.push_back(split_up.rank());
      split_up.push_back(times[i]);
      split_up.push_back(in_x < 0 ? 1 : from[in_x]);
    }
    return {reshape(sum(reshape(dy, split_up), copies), from)};
  }
};

struct Flip {
  Axes axes;
  Tensor forward(const Tensor& x) { return flip(x, axes); }
  Grads<1> backward(const Tensor& dy, Needs<1>) const { return {flip(dy, axes)}; }
};

struct Roll {
  int64_t shift;
  int axis;
  Tensor forward(const Tensor& x) { return roll(x, shift, axis); }
  Grads<1> backward(const Tensor& dy, Needs<1>) const { return {roll(dy, -shift, axis)}; }
};

struct Gather {  // an element that was picked several times gets the sum
  int axis;
  Tensor index;
  Shape from;
  Tensor forward(const Tensor& x) {
    from = x.shape();
    return gather(x, axis, index);
  }
  Grads<1> backward(const Tensor& dy, Needs<1>) const {
    return {scatter_add(zeros(from, dy.dtype()), axis, index, dy)};
  }
};

struct ScatterAdd {
  int axis;
  Tensor index;
  Shape src_shape;
  Tensor forward(const Tensor& x, const Tensor& src) {
    src_shape = src.shape();
    return scatter_add(x, axis, index, src);
  }
  Grads<2> backward(const Tensor& dy, Needs<2> needs) const {
    Tensor dsrc;
    if (needs[1]) {  // what lies outside the index was not added
      dsrc = zeros(src_shape, dy.dtype());
      Tensor added = dsrc;
      for (int i = 0; i < index.rank(); ++i) added = narrow(added, i, 0, index.size(i));
      added.copy_(gather(dy, axis, index));
    }
    return {dy, dsrc};
  }
};

struct IndexSelect {
  int axis;
  Tensor index;
  Shape from;
  Tensor forward(const Tensor& x) {
    from = x.shape();
    return index_select(x, axis, index);
  }
  Grads<1> backward(const Tensor& dy, Needs<1>) const {
    Tensor dx = zeros(from, dy.dtype());
    index_add_(dx, axis, index, dy);
    return {dx};
  }
};

struct TakeRows {  // y_i = table[index_i];  dtable[v] = Σ dy_i over the i with index_i = v
  Tensor index;
  Shape from;
  Tensor forward(const Tensor& table) {
    from = table.shape();
    return take_rows(table, index);
  }
  Grads<1> backward(const Tensor& dy, Needs<1>) const {
    Tensor dtable = zeros(from, dy.dtype());
    Shape rows = from;
    rows[0] = index.count();
    index_add_(dtable, 0, reshape(index, {index.count()}), reshape(dy, rows));
    return {dtable};
  }
};

struct Tril {
  int64_t diagonal;
  Tensor forward(const Tensor& x) { return tril(x, diagonal); }
  Grads<1> backward(const Tensor& dy, Needs<1>) const { return {tril(dy, diagonal)}; }
};

struct Triu {
  int64_t diagonal;
  Tensor forward(const Tensor& x) { return triu(x, diagonal); }
  Grads<1> backward(const Tensor& dy, Needs<1>) const { return {triu(dy, diagonal)}; }
};

std::vector<Variable> cut(const Variable& x, const std::vector<Tensor>& pieces, int axis) {
  std::vector<Variable> result;
  int64_t start = 0;
  for (const Tensor& piece : pieces) {
    result.push_back(narrow(x, axis, start, piece.size(axis)));
    start += piece.size(axis);
  }
  return result;
}

}  // namespace

Variable cat(const std::vector<Variable>& parts, int axis) { return record(Cat{axis, {}}, std::span(parts)); }

Variable stack(const std::vector<Variable>& parts, int axis) {
  std::vector<Tensor> values;
  std::vector<Variable> with_axis;
  for (const Variable& part : parts) values.push_back(part.value());
  stack(values, axis);  // says what is wrong in its own name
  for (const Variable& part : parts) with_axis.push_back(unsqueeze(part, axis));
  return cat(with_axis, axis);
}

std::vector<Variable> split(const Variable& x, int64_t size, int axis) {
  return cut(x, split(x.value(), size, axis), axis);
}
std::vector<Variable> split(const Variable& x, const std::vector<int64_t>& sizes, int axis) {
  return cut(x, split(x.value(), sizes, axis), axis);
}
std::vector<Variable> chunk(const Variable& x, int64_t chunks, int axis) {
  return cut(x, chunk(x.value(), chunks, axis), axis);
}
Variable pad(const Variable& x, int axis, int64_t before, int64_t after, double value) {
  return record(Pad{axis, before, after, value}, x);
}
Variable repeat(const Variable& x, const Shape& times) { return record(Repeat{times, {}}, x); }
Variable flip(const Variable& x, const Axes& axes) { return record(Flip{axes}, x); }
Variable roll(const Variable& x, int64_t shift, int axis) { return record(Roll{shift, axis}, x); }

Variable gather(const Variable& x, int axis, const Tensor& index) { return record(Gather{axis, index, {}}, x); }
Variable scatter_add(const Variable& x, int axis, const Tensor& index, const Variable& src) {
  return record(ScatterAdd{axis, index, {}}, x, src);
}
Variable index_select(const Variable& x, int axis, const Tensor& index) {
  return record(IndexSelect{axis, index, {}}, x);
}
Variable take_rows(const Variable& table, const Tensor& index) { return record(TakeRows{index, {}}, table); }

Variable tril(const Variable& x, int64_t diagonal) { return record(Tril{diagonal}, x); }
Variable triu(const Variable& x, int64_t diagonal) { return record(Triu{diagonal}, x); }

// The values are picked by the indices that sorting found, so their gradient is gather's.
SortedVariable sort(const Variable& x, int axis, bool descending) {
  const Tensor indices = sort(x.value(), axis, descending).indices;
  return {gather(x, axis, indices), indices};
}
SortedVariable topk(const Variable& x, int64_t k, int axis, bool largest) {
  const Tensor indices = topk(x.value(), k, axis, largest).indices;
  return {gather(x, axis, indices), indices};
}

}  // namespace fovea
