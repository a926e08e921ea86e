// The book's order: its chapters follow the notes, and each claim goes to the chapter of the first of its ids.
#pragma once
#include <string>
#include <vector>

#include "examples/claims/claim.h"

namespace fovea::claims {

struct Chapter {
  std::string title;
  int64_t first, last;  // rows of the notes; 0, 0: their errors ("slip-…")
};
const std::vector<Chapter>& chapters();
const Chapter& chapter_of(const Claim& claim);

// In the order of the chapters, then of the ids. A ValueError where two claims have an id in common, where an id is
// none of the notes', or a title, statement or experiment is missing.
std::vector<Claim> ordered(std::vector<Claim> claims);

// The rows and slips of the notes that no claim of the book is about.
std::vector<std::string> left_out(const std::vector<Claim>& book);

// The claims of these ids, in the order of the book; of all where none is given. An id may be several: "1,5,slip-1",
// "27+33", and the page's "claim-34". An unknown one is a UsageError that names what is near.
std::vector<Claim> selected(const std::vector<Claim>& book, const std::vector<std::string>& ids);

}  // namespace fovea::claims
