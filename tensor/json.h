// JSON (RFC 8259), as much of it as file headers need: objects, arrays, strings and whole numbers.
//
// The reader hands out values as the caller asks for them and builds no tree: memory stays small whatever the
// text claims, and since it never calls itself, no depth of nesting can exhaust the stack. It is strict: bad
// UTF-8, a lone surrogate, a raw control character, a leading zero or a key that occurs twice is an error
// with its place.
#pragma once
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace fovea {

// The text in quotes, with exactly the escapes that JSON demands, in the short form where there is one.
std::string json_quoted(std::string_view text);

// The same, cut short where it is long: how names from files appear in messages.
std::string json_excerpt(std::string_view text);

class JsonReader {
 public:
  // Errors are FileErrors that start with `source`, then "byte n: …". The text must outlive the reader.
  JsonReader(std::string_view text, std::string source) : text_(text), source_(std::move(source)) {}

  // Calls member(key) for each member; it has to read the value. No key may occur twice, escapes resolved.
  template <class Member> void object(Member member) {
    std::set<std::string> keys;
    expect('{', "an object");
    if (accept('}')) return;
    do {
      std::string key = string();
      if (!keys.insert(key).second) error("the name " + json_excerpt(key) + " occurs twice");
      expect(':', "':'");
      member(std::as_const(key));
    } while (accept(','));
    expect('}', "',' or '}'");
  }

  // Calls element() before each element; it has to read it.
  template <class Element> void array(Element element) {
    expect('[', "an array");
    if (accept(']')) return;
    do element();
    while (accept(','));
    expect(']', "',' or ']'");
  }

  std::string string();  // UTF-8, escapes resolved
  int64_t integer();     // 0 … 2^63 - 1, no sign, fraction or exponent
  void end();            // nothing but white space may be left

  [[noreturn]] void error(const std::string& what) const;

 private:
  void skip_space();
  bool accept(char wanted);
  void expect(char wanted, const char* description);
  void escape(std::string& out);
  uint32_t four_hex_digits();

  std::string_view text_;
  std::string source_;
  size_t at_ = 0;
};

// The number of bytes of the well-formed UTF-8 character that starts the text; 0: there is none.
size_t utf8_character(std::string_view text);
bool is_utf8(std::string_view text);
void append_utf8(std::string& text, uint32_t code_point);

}  // namespace fovea
