// The lab book without its experiments: the order of claims, verdicts, the table, the page, the code it shows.
#include <fcntl.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <limits>

#include "doctest/doctest.h"
#include "examples/claims/claim.h"
#include "examples/claims/frame/chapters.h"
#include "examples/claims/frame/code.h"
#include "examples/claims/frame/results.h"
#include "examples/lib/args.h"
#include "examples/lib/interrupt.h"
#include "tensor/error.h"
#include "tests/messages.h"
#include "tests/xml.h"

using namespace fovea;
using namespace fovea::claims;

namespace {

Exhibit nothing(const Run&) { return {}; }

Claim claim(std::string id, std::string title = "a title") {
  return {.id = std::move(id), .title = std::move(title), .statement = "A statement.", .experiment = nothing};
}

std::vector<std::string> ids(const std::vector<Claim>& claims) {
  std::vector<std::string> all;
  for (const Claim& each : claims) all.push_back(each.id);
  return all;
}

Result result(const std::string& id, Verdict verdict, std::string number) {
  Result r{.claim = claim(id, "title of " + id), .exhibit = {}, .code = {}};
  r.exhibit.verdict = verdict, r.exhibit.number = std::move(number);
  return r;
}

using Words = std::vector<std::string>;

}  // namespace

TEST_CASE("claims: the book's order is that of the notes, their slips first") {
  const std::vector<Claim> book = ordered(
      {claim("10"), claim("27+33"), claim("slip-2"), claim("9"), claim("slip-10"), claim("28"), claim("10-more")});
  CHECK(ids(book) == Words{"slip-2", "slip-10", "9", "10", "10-more", "27+33", "28"});
  CHECK(chapter_of(book[0]).title == "Where the notes slip");
  CHECK(chapter_of(book[5]).title == "Scaling and saturation");
  for (int64_t row = 1; row <= 75; ++row) {  // every row has a chapter
    const Chapter& chapter = chapter_of(claim(std::to_string(row)));
    CHECK((chapter.first <= row && row <= chapter.last));
  }
}

TEST_CASE("claims: a book that contradicts itself is refused") {
  const auto complaint = [](std::vector<Claim> claims) { return message_of<ValueError>([&] { ordered(claims); }); };
  CHECK(complaint({claim("27+33"), claim("33")}) == "claim \"33\" is in the book twice");
  for (const char* id : {"0", "76", "slip-13", "slip-0", "034", "x", "", "3x", "slip-", "27+", "27-", "-more"}) {
    CHECK(contains(complaint({claim(id)}), "is neither a row of the notes (1 to 75)"));
  }
  Claim bare = claim("3");
  bare.statement.clear();
  CHECK(complaint({bare}) == "claim \"3\" has no statement");
  bare = claim("3");
  bare.experiment = nullptr;
  CHECK(complaint({bare}) == "claim \"3\" has no experiment");
}

TEST_CASE("claims: what the book leaves out is named") {
  std::vector<Claim> book;
  for (int row = 1; row <= 75; ++row) {
    if (row != 33 && row != 60) book.push_back(claim(row == 27 ? "27+33" : std::to_string(row)));
  }
  for (int slip = 1; slip <= 11; ++slip) book.push_back(claim("slip-" + std::to_string(slip)));
  book.push_back(claim("60-more"));
  CHECK(left_out(book) == Words{"60", "slip-12"});
}

TEST_CASE("claims: --only takes several ids, and names what is near an unknown one") {
  const std::vector<Claim> book = ordered({claim("slip-1"), claim("5"), claim("27+33"), claim("34")});
  CHECK(ids(selected(book, {})) == ids(book));
  CHECK(ids(selected(book, {"34,slip-1", "33"})) == Words{"slip-1", "27+33", "34"});
  CHECK(ids(selected(book, {"27,33"})) == Words{"27+33"});
  CHECK(ids(selected(book, {"27+33,claim-34"})) == Words{"27+33", "34"});  // as the table and the page name them
  const auto complaint = [&](const char* id) { return message_of<lib::UsageError>([&] { selected(book, {id}); }); };
  CHECK(complaint("5,slp-1") == "claims: --only: there is no claim \"slp-1\"; did you mean slip-1?");
  CHECK(complaint("attention") == "claims: --only: there is no claim \"attention\"; --list shows all");
  CHECK(complaint("35") == "claims: --only: there is no claim \"35\"; --list shows all");  // 34 is no better guess
  CHECK(complaint("5,") == "claims: --only: a claim is missing; --list shows all");
}

