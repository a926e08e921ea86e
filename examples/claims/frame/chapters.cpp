// The book's order. See chapters.h.
#include "examples/claims/frame/chapters.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "examples/lib/args.h"
#include "examples/lib/nearest.h"
#include "tensor/error.h"

namespace fovea::claims {
namespace {

constexpr int64_t rows = 75, slips = 12;  // of the notes
constexpr std::string_view slip = "slip-";
constexpr std::string_view on_page = "claim-";  // stands before a row there

// A slip as its number below 0, so that both kinds are one order; 0 for what is no id of the notes. "74-dates" is one
// of several exhibits of row 74.
int64_t place_of(std::string_view id) {
  const bool is_slip = id.starts_with(slip);
  if (is_slip)
    id.remove_prefix(slip.size());
  else if (const size_t dash = id.find('-'); dash + 1 < id.size() && dash > 0)
    id = id.substr(0, dash);
  int64_t number = 0;
  const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), number);
  if (error != std::errc() || end != id.data() + id.size() || id.front() == '0') return 0;
  if (number < 1 || number > (is_slip ? slips : rows)) return 0;
  return is_slip ? number - slips - 1 : number;
}

int64_t place_of(const Claim& claim) { return place_of(ids_of(claim).front()); }

void check(const Claim& claim, std::set<std::string>& met) {
  for (const std::string& id : ids_of(claim)) {
    if (place_of(id) == 0) {
      fail(ErrorKind::value, "claim \"", claim.id, "\": \"", id, "\" is neither a row of the notes (1 to ", rows,
           ") nor one of their slips (slip-1 to slip-", slips, ")");
    }
    if (!met.insert(id).second) fail(ErrorKind::value, "claim \"", id, "\" is in the book twice");
  }
  if (claim.title.empty() || claim.statement.empty() || !claim.experiment) {
    fail(ErrorKind::value, "claim \"", claim.id, "\" has no ",
         claim.title.empty()       ? "title"
         : claim.statement.empty() ? "statement"
                                   : "experiment");
  }
}

std::string without_digits(std::string text) {
  std::erase_if(text, [](char c) { return '0' <= c && c <= '9'; });
  return text;
}

// Another number is no better guess than any: only a mistyped word is guessed.
[[noreturn]] void refuse(const std::string& id, const std::vector<std::string>& known) {
  if (id.empty()) throw UsageError("claims: --only: a claim is missing; --list shows all");
  const std::string meant = nearest(id, known);
  const bool mistyped = without_digits(id) != without_digits(meant);
  throw UsageError("claims: --only: there is no claim \"" + id + "\"; " +
                   (meant.empty() || !mistyped ? "--list shows all" : "did you mean " + meant + "?"));
}

}  // namespace

const std::vector<Chapter>& chapters() {
  static const std::vector<Chapter> all = {{"Where the notes slip", 0, 0},
                                           {"Attention as pooling, and kernel regression", 1, 9},
                                           {"Scores", 10, 16},
                                           {"Scaled dot products, masks, and where Q, K and V come from", 17, 26},
                                           {"Scaling and saturation", 27, 34},
                                           {"Encoder and decoder", 35, 43},
                                           {"Self-attention", 44, 49},
                                           {"Many heads, and pixels as tokens", 50, 55},
                                           {"Positions", 56, 60},
                                           {"The Transformer", 61, 66},
                                           {"Against recurrence and convolution", 67, 71},
                                           {"Images, tasks, and reading the weights", 72, 75}};
  return all;
}

const Chapter& chapter_of(const Claim& claim) {
  const int64_t place = place_of(claim);
  const auto holds = [&](const Chapter& c) { return place < 0 ? c.last == 0 : c.first <= place && place <= c.last; };
  return *std::find_if(chapters().begin(), chapters().end(), holds);
}

std::vector<Claim> ordered(std::vector<Claim> claims) {
  std::set<std::string> met;
  for (const Claim& claim : claims) check(claim, met);
  std::stable_sort(claims.begin(), claims.end(),
                   [](const Claim& a, const Claim& b) { return place_of(a) < place_of(b); });
  return claims;
}

std::vector<std::string> left_out(const std::vector<Claim>& book) {
  std::set<std::string> met;
  for (const Claim& claim : book) {
    for (const std::string& id : ids_of(claim)) met.insert(id);
  }
  std::vector<std::string> missing;
  const auto look_for = [&](const std::string& id) {
    if (met.count(id) == 0) missing.push_back(id);
  };
  for (int64_t row = 1; row <= rows; ++row) look_for(std::to_string(row));
  for (int64_t number = 1; number <= slips; ++number) look_for(std::string(slip) + std::to_string(number));
  return missing;
}

std::vector<Claim> selected(const std::vector<Claim>& book, const std::vector<std::string>& ids) {
  if (ids.empty()) return book;
  std::vector<std::string> known;
  for (const Claim& claim : book) {
    for (std::string& id : ids_of(claim)) known.push_back(std::move(id));
  }
  std::set<std::string> wanted;
  for (const std::string& list : ids) {
    for (size_t at = 0; at <= list.size();) {
      const size_t end = std::min(list.find_first_of(",+", at), list.size());
      std::string id = list.substr(at, end - at);
      if (id.starts_with(on_page)) id.erase(0, on_page.size());
      at = end + 1;
      if (std::find(known.begin(), known.end(), id) == known.end()) refuse(id, known);
      wanted.insert(id);
    }
  }
  std::vector<Claim> chosen;
  for (const Claim& claim : book) {
    const std::vector<std::string> own = ids_of(claim);
    if (std::any_of(own.begin(), own.end(), [&](const std::string& id) { return wanted.count(id) > 0; })) {
      chosen.push_back(claim);
    }
  }
  return chosen;
}

}  // namespace fovea::claims
