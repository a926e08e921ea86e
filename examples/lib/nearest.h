// "Did you mean …?": the known word that a mistyped one is closest to.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace fovea::lib {

// The candidate that the word was probably meant to be: the one that takes the fewest letters inserted, dropped,
// changed or swapped, at most a third of the word's; or one that starts with the word, or that it starts with. Leading
// dashes do not count. Empty if none is near; the first of several that are equally near.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace fovea::lib