TEST_CASE("claims: a spread is median and range") {
  CHECK(spread({0.3, 0.1, 0.2}).text() == "0.2 (0.1–0.3, 3 seeds)");
  CHECK(spread({0.1, 0.2}).median == doctest::Approx(0.15));
  CHECK(spread({0.25}).text() == "0.25");
  CHECK(spread({1, 0.9999, 1}).percent() == "100.0 % (3 seeds)");
  CHECK(spread({0.9951, 0.99, 1}).percent() == "99.5 % (99.0–100.0, 3 seeds)");
  CHECK(spread({1, 2, 4}).range_text() == "2 (1–4)");
  CHECK(std::isnan(spread({1, std::numeric_limits<double>::quiet_NaN(), 2}).high));  // a run that broke shows
  CHECK_THROWS_AS(spread({}), ValueError);
}

TEST_CASE("claims: a run has its seeds, and ends after Ctrl-C") {
  const Run full(7), quick(7, true);
  CHECK(full.seeds(3, 1) == std::vector<uint64_t>{7, 8, 9});
  CHECK(quick.seeds(3, 1) == std::vector<uint64_t>{7});
  CHECK(full.either(1000, 10) == 1000);
  CHECK(quick.either(1000, 10) == 10);
  CHECK(full.rng("a") == full.rng("a", 7));
  CHECK_FALSE(full.rng("a") == full.rng("b"));

  int64_t seen = 0;
  const Run reporting(0, false, [&](int64_t done, int64_t, std::string_view) { seen = done; });
  reporting.progress(3, 10);
  CHECK(seen == 3);
  const lib::InterruptCatcher catcher;
  std::raise(SIGINT);
  CHECK_THROWS_AS(reporting.progress(4, 10), Interrupted);
  CHECK(seen == 3);
}

namespace {

const char* const shared_source = R"(namespace fovea::claims {
namespace {

double format(double x) { return x; }

}  // namespace

// Twice as much, for several files.
double first_and(double x) { return 2 * x; }

double nobodys(double x) { return x; }

}  // namespace fovea::claims
)";

const char* const source = R"(// A file.
#include <cmath>

namespace fovea::claims {
namespace {

const int sizes = 3;  // how many

constexpr double table[] = {
    1, 2};

double unused(int x) { return x; }

// Twice.
double twice(double x) {
  return 2 * x;
}

double four_times(double x) {
  return twice(twice(x));
}

}  // namespace

// The first.
// Two lines of comment.
Exhibit first(const Run& run) {
  if (run.quick()) {
    return {};
  }
  return {.number = "four_times", .remark = format(four_times(1))};
}

Exhibit firsts(const Run&) { return {}; }

Exhibit second(const Run&) {
  return first_and(table[sizes]);
}

extern const std::vector<Claim> some_claims;
const std::vector<Claim> some_claims = {
    {.id = "3",
     .title = "t",
     .experiment = first},
    {.id = "34", .title = "first", .experiment = firsts},
    {.id = "4+5", .experiment = second},
};

}  // namespace fovea::claims
)";

}  // namespace

