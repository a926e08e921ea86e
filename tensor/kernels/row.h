// The walk along a row, vector by vector, that the kernels of reduce.cpp and rows.cpp share.
//
// Element i of a row goes to virtual lane i mod 16, the last elements through a partly filled vector: so a result
// depends neither on the width of a register nor on where in memory the row lies.
#pragma once
#include "tensor/kernels/simd.h"

namespace fovea {
namespace {

// Every lane of a vector is part of the row.
struct AllLanes {
  template <class T> static FOVEA_INLINE Vec<T> load(const T* from) { return Vec<T>::load(from); }
  template <class T> static FOVEA_INLINE void store(Vec<T> v, T* to) { v.store(to); }
  template <class T> static FOVEA_INLINE Vec<T> pick(Vec<T> inside, Vec<T>) { return inside; }
};

// The first `count` lanes are; the others load as 0 and are not stored.
struct FirstLanes {
  int count;
  template <class T> FOVEA_INLINE Vec<T> load(const T* from) const { return Vec<T>::load_first(from, count); }
  template <class T> FOVEA_INLINE void store(Vec<T> v, T* to) const { v.store_first(to, count); }
  // `inside` in the lanes of the row, `outside` in the others.
  template <class T> FOVEA_INLINE Vec<T> pick(Vec<T> inside, Vec<T> outside) const {
    typename Vec<T>::Bits mask;
    FOVEA_EACH_LANE
    for (int i = 0; i < Vec<T>::size; ++i) mask[i] = i < count ? -1 : 0;
    return select(mask, inside, outside);
  }
};

// Calls body(i, part, lanes) for each vector of T of a row of n: it begins at element i and belongs to that part of
// a Lanes16<T>.
template <class T, class Body> FOVEA_INLINE void along_row(int64_t n, Body body) {
  constexpr int size = Vec<T>::size, parts = Lanes16<T>::parts;
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    FOVEA_EACH_LANE
    for (int part = 0; part < parts; ++part) body(i + part * size, part, AllLanes{});
  }
  int part = 0;
  for (; i + size <= n; i += size) body(i, part++, AllLanes{});
  if (i < n) body(i, part, FirstLanes{int(n - i)});
}

// The same where the parts do not matter.
template <class T, class Body> FOVEA_INLINE void each_vector(int64_t n, Body body) {
  along_row<T>(n, [&](int64_t i, int, auto lanes) FOVEA_INLINE_LAMBDA { body(i, lanes); });
}

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
  for (int at = 0; at < 16; at += Vec<T>::size) {
    const FirstLanes lanes{count - at};
    lanes.pick(lanes.load(from + at), Vec<T>(fill)).store(block + at);
  }
}
template <class T> [[gnu::noinline]] void put_rest(const T* block, int count, T* to) {
  for (int at = 0; at < 16; at += Vec<T>::size) FirstLanes{count - at}.store(Vec<T>::load(block + at), to + at);
}

// body(v, y, part): v[R] read, y[W] to be written, the part of Lanes16<T> they belong to.
template <class T, int R, int W, class Body> FOVEA_INLINE void walk_row(int64_t n, Operands<T, R, W> row, Body body) {
  constexpr int size = Vec<T>::size, parts = Lanes16<T>::parts;
  alignas(64) T rest[R + W][16];
  const Operands<T, R, W> end = row.from(n / 16 * 16);
  int64_t i = 0;
  for (int64_t left = n; left > 0; left -= 16, i += 16) {
    if (left < 16) {
      FOVEA_EACH_LANE
      for (int k = 0; k < R; ++k) take_rest(end.in[k], int(left), row.fill[k], rest[k]), row.in[k] = rest[k];
      FOVEA_EACH_LANE
      for (int k = 0; k < W; ++k) row.out[k] = rest[R + k];
      i = 0;
    }
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
  for (int k = 0; n % 16 != 0 && k < W; ++k) put_rest(rest[R + k], int(n % 16), end.out[k]);
}

// The same where the parts do not matter.
template <class T, int R, int W, class Body> FOVEA_INLINE void map_row(int64_t n, Operands<T, R, W> row, Body body) {
  walk_row(n, row, [&](const Vec<T>* v, Vec<T>* y, int) FOVEA_INLINE_LAMBDA { body(v, y); });
}

}  // namespace
}  // namespace fovea
