// The book as one HTML page. See results.h.
#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <utility>

#include "examples/claims/frame/chapters.h"
#include "examples/claims/frame/page_style.h"
#include "examples/claims/frame/results.h"
#include "examples/lib/format.h"

namespace fovea::claims {
namespace {

constexpr double side_by_side = 600;  // up to this width, in pixels, two pictures may share a line

bool is_slip(const std::string& id) { return id.starts_with("slip-"); }

// The class of an element that shows a verdict, and the sign that stands for it where there is no room for words.
const char* verdict_class(const Result& result) {
  if (!result.error.empty()) return "error";
  if (result.exhibit.verdict == Verdict::holds) return "holds";
  return result.exhibit.verdict == Verdict::fails ? "fails" : "limits";
}

std::string mark(const Result& result) {
  const std::string kind = verdict_class(result);
  const char* sign = kind == "holds" ? "✓" : kind == "limits" ? "≈" : kind == "fails" ? "✗" : "!";
  return "<span class=\"mark " + kind + "\" title=\"" + verdict_text(result) + "\">" + sign + "</span>";
}

std::string label_of(const Claim& claim) {
  std::string label;
  for (const std::string& id : ids_of(claim)) label += (label.empty() ? "" : ", ") + id;
  return escaped(label);
}

std::string element(const std::string& tag, const std::string& kind, const std::string& html) {
  return "<" + tag + " class=\"" + kind + "\">" + html + "</" + tag.substr(0, tag.find(' ')) + ">\n";
}

std::string grid_html(const Grid& grid) {
  const auto row = [](const std::string& tag, const std::vector<std::string>& cells) {
    std::string html = "<tr>";
    for (const std::string& cell : cells) html += "<" + tag + ">" + prose(cell) + "</" + tag + ">";
    return html + "</tr>\n";
  };
  std::string html = "<thead>" + row("th", grid.header) + "</thead><tbody>";
  for (const auto& cells : grid.rows) html += row("td", cells);
  return "<figure class=\"wide\"><div class=\"scroll\"><table>" + html + "</tbody></table></div><figcaption>" +
         prose(grid.caption) + "</figcaption></figure>\n";
}

std::string exhibit_html(const Result& result) {
  const Exhibit& exhibit = result.exhibit;
  if (!result.error.empty()) return element("p", "broken", "The experiment failed: " + escaped(result.error));
  std::string html = element("p", "number", prose(exhibit.number));
  if (!exhibit.remark.empty()) html += element("p", "remark", prose(exhibit.remark));
  html += "<div class=\"figures\">\n";
  for (const auto& [plot, caption] : exhibit.pictures) {
    html += std::string("<figure class=\"") + (plot.width > side_by_side ? "wide" : "narrow") +
            "\" style=\"--width: " + format_fixed(plot.width, 0) + "px\"><div class=\"scroll\">" + plot.inline_svg() +
            "</div><figcaption>" + prose(caption) + "</figcaption></figure>\n";
  }
  for (const Grid& grid : exhibit.grids) html += grid_html(grid);
  return html + "</div>\n";
}

std::string code_html(const Code& code) {
  if (code.text.empty()) return "";
  std::string html = "<details><summary>The code: " + escaped(code.path) + ", line " + std::to_string(code.line) +
                     "</summary><pre><code>" + highlighted(code.text) + "</code></pre>\n";
  if (!code.helpers.empty())
    html += "<p class=\"helpers\">What it uses of the same file:</p><pre><code>" + highlighted(code.helpers) +
            "</code></pre>\n";
  for (const Code& shared : code.shared)
    html += "<p class=\"helpers\">What it uses of " + escaped(shared.path) + ":</p><pre><code>" +
            highlighted(shared.text) + "</code></pre>\n";
  return html + "</details>\n";
}

// How an article begins: what the contents say of it is in its attributes, for a later run to read.
std::string article_start(const Claim& claim) { return "<article id=\"" + anchor(ids_of(claim)[0]) + "\" "; }

std::string claim_html(const Result& result, const PageInfo& info) {
  if (!result.article.empty()) return result.article;
  const std::vector<std::string> ids = ids_of(result.claim);
  std::string html = article_start(result.claim) + "data-verdict=\"" + verdict_class(result) + "\" data-seconds=\"" +
                     format_fixed(result.seconds, 3) + "\">\n";
  for (size_t i = 1; i < ids.size(); ++i) html += "<a id=\"" + anchor(ids[i]) + "\"></a>";
  html += "<h3><a class=\"id\" href=\"#" + anchor(ids[0]) + "\">" + label_of(result.claim) + "</a> " +
          prose(result.claim.title) + "</h3>\n";
  html += element("p", "statement", prose(result.claim.statement));
  html += std::string("<p class=\"verdict\"><span class=\"badge ") + verdict_class(result) + "\">" +
          verdict_text(result) + "</span> <span class=\"time\">" + format_duration(result.seconds) + ", seed " +
          std::to_string(info.seed) + (info.quick ? ", quick run" : "") + "</span></p>\n";
  return html + exhibit_html(result) + code_html(result.code) + "</article>\n";
}

std::string entry(const Result& result, const std::string& id, const std::string& label) {
  return "<li>" + mark(result) + " <a href=\"#" + anchor(id) + "\"><span class=\"id\">" + label + "</span> " +
         prose(result.claim.title) + "</a></li>\n";
}

// The errors of the notes in their order, wherever their exhibits stand.
std::string slips_of(const std::vector<Result>& results) {
  std::map<std::pair<size_t, std::string>, std::string> entries;  // by the length of the id first: slip-9, slip-10
  for (const Result& result : results) {
    for (const std::string& id : ids_of(result.claim)) {
      if (is_slip(id)) entries[{id.size(), id}] = entry(result, id, escaped(id));
    }
  }
  std::string html;
  for (const auto& [id, item] : entries) html += item;
  return html.empty() ? "" : "<h2>" + escaped(chapters().front().title) + "</h2>\n<ul>\n" + html + "</ul>\n";
}

std::string contents(const std::vector<Result>& results) {
  std::string html = "<nav>\n" + slips_of(results);
  const Chapter* open = nullptr;
  for (const Result& result : results) {
    const std::string id = ids_of(result.claim)[0];
    if (is_slip(id)) continue;
    const Chapter& chapter = chapter_of(result.claim);
    if (&chapter != open) html += (open ? "</ul>\n<h2>" : "<h2>") + escaped(chapter.title) + "</h2>\n<ul>\n";
    open = &chapter;
    html += entry(result, id, label_of(result.claim));
  }
  return html + (open ? "</ul>\n</nav>\n" : "</nav>\n");
}

// The value of an attribute of an article; empty where it has none.
std::string attribute(std::string_view article, const std::string& name) {
  const std::string before = " " + name + "=\"";
  const size_t at = article.find(before);
  if (at == article.npos || at > article.find('>')) return "";
  const size_t begin = at + before.size();
  return std::string(article.substr(begin, article.find('"', begin) - begin));
}

// A claim as an earlier page shows it; nothing where it does not.
std::optional<Result> earlier_result(std::string_view page, const Claim& claim) {
  constexpr std::string_view last = "</article>\n";
  const size_t begin = page.find(article_start(claim));
  const size_t end = page.find(last, std::min(begin, page.size()));
  if (begin == page.npos || end == page.npos) return {};
  Result result{.claim = claim, .exhibit = {}, .code = {}};
  result.article = page.substr(begin, end + last.size() - begin);
  const std::string verdict = attribute(result.article, "data-verdict");
  result.exhibit.verdict = verdict == "holds"    ? Verdict::holds
                           : verdict == "limits" ? Verdict::within_limits
                                                 : Verdict::fails;
  if (verdict == "error") result.error = "it failed in an earlier run";
  result.seconds = std::atof(attribute(result.article, "data-seconds").c_str());
  return result;
}

}  // namespace

std::string anchor(const std::string& id) { return is_slip(id) ? id : "claim-" + id; }

std::vector<Result> renewed(std::string_view earlier_page, const std::vector<Result>& results,
                            const std::vector<Claim>& book) {
  std::vector<Result> all;
  for (const Claim& claim : book) {
    const auto is_it = [&](const Result& result) { return result.claim.id == claim.id; };
    const auto now = std::find_if(results.begin(), results.end(), is_it);
    if (now != results.end())
      all.push_back(*now);
    else if (const std::optional<Result> earlier = earlier_result(earlier_page, claim))
      all.push_back(*earlier);
  }
  return all;
}

std::string page(const std::vector<Result>& results, const PageInfo& info) {
  double seconds = 0;
  for (const Result& result : results) seconds += result.seconds;
  std::string how = counts_text(results);
  if (results.size() < info.claims) how += " (of " + std::to_string(info.claims) + " so far)";
  how += "; " + format_duration(seconds) + ".";

  std::string html =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
      "<meta name=\"color-scheme\" content=\"light dark\"/>\n<title>fovea: the lab book</title>\n<style>\n";
  html +=
      std::string(page_style) + plot_style() + "</style>\n</head>\n<body>\n<header>\n<h1>The lab book</h1>\n" +
      element("p", "lead",
              "Every claim of a set of study notes on attention, put to the test. Each verdict is computed from the "
              "numbers of its run, by the code below it.") +
      element("p", "counts", escaped(how)) + "</header>\n" + contents(results) + "<main>\n";
  const Chapter* open = nullptr;
  for (const Result& result : results) {
    const Chapter& chapter = chapter_of(result.claim);
    if (&chapter != open) html += "<h2>" + escaped(chapter.title) + "</h2>\n";
    open = &chapter;
    html += claim_html(result, info);
  }
  return html + "</main>\n</body>\n</html>\n";
}

}  // namespace fovea::claims
