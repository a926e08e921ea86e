// What came of the claims: on the terminal a line for each, in a table; on the page an exhibit.
#pragma once
#include <string>
#include <string_view>
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
  std::string error = {};    // why the experiment gave no exhibit; empty: it did
  std::string article = {};  // as an earlier page has it; empty: it is of this run
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

std::string anchor(const std::string& id);  // where the page has it: "claim-34", "slip-1"

struct PageInfo {
  uint64_t seed = 0;  // of this run
  bool quick = false;
  size_t claims = 0;  // how many there are to be
};
// The whole page: self-contained, needs no network and no script.
std::string page(const std::vector<Result>& results, const PageInfo& info);

// What an earlier page shows of the book's claims, with the results of this run in place of its own, in the book's
// order: `--only 34` renews one exhibit and leaves the others.
std::vector<Result> renewed(std::string_view earlier_page, const std::vector<Result>& results,
                            const std::vector<Claim>& book);

}  // namespace fovea::claims