TEST_CASE("claims: the code of an experiment is found by its entry in the table") {
  const std::vector<Source> sources = {{"a.cpp", "nothing here\n"}, {"b.cpp", source}, {"c.cpp", shared_source}};
  const Code first = code_of(claim("3"), sources);
  CHECK(first.path == "b.cpp");
  CHECK(first.line == 25);
  CHECK(first.text ==
        "// The first.\n// Two lines of comment.\nExhibit first(const Run& run) {\n  if (run.quick()) {\n    return "
        "{};\n  }\n"
        "  return {.number = \"four_times\", .remark = format(four_times(1))};\n}\n");
  CHECK(first.helpers ==
        "// Twice.\ndouble twice(double x) {\n  return 2 * x;\n}\n\ndouble four_times(double x) {\n  return "
        "twice(twice(x));\n}\n");
  CHECK(code_of(claim("34"), sources).text == "Exhibit firsts(const Run&) { return {}; }\n");
  CHECK(code_of(claim("34"), sources).helpers == "");
  CHECK(code_of(claim("4+5"), sources).helpers ==
        "const int sizes = 3;  // how many\n\nconstexpr double table[] = {\n    1, 2};\n");
  CHECK(first.shared.empty());
  const std::vector<Code> shared = code_of(claim("4+5"), sources).shared;
  REQUIRE(shared.size() == 1);
  CHECK(shared[0].path == "c.cpp");
  CHECK(shared[0].text == "// Twice as much, for several files.\ndouble first_and(double x) { return 2 * x; }\n");
  CHECK(code_of(claim("35"), sources).text == "");
  CHECK(code_of(claim("3"), {}).text == "");
}

TEST_CASE("claims: code and prose as HTML") {
  CHECK(highlighted("if (a < 1'0.5e3) // b & c\n") ==
        "<i class=\"k\">if</i> (a &lt; <i class=\"n\">1'0.5e3</i>) <i class=\"c\">// b &amp; c</i>\n");
  CHECK(highlighted("f(\"// \\\" no\", 'x')") ==
        "f(<i class=\"s\">&quot;// \\&quot; no&quot;</i>, <i class=\"s\">'x'</i>)");
  CHECK(highlighted("\"open") == "<i class=\"s\">&quot;open</i>");
  CHECK(prose("√d_k & `softmax(x_i) < 1` again") == "√d<sub>k</sub> &amp; <code>softmax(x_i) &lt; 1</code> again");
  CHECK(prose("an open ` tick") == "an open ` tick");
  CHECK(prose("to 2.3e-07 or -1e+12, 36 %") == "to 2.3·10⁻⁷ or −1·10¹², 36\u00a0%");
  CHECK(prose("on 2026-11-21, at -0.5") == "on 2026-11-21, at −0.5");
  CHECK(prose("n^2.16, W^O, 10000^(2i/d).") == "n<sup>2.16</sup>, W<sup>O</sup>, 10000<sup>2i/d</sup>.");
}

TEST_CASE("claims: what counts as expected") {
  Result r = result("3", Verdict::fails, "");
  CHECK(as_expected(r));  // nothing expected
  r.claim.expect = Verdict::holds;
  CHECK_FALSE(as_expected(r));
  r.claim.expect = Verdict::fails;
  CHECK(as_expected(r));
  r.error = "it broke";
  CHECK_FALSE(as_expected(r));
  CHECK(verdict_text(r) == "error");
}

TEST_CASE("claims: the table on the terminal is aligned and ends in a count") {
  Result broken = result("5", Verdict::holds, "");
  broken.error = "matmul: inner sizes differ";
  std::vector<Result> results = {result("slip-1", Verdict::fails, "0 %"), result("3", Verdict::holds, "0.5"),
                                 result("4", Verdict::within_limits, "1"), broken};
  results[1].seconds = 75;
  const int fd = open("/dev/null", O_WRONLY);
  const lib::Terminal terminal(fd);
  const ResultLines lines({results[0].claim, results[1].claim, results[2].claim, results[3].claim}, terminal);
  std::string text = lines.header();
  for (const Result& r : results) text += lines.line(r);
  close(fd);
  CHECK(text ==
        "id      claim            verdict                 time  number\n"
        "------  ---------------  -------------------  -------  ------\n"
        "slip-1  title of slip-1  does not hold          0.00s  0 %\n"
        "3       title of 3       holds                 1m 15s  0.5\n"
        "4       title of 4       holds within limits    0.00s  1\n"
        "5       title of 5       error                  0.00s  matmul: inner sizes differ\n");
  CHECK(counts_text(results) == "4 claims: 1 hold, 1 within limits, 1 do not hold, 1 error");
  CHECK(counts_text({}) == "0 claims: 0 hold, 0 within limits, 0 do not hold");
}

