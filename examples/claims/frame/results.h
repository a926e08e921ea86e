// What came of the claims: on the terminal a line for each, in a table; on the page an exhibit.
#pragma once
#include <string>
#include <vector>

#include "examples/claims/claim.h"
#include "examples/claims/frame/code.h"
#include "examples/lib/terminal.h"

namespace fovea::claims {

struct Result {
  Claim claim;
  Exhibit exhibit;
  Code code;
  double seconds = 0;
  std::string error = {};  // why the experiment gave no exhibit; empty: it did
};

// Whether it is as the claim expects; true where it expects nothing. An experiment that failed never is.
bool as_expected(const Result& result);

// "holds", "holds within limits", "does not hold", or "error".
std::string verdict_text(const Result& result);
std::string counts_text(const std::vector<Result>& results);  // "3 claims: 2 hold, 1 error"

// A table whose lines can be printed one by one, as results come; the widths are those of the claims' texts.
class ResultLines {
 public:
  ResultLines(const std::vector<Claim>& claims, const Terminal& terminal);
  std::string header() const;
  std::string line(const Result& result) const;

 private:
  const Terminal& terminal_;
  int64_t id_width_, title_width_;
};

struct PageInfo {
  uint64_t seed = 0;
  bool quick = false;
  size_t claims = 0;  // how many there are to be
};
// The whole page: self-contained, needs no network and no script.
std::string page(const std::vector<Result>& results, const PageInfo& info);

}  // namespace fovea::claims
