// Every claim of the book, in the order of the notes.
#pragma once
#include <vector>

#include "examples/claims/claim.h"

namespace fovea::claims {

std::vector<Claim> book();

}  // namespace fovea::claims
