// The JSON reader and writer: what is accepted, and the message for everything that is not.
#include "tensor/json.h"

#include <doctest/doctest.h>

#include <vector>

#include "tensor/error.h"
#include "tests/messages.h"
#include "tests/temporary_folder.h"

using namespace fovea;

namespace {

std::string read_string(std::string_view text) {
  JsonReader json(text, "test");
  std::string result = json.string();
  json.end();
  return result;
}

int64_t read_integer(std::string_view text) {
  JsonReader json(text, "test");
  const int64_t result = json.integer();
  json.end();
  return result;
}

std::vector<std::string> read_keys(std::string_view text) {  // of an object whose values are integers
  JsonReader json(text, "test");
  std::vector<std::string> keys;
  json.object([&](const std::string& key) {
    keys.push_back(key);
    json.integer();
  });
  json.end();
  return keys;
}

std::vector<int64_t> read_array(std::string_view text) {
  JsonReader json(text, "test");
  std::vector<int64_t> values;
  json.array([&] { values.push_back(json.integer()); });
  json.end();
  return values;
}

template <class Read> std::string error_of(Read read, std::string_view text) {
  return message_of<FileError>([&] { read(text); });
}

}  // namespace

TEST_CASE("json: strings with every escape") {
  CHECK(read_string(R"("")") == "");
  CHECK(read_string(R"(  "a b"  )") == "a b");
  CHECK(read_string(R"("\"\\\/\b\f\n\r\t")") == "\"\\/\b\f\n\r\t");
  CHECK(read_string(R"("\u0041\u00e9\u4e2d\uD83D\ude00")") == "Aé中😀");
  CHECK(read_string(R"("é中😀")") == "é中😀");
  CHECK(read_string(R"("\u0000")") == std::string(1, '\0'));
  CHECK(read_string("\"\x7f\"") == "\x7f");
}

TEST_CASE("json: broken strings") {
  CHECK(error_of(read_string, "\"ab") == "test, byte 3: a string without its closing quote");
  CHECK(error_of(read_string, "\"a\nb\"") == "test, byte 2: a control character in a string must be escaped");
  CHECK(error_of(read_string, R"("\x")") == "test, byte 1: an unknown or unfinished escape");
  for (const char* text : {R"("\)", R"("\")", R"("\u12")", R"("\u12G4")", R"("\u 123")", R"("\U0041")"})
    CHECK(error_of(read_string, text) != "");
  for (const char* text : {R"("\ud83d")", R"("\ud83dx")", R"("\ude00")", R"("\ud83d\u0041")", R"("\ud83d\ud83d")"})
    CHECK_MESSAGE(error_of(read_string, text) != "", text);
  CHECK(contains(error_of(read_string, R"("\ude00")"), "a surrogate without its other half"));
  CHECK(error_of(read_string, "7") == "test, byte 0: expected a string, found \"7\"");
  CHECK(error_of(read_string, "") == "test, byte 0: expected a string, found the end of the text");
  CHECK(error_of(read_string, "\xff") == "test, byte 0: expected a string, found a byte above 127");
  CHECK(error_of(read_string, R"("a" x)") == "test, byte 4: text after the end of the JSON value");
}

TEST_CASE("json: UTF-8 is checked to the letter") {
  for (const char* good :
       {"\x7f", "\u0080", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\uffff", "\U00010000", "\U0010ffff"}) {
    CHECK(is_utf8(good));
    CHECK(read_string("\"" + std::string(good) + "\"") == good);
  }
  for (const char* bad : {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc3", "\xc3(", "\xe0\x80\x80", "\xe0\x9f\xbf",
                          "\xe4\xb8", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf",
                          "\xf0\x9f\x98", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff"}) {
    CHECK_FALSE(is_utf8(bad));
    CHECK(error_of(read_string, "\"a" + std::string(bad) + "\"") == "test, byte 2: invalid UTF-8");
  }
  for (uint32_t code = 0; code <= 0x10FFFF; code += 7) {
    if (code >= 0xD800 && code <= 0xDFFF) continue;
    std::string text;
    append_utf8(text, code);
    if (utf8_character(text) != text.size()) FAIL("code point ", code);
  }
}

TEST_CASE("json: whole numbers and nothing else") {
  CHECK(read_integer("0") == 0);
  CHECK(read_integer(" 120\n") == 120);
  CHECK(read_integer("9223372036854775807") == 9223372036854775807);
  CHECK(error_of(read_integer, "9223372036854775808") == "test, byte 18: a number larger than 9223372036854775807");
  CHECK(contains(error_of(read_integer, "99999999999999999999999"), "a number larger than"));
  for (const char* text : {"-1", "+1", "1.0", "1e3", "2E1", ".5", "", "true", "null", "\"1\"", "[1]", "NaN"})
    CHECK_MESSAGE(contains(error_of(read_integer, text), "expected a whole number, not negative"), text);
  CHECK(contains(error_of(read_integer, "007"), "a number with a leading zero"));
  CHECK(contains(error_of(read_integer, "1 2"), "text after the end"));
}

TEST_CASE("json: objects and arrays") {
  CHECK(read_keys("{}").empty());
  CHECK(read_keys(R"( { "b" : 1 , "a" : 2 } )") == std::vector<std::string>{"b", "a"});
  CHECK(read_array("[]").empty());
  CHECK(read_array("[1, 2,3 ]") == std::vector<int64_t>{1, 2, 3});
  CHECK(error_of(read_keys, R"({"a":1,"a":2})") == "test, byte 10: the name \"a\" occurs twice");
  CHECK(error_of(read_keys, R"({"ab":1,"\u0061b":2})") == "test, byte 17: the name \"ab\" occurs twice");
  CHECK(error_of(read_keys, R"({"a":1,})") == "test, byte 7: expected a string, found \"}\"");
  CHECK(error_of(read_keys, R"({"a":1)") == "test, byte 6: expected ',' or '}', found the end of the text");
  CHECK(error_of(read_keys, R"({"a" 1})") == "test, byte 5: expected ':', found \"1\"");
  for (const char* text : {"", "[", "]", "[1", "[1,", "[,1]", "[1,]", "[1 2]", "[1}", "[[1]]", "{}"})
    CHECK_MESSAGE(error_of(read_array, text) != "", text);
  for (const char* text : {"", "{", "{,}", "{a:1}", "{1:1}", "{\"a\"}", "{\"a\":}", "{\"a\":1]", "{\"a\":{}}", "[]"})
    CHECK_MESSAGE(error_of(read_keys, text) != "", text);
  CHECK(error_of(read_array, std::string(1'000'000, '[')) != "");  // the depth costs no stack
}

TEST_CASE("json: quoting writes what the reader reads") {
  CHECK(json_quoted("a\"\\/\b\f\n\r\t\x01\x1f\x7fé😀") == "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7fé😀\"");
  std::string all;
  for (uint32_t code = 0; code < 0x300; ++code) append_utf8(all, code);
  CHECK(read_string(json_quoted(all)) == all);
  CHECK(json_excerpt("short") == "\"short\"");
  CHECK(json_excerpt(std::string(81, 'x')) == "\"" + std::string(80, 'x') + "\"…");
  CHECK(json_excerpt(std::string(79, 'x') + "éé") == "\"" + std::string(79, 'x') + "\"…");
}
