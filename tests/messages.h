// What tests of error messages share.
#pragma once
#include <string>
#include <string_view>

// The message of the error that fn raises; empty: it raises none. Other kinds of error pass through.
template <class Expected, class Fn> std::string message_of(Fn&& fn) {
  try {
    fn();
  } catch (const Expected& error) { return error.what(); }
  return "";
}

inline bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }
