// The members of a plain struct, visited without naming them: how the tape counts what an operation saved.
#pragma once
#include <type_traits>
#include <utility>

namespace fovea::detail {

struct Anything {  // converts to whatever member it is asked to initialise
  template <class T> operator T() const;
};

template <class Struct, class... Initialisers> consteval int count_fields(Initialisers... so_far) {
  if constexpr (requires { Struct{so_far..., Anything{}}; })
    return count_fields<Struct>(so_far..., Anything{});
  else
    return sizeof...(Initialisers);
}

// Calls fn with each member in order; for aggregates of up to eight members.
template <class Struct, class Fn> void for_each_field(Struct& s, Fn&& fn) {
  constexpr int count = count_fields<std::remove_const_t<Struct>>();
  static_assert(count <= 8, "an operation has at most eight members; put some together into a struct");
  const auto all = [&](auto&... members) { (fn(members), ...); };
  if constexpr (count == 1) {
    auto& [a] = s;
    all(a);
  } else if constexpr (count == 2) {
    auto& [a, b] = s;
    all(a, b);
  } else if constexpr (count == 3) {
    auto& [a, b, c] = s;
    all(a, b, c);
  } else if constexpr (count == 4) {
    auto& [a, b, c, d] = s;
    all(a, b, c, d);
  } else if constexpr (count == 5) {
    auto& [a, b, c, d, e] = s;
    all(a, b, c, d, e);
  } else if constexpr (count == 6) {
    auto& [a, b, c, d, e, f] = s;
    all(a, b, c, d, e, f);
  } else if constexpr (count == 7) {
    auto& [a, b, c, d, e, f, g] = s;
    all(a, b, c, d, e, f, g);
  } else if constexpr (count == 8) {
    auto& [a, b, c, d, e, f, g, h] = s;
    all(a, b, c, d, e, f, g, h);
  }
}

}  // namespace fovea::detail
