// Dates as people write them, beside the same in ISO 8601. No way of writing is ambiguous: with dots the day comes
// first, with slashes the year or the month.
#include <array>
#include <functional>

#include "examples/lib/sequences.h"

namespace fovea::lib {
namespace {

const std::array<std::string, 12> kMonths = {"January", "February", "March",     "April",   "May",      "June",
                                             "July",    "August",   "September", "October", "November", "December"};
const std::array<std::string, 7> kWeekdays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                              "Thursday", "Friday", "Saturday"};

struct Date {
  int year, month, day;  // month and day from 1
  int weekday;           // 0: Sunday
};

bool is_leap(int year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }
int days_of_month(int year, int month) {
  constexpr int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return days[month - 1] + (month == 2 && is_leap(year));
}

// The date so many days after the 1st of January 1950, which was a Sunday.
Date date_after(int days) {
  Date date{1950, 1, 1 + days, days % 7};
  for (; date.day > days_of_month(date.year, date.month);) {
    date.day -= days_of_month(date.year, date.month);
    if (++date.month > 12) {
      date.month = 1;
      ++date.year;
    }
  }
  return date;
}

std::string two_figures(int number) { return (number < 10 ? "0" : "") + std::to_string(number); }
std::string month(const Date& d) { return kMonths[size_t(d.month - 1)]; }
std::string short_month(const Date& d) { return month(d).substr(0, 3); }
std::string weekday(const Date& d) { return kWeekdays[size_t(d.weekday)]; }
std::string day(const Date& d) { return std::to_string(d.day); }
std::string year(const Date& d) { return std::to_string(d.year); }
std::string ordinal(const Date& d) {
  const int last = d.day % 10;
  const bool teens = d.day / 10 == 1;
  return day(d) + (teens ? "th" : last == 1 ? "st" : last == 2 ? "nd" : last == 3 ? "rd" : "th");
}
std::string iso(const Date& d) { return year(d) + "-" + two_figures(d.month) + "-" + two_figures(d.day); }
std::string lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c;
  return text;
}

using Pattern = std::string (*)(const Date&);
constexpr Pattern kPatterns[] = {
    [](const Date& d) { return day(d) + " " + month(d) + " " + year(d); },
    [](const Date& d) { return month(d) + " " + day(d) + ", " + year(d); },
    [](const Date& d) { return short_month(d) + " " + day(d) + ", " + year(d); },
    [](const Date& d) { return day(d) + " " + short_month(d) + " " + year(d); },
    [](const Date& d) { return weekday(d) + ", " + month(d) + " " + day(d) + ", " + year(d); },
    [](const Date& d) { return weekday(d).substr(0, 3) + ", " + day(d) + " " + short_month(d) + " " + year(d); },
    [](const Date& d) { return lower(weekday(d)) + " " + day(d) + " " + lower(month(d)) + " " + year(d); },
    [](const Date& d) { return "the " + ordinal(d) + " of " + month(d) + " " + year(d); },
    [](const Date& d) { return month(d) + " " + ordinal(d) + " " + year(d); },
    [](const Date& d) { return lower(short_month(d)) + " " + day(d) + " " + year(d); },
    [](const Date& d) { return day(d) + "." + std::to_string(d.month) + "." + year(d); },
    [](const Date& d) { return two_figures(d.day) + "." + two_figures(d.month) + "." + year(d); },
    [](const Date& d) { return std::to_string(d.month) + "/" + day(d) + "/" + year(d); },
    [](const Date& d) { return year(d) + "/" + two_figures(d.month) + "/" + two_figures(d.day); },
    [](const Date& d) { return day(d) + "-" + short_month(d) + "-" + year(d); },
};

}  // namespace

std::vector<TextPair> dates(int64_t count, Rng& rng) {
  constexpr int64_t all_days = 36525;  // 1950 … 2049
  const auto days = randint(0, all_days, {count}, rng).to_vector<int64_t>();
  const auto patterns = randint(0, int64_t(std::size(kPatterns)), {count}, rng).to_vector<int64_t>();
  std::vector<TextPair> pairs;
  for (size_t i = 0; i < days.size(); ++i) {
    const Date date = date_after(int(days[i]));
    pairs.emplace_back(kPatterns[patterns[i]](date), iso(date));
  }
  return pairs;
}

}  // namespace fovea::lib
