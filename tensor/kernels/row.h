// The walk along a row, vector by vector, that the kernels of reduce.cpp and rows.cpp share.
//
// Element i of a row goes to virtual lane i mod 16, the last elements through a partly filled vector: so a result
// depends neither on the width of a register nor on where in memory the row lies.
#pragma once
#include "tensor/kernels/simd.h"

namespace fovea {
namespace {

// --- whole rows, read and written side by side ---------------------------------------------------------------------
// The body of such a walk is given the vectors read and gives the vectors to be written, so it stands in the code once:
// what does not fill 16 elements at the end of a row passes through blocks of 16, with something else behind it.

template <class T, int R, int W> struct Operands {
  const T* in[R];
  T* out[W ? W : 1] = {};
  T fill[R] = {};  // what follows each row read

  FOVEA_INLINE Operands from(int64_t i) const {
    Operands moved = *this;
    FOVEA_EACH_LANE
    for (int k = 0; k < R; ++k) moved.in[k] += i;
    FOVEA_EACH_LANE
    for (int k = 0; k < W; ++k) moved.out[k] += i;
    return moved;
  }
};

// 16 elements, of which the first `count` come from a row, and back.
template <class T> [[gnu::noinline]] void take_rest(const T* from, int count, T fill, T* block) {
  for (int at = 0; at < 16; at += Vec<T>::size) Vec<T>::load_first(from + at, count - at, fill).store(block + at);
}
template <class T> [[gnu::noinline]] void put_rest(const T* block, int count, T* to) {
  for (int at = 0; at < 16; at += Vec<T>::size) Vec<T>::load(block + at).store_first(to + at, count - at);
}

// Along n elements, a multiple of 16. body(v, y, part): v[R] read, y[W] to be written, the part of Lanes16<T> they
// belong to.
template <class T, int R, int W, class Body>
FOVEA_INLINE void walk_whole(int64_t n, const Operands<T, R, W>& row, Body body) {
  constexpr int size = Vec<T>::size, parts = Lanes16<T>::parts;
  for (int64_t i = 0; i < n; i += 16) {
    const auto step = [&](int part) FOVEA_INLINE_LAMBDA {
      Vec<T> v[R], y[W ? W : 1];
      FOVEA_EACH_LANE
      for (int k = 0; k < R; ++k) v[k] = Vec<T>::load(row.in[k] + i + part * size);
      body(v, y, part);
      FOVEA_EACH_LANE
      for (int k = 0; k < W; ++k) y[k].store(row.out[k] + i + part * size);
    };
    if constexpr (sizeof(T) == 4) {  // sums of each part stay in registers; in f64 this would be a lot of code
      FOVEA_EACH_LANE
      for (int part = 0; part < parts; ++part) step(part);
    } else {
      for (int part = 0; part < parts; ++part) step(part);
    }
  }
}

// The same for any n.
template <class T, int R, int W, class Body> FOVEA_INLINE void walk_row(int64_t n, Operands<T, R, W> row, Body body) {
  alignas(64) T rest[R + W][16];
  const int64_t whole = n / 16 * 16;
  const int count = int(n - whole);
  const Operands<T, R, W> end = row.from(whole);
  for (int64_t walked = 0; walked < n;) {
    if (walked == whole) {
      FOVEA_EACH_LANE
      for (int k = 0; k < R; ++k) take_rest(end.in[k], count, row.fill[k], rest[k]), row.in[k] = rest[k];
      FOVEA_EACH_LANE
      for (int k = 0; k < W; ++k) row.out[k] = rest[R + k];
    }
    const int64_t next = walked == whole ? 16 : whole;
    walk_whole(next, row, body);
    walked += next;
  }
  for (int k = 0; count > 0 && k < W; ++k) put_rest(rest[R + k], count, end.out[k]);
}

// The same where the parts do not matter.
template <class T, int R, int W, class Body> FOVEA_INLINE void map_row(int64_t n, Operands<T, R, W> row, Body body) {
  walk_row(n, row, [&](const Vec<T>* v, Vec<T>* y, int) FOVEA_INLINE_LAMBDA { body(v, y); });
}

// --- what more than one file does with a row ------------------------------------------------------------------------

constexpr auto kAdd = [](auto a, auto b) FOVEA_INLINE_LAMBDA { return a + b; };

// The largest element; which of two if one is NaN does not matter here, because exp(NaN - max) is NaN either way. The
// row's halves are walked side by side: so that half as many steps wait for each other.
template <class T> [[gnu::noinline]] T row_max(int64_t n, const T* x) {
  const T lowest = T(-__builtin_inf());
  const int64_t half = n / 32 * 16;
  Lanes16<T> most(lowest);
  walk_whole(half, Operands<T, 2, 0>{{x, x + half}}, [&](const Vec<T>* v, Vec<T>*, int part) FOVEA_INLINE_LAMBDA {
    most.part[part] = larger(larger(v[0], v[1]), most.part[part]);
  });
  const Operands<T, 1, 0> rest = {{x + 2 * half}, {}, {lowest}};
  walk_row(n - 2 * half, rest, [&](const Vec<T>* v, Vec<T>*, int part) FOVEA_INLINE_LAMBDA {
    most.part[part] = larger(v[0], most.part[part]);
  });
  return most.reduce([](auto a, auto b) FOVEA_INLINE_LAMBDA { return a > b ? a : b; });
}

template <class T> [[gnu::noinline]] void scale_row(int64_t n, T factor, const T* x, T* y) {
  const Vec<T> f(factor);
  map_row(n, Operands<T, 1, 1>{{x}, {y}},
          [&](const Vec<T>* v, Vec<T>* scaled) FOVEA_INLINE_LAMBDA { scaled[0] = v[0] * f; });
}

}  // namespace
}  // namespace fovea