TEST_CASE("claims: the page is whole, leads to every claim, and needs nothing from outside") {
  Result one = result("27+33", Verdict::holds, "Var / d_k = 1 < 2");
  one.exhibit.remark = "Because & why.";
  one.exhibit.pictures = {{lib::line_plot({.title = "a < b"}, {{"s", {1, 2}, {1, 2}}}), "A \"caption\"."}};
  one.exhibit.grids = {{{"n", "ms"}, {{"1", "<2"}}, "A table."}};
  one.code = {"a.cpp", 3, "int x = 1 < 2;\n", "int y;\n"};
  Result broken = result("slip-1", Verdict::fails, "never shown");
  broken.error = "it <broke>";
  const std::string html = page({broken, one, result("34", Verdict::within_limits, ""), result("46+slip-2", {}, "")},
                                {.seed = 5, .quick = true, .claims = 5});

  const XmlReader xml(html);
  CHECK(xml.problem == "");
  std::vector<std::string> anchors, links;
  for (const XmlElement& e : xml.elements) {
    if (e.attributes.count("id")) anchors.push_back(e.attributes.at("id"));
    if (e.attributes.count("href")) links.push_back(e.attributes.at("href"));
  }
  CHECK(anchors == Words{"slip-1", "claim-27", "claim-33", "claim-34", "claim-46", "slip-2"});
  CHECK(std::count(links.begin(), links.end(), "#claim-34") == 2);  // in the contents and at the claim
  CHECK(std::count(links.begin(), links.end(), "#slip-2") == 1);    // in the contents, though its exhibit is claim 46
  for (const std::string& link : links) {
    CHECK(link[0] == '#');
    CHECK(std::count(anchors.begin(), anchors.end(), link.substr(1)) == 1);
  }
  CHECK(xml.count("script") == 0);
  CHECK_FALSE(contains(html, "http"));
  CHECK(contains(html, "<title>a &lt; b</title>"));
  CHECK(contains(html, "Var / d<sub>k</sub> = 1 &lt; 2"));
  CHECK(contains(html, "The experiment failed: it &lt;broke&gt;"));
  CHECK_FALSE(contains(html, "never shown"));
  CHECK(contains(html, "4 claims: 2 hold, 1 within limits, 0 do not hold, 1 error (of 5 so far); 0.00s."));
  CHECK(contains(html, "0.00s, seed 5, quick run"));
  CHECK(contains(html, "<td>&lt;2</td>"));
  CHECK(contains(html, "a.cpp, line 3"));
  CHECK(XmlReader(page({}, {})).problem == "");
}

TEST_CASE("claims: a run of some claims renews them on the page and keeps the others") {
  const std::vector<Claim> book = ordered({claim("slip-1"), claim("27+33"), claim("34"), claim("35")});
  Result broken = result("34", Verdict::holds, "");
  broken.error = "it broke", broken.seconds = 2;
  const std::string earlier =
      page({result("slip-1", Verdict::fails, "as it was"), result("27+33", Verdict::within_limits, "old"), broken}, {});
  const std::vector<Result> results = renewed(earlier, {result("27+33", Verdict::holds, "new")}, book);
  const std::string html = page(results, {.seed = 1});
  CHECK(XmlReader(html).problem == "");
  CHECK(contains(html, "as it was"));
  CHECK(contains(html, "new"));
  CHECK_FALSE(contains(html, ">old<"));
  CHECK(contains(html, "The experiment failed: it broke"));
  CHECK(contains(html, "3 claims: 1 hold, 0 within limits, 1 do not hold, 1 error; 2.0s."));
  CHECK(html.find("id=\"slip-1\"") < html.find("id=\"claim-27\""));
  CHECK(html.find("id=\"claim-27\"") < html.find("id=\"claim-34\""));

  CHECK(renewed("", {}, book).empty());
  CHECK(renewed("<article id=\"claim-34\" cut off", {}, book).empty());
}
