// The book as one HTML page. See results.h.
#include <algorithm>

#include "examples/claims/frame/chapters.h"
#include "examples/claims/frame/page_style.h"
#include "examples/claims/frame/results.h"
#include "examples/lib/format.h"

namespace fovea::claims {
namespace {

constexpr double side_by_side = 600;  // up to this width, in pixels, two pictures may share a line

// "#slip-1", "#claim-34".
std::string anchor(const std::string& id) { return id.starts_with("slip-") ? id : "claim-" + id; }

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
  return html + "</details>\n";
}

std::string claim_html(const Result& result) {
  const std::vector<std::string> ids = ids_of(result.claim);
  std::string html = "<article id=\"" + anchor(ids[0]) + "\">\n";
  for (size_t i = 1; i < ids.size(); ++i) html += "<a id=\"" + anchor(ids[i]) + "\"></a>";
  html += "<h3><a class=\"id\" href=\"#" + anchor(ids[0]) + "\">" + label_of(result.claim) + "</a> " +
          prose(result.claim.title) + "</h3>\n";
  html += element("p", "statement", prose(result.claim.statement));
  html += std::string("<p class=\"verdict\"><span class=\"badge ") + verdict_class(result) + "\">" +
          verdict_text(result) + "</span> <span class=\"time\">" + format_duration(result.seconds) + "</span></p>\n";
  return html + exhibit_html(result) + code_html(result.code) + "</article>\n";
}

// The results chapter by chapter, each as `show` writes it, under a heading from `head`.
template <class Head, class Show> std::string by_chapter(const std::vector<Result>& results, Head head, Show show) {
  std::string html;
  const Chapter* open = nullptr;
  for (const Result& result : results) {
    const Chapter& chapter = chapter_of(result.claim);
    if (&chapter != open) html += head(chapter, open == nullptr);
    open = &chapter;
    html += show(result);
  }
  return html;
}

std::string contents(const std::vector<Result>& results) {
  return "<nav>\n" +
         by_chapter(
             results,
             [](const Chapter& chapter, bool first) {
               return std::string(first ? "" : "</ul>\n") + "<h2>" + escaped(chapter.title) + "</h2>\n<ul>\n";
             },
             [](const Result& result) {
               return "<li>" + mark(result) + " <a href=\"#" + anchor(ids_of(result.claim)[0]) +
                      "\"><span class=\"id\">" + label_of(result.claim) + "</span> " + prose(result.claim.title) +
                      "</a></li>\n";
             }) +
         (results.empty() ? "" : "</ul>\n") + "</nav>\n";
}

}  // namespace

std::string page(const std::vector<Result>& results, const PageInfo& info) {
  double seconds = 0;
  for (const Result& result : results) seconds += result.seconds;
  std::string how = counts_text(results);
  if (results.size() < info.claims) how += " (of " + std::to_string(info.claims) + " so far)";
  how +=
      "; seed " + std::to_string(info.seed) + (info.quick ? ", quick run" : "") + ", " + format_duration(seconds) + ".";

  std::string html =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
      "<meta name=\"color-scheme\" content=\"light dark\"/>\n<title>fovea: the lab book</title>\n<style>\n";
  html +=
      std::string(page_style) + plot_style() + "</style>\n</head>\n<body>\n<header>\n<h1>The lab book</h1>\n" +
      element("p", "lead",
              "Every claim of a set of study notes on attention, put to the test. Each verdict is computed from the "
              "numbers of this run, on this machine, by the code below it.") +
      element("p", "counts", escaped(how)) + "</header>\n" + contents(results) + "<main>\n";
  html += by_chapter(
      results, [](const Chapter& chapter, bool) { return "<h2>" + escaped(chapter.title) + "</h2>\n"; }, claim_html);
  return html + "</main>\n</body>\n</html>\n";
}

}  // namespace fovea::claims
