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

}  // namespace
}  // namespace fovea
