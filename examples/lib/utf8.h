// UTF-8 to Unicode code points and back, strictly (RFC 3629, Unicode 15 table 3-7).
//
// A language model over characters reads code points, not bytes, so that Chinese text works as well as English. What is
// not UTF-8 is refused with the place of the first bad byte, rather than turned into a vocabulary of rubbish.
#pragma once
#include <string>
#include <string_view>

namespace fovea::lib {

struct Utf8Character {
  char32_t code;        // the code point, where problem is null
  int bytes;            // how many bytes it takes; 1 where there is a problem
  const char* problem;  // null, or why no character starts here
};

// The character that starts at bytes[at]; at < bytes.size().
Utf8Character next_utf8(std::string_view bytes, size_t at);

// All code points of the text. Throws FileError, which names the source (a file, a flag), the offset of the first bad
// byte and its value: overlong forms, surrogates, code points beyond U+10FFFF and cut characters are all refused.
std::u32string decode_utf8(std::string_view bytes, std::string_view source);

// Throws ValueError for a surrogate or a code point beyond U+10FFFF.
std::string encode_utf8(std::u32string_view codes);

}  // namespace fovea::lib
