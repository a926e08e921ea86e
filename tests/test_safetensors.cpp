// .safetensors files: bytes as the reference writes them, values as it reads them, and an error for every way in
// which a file can be broken.
#include "tensor/safetensors.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "tensor/error.h"
#include "tensor/views.h"
#include "tests/messages.h"
#include "tests/temporary_folder.h"

using namespace fovea;

namespace {

template <class T> std::string bytes_of(std::initializer_list<T> values) {
  std::string bytes;
  for (const T value : values) bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  return bytes;
}

std::string file_of(const std::string& header, const std::string& data) {
  return bytes_of<uint64_t>({header.size()}) + header + data;
}

SafeTensors load_bytes(const std::string& bytes) {
  const TemporaryFolder folder;
  put(folder / "x", bytes);
  return load_safetensors(folder / "x");
}

// The error without its beginning, `load_safetensors: "…/x": `. "loaded" if there is none.
std::string load_error(const std::string& bytes) {
  const std::string message = message_of<FileError>([&] { load_bytes(bytes); });
  if (message.empty()) return "loaded";
  const std::string start = "/x\": ";
  REQUIRE(message.starts_with("load_safetensors: \""));
  return message.substr(message.find(start) + start.size());
}

std::string header_error(const std::string& header, size_t data_bytes = 0) {
  return load_error(file_of(header, std::string(data_bytes, '\0')));
}

// {"a":{"dtype":…,"shape":…,"data_offsets":…}}
std::string one(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return "{\"a\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}}";
}

std::map<std::string, Tensor> samples() {
  const double infinity = std::numeric_limits<double>::infinity();
  Tensor odd = tensor({0.1, -0.0, infinity, std::nan(""), 1e-310}, DType::f64);
  return {{"f32", tensor({{1, -2.5, 1e-45}, {infinity, 3e38, -0.0}})},
          {"f64", odd},
          {"i64", from_vector<int64_t>({std::numeric_limits<int64_t>::min(), -1, std::numeric_limits<int64_t>::max()})},
          {"bool", tensor({1, 0, 1}, DType::boolean)},
          {"scalar", scalar(7, DType::f64)},
          {"empty", zeros({3, 0, 2})},
          {"empty i64", zeros({0}, DType::i64)},
          {"eight axes", ones({1, 2, 1, 2, 1, 1, 1, 3}, DType::f32)},
          {"名前 \"quoted\"\n", tensor({4})},
          {"", tensor({5}, DType::boolean)}};
}

void check_same(const std::map<std::string, Tensor>& a, const std::map<std::string, Tensor>& b) {
  REQUIRE(a.size() == b.size());
  for (const auto& [name, x] : a) {
    REQUIRE(b.count(name) == 1);
    CHECK(identical(x, b.at(name)));
  }
}

}  // namespace

TEST_CASE("safetensors: what is written comes back, for every dtype and shape") {
  const TemporaryFolder folder;
  const std::map<std::string, std::string> metadata = {{"format", "other"}, {"model", "{\"layers\":4}\t"}, {"", "é"}};
  save_safetensors(folder / "x", samples(), metadata);
  const SafeTensors loaded = load_safetensors(folder / "x");
  check_same(samples(), loaded.tensors);
  CHECK(loaded.metadata == metadata);
  CHECK(folder.count() == 1);
}

TEST_CASE("safetensors: views are written as their elements in order") {
  const TemporaryFolder folder;
  const Tensor x = reshape(arange(0, 24, 1, DType::f32), {2, 3, 4});
  const std::map<std::string, Tensor> views = {{"transposed", transpose(x, 0, 2)},
                                               {"stepped", slice(x, 2, 1, 4, 2)},
                                               {"expanded", expand(reshape(arange(3), {3, 1}), {3, 4})},
                                               {"tail", narrow(x, 0, 1, 1)}};
  save_safetensors(folder / "x", views);
  check_same(views, load_safetensors(folder / "x").tensors);
}

TEST_CASE("safetensors: byte for byte as the reference writes it") {
  const TemporaryFolder folder;
  const std::map<std::string, Tensor> tensors = {{"b", tensor({{1, 2, 3}, {4, 5, 6}})},
                                                 {"a.bias", tensor({0.5, -2})},
                                                 {"flag", tensor({1, 0, 1}, DType::boolean)},
                                                 {"wide", tensor({1}, DType::f64)},
                                                 {"zz", arange(2)},
                                                 {"scalar", scalar(3)},
                                                 {"none", zeros({0, 2})},
                                                 {"B", zeros({1})}};
  save_safetensors(folder / "x", tensors);
  // i64 before f64 before f32 before bool; by name, capitals first, within each.
  const std::string header = R"({"__metadata__":{"format":"pt"},)"
                             R"("zz":{"dtype":"I64","shape":[2],"data_offsets":[0,16]},)"
                             R"("wide":{"dtype":"F64","shape":[1],"data_offsets":[16,24]},)"
                             R"("B":{"dtype":"F32","shape":[1],"data_offsets":[24,28]},)"
                             R"("a.bias":{"dtype":"F32","shape":[2],"data_offsets":[28,36]},)"
                             R"("b":{"dtype":"F32","shape":[2,3],"data_offsets":[36,60]},)"
                             R"("none":{"dtype":"F32","shape":[0,2],"data_offsets":[60,60]},)"
                             R"("scalar":{"dtype":"F32","shape":[],"data_offsets":[60,64]},)"
                             R"("flag":{"dtype":"BOOL","shape":[3],"data_offsets":[64,67]}})";
  const std::string padding((8 - header.size() % 8) % 8, ' ');
  CHECK(padding.size() == 1);
  const std::string data = bytes_of<int64_t>({0, 1}) + bytes_of<double>({1}) + bytes_of<float>({0, 0.5, -2}) +
                           bytes_of<float>({1, 2, 3, 4, 5, 6, 3}) + std::string("\1\0\1", 3);
  CHECK(contents(folder / "x") == file_of(header + padding, data));
}

TEST_CASE("safetensors: an empty set, and metadata with escapes") {
  const TemporaryFolder folder;
  save_safetensors(folder / "x", {});
  CHECK(contents(folder / "x") == file_of(R"({"__metadata__":{"format":"pt"}})", ""));
  CHECK(load_safetensors(folder / "x").tensors.empty());
  save_safetensors(folder / "x", {}, {{"z", "a\"\\\n\x01/é"}, {"a", ""}});
  const std::string header = R"({"__metadata__":{"a":"","format":"pt","z":"a\"\\\n\u0001/é"}})";
  CHECK(contents(folder / "x") == file_of(header + std::string((8 - header.size() % 8) % 8, ' '), ""));
}

TEST_CASE("safetensors: files that the reference's own tests contain") {
  const std::string data = bytes_of<float>({0, 1, 2, 3, 4, 5});
  const SafeTensors padded =
      load_bytes(file_of(R"({"attn0":{"dtype":"F32","shape":[1,1,2,3],"data_offsets":[0,24]}}       )", data));
  CHECK(identical(padded.tensors.at("attn0"), reshape(arange(0, 6, 1, DType::f32), {1, 1, 2, 3})));
  CHECK(padded.metadata.empty());
  CHECK(load_bytes(file_of("{}      ", "")).tensors.empty());
  CHECK(load_bytes(file_of(R"({"__metadata__":{"framework":"pt"}}     )", "")).metadata.at("framework") == "pt");
  const SafeTensors ints =
      load_bytes(file_of(R"({"test":{"dtype":"I32","shape":[2,2],"data_offsets":[0,16]}})", std::string(16, '\0')));
  CHECK(identical(ints.tensors.at("test"), zeros({2, 2}, DType::i64)));
}

TEST_CASE("safetensors: another order, other spacing and no padding are read too") {
  const std::string header =
      "{ \"b\" :\t{\"shape\": [ 1 ] ,\r\n\"data_offsets\":[4, 8],\"dtype\":\"F32\"},"
      "\"\\u0061\":{\"data_offsets\":[0,4],\"dtype\":\"F32\",\"shape\":[]}}";
  const SafeTensors loaded = load_bytes(file_of(header, bytes_of<float>({1, 2})));
  CHECK(loaded.tensors.at("a").item() == 1);
  CHECK(loaded.tensors.at("b").at({0}) == 2);
}

TEST_CASE("safetensors: every F16 and every BF16 becomes the f32 of the same value") {
  std::string data;
  for (uint32_t half = 0; half < 0x10000; ++half) data += bytes_of<uint16_t>({uint16_t(half)});
  const auto f16 = load_bytes(file_of(one("F16", "[65536]", "[0,131072]"), data)).tensors.at("a").to_vector<float>();
  const auto bf16 = load_bytes(file_of(one("BF16", "[65536]", "[0,131072]"), data)).tensors.at("a").to_vector<float>();
  const auto value = [](uint32_t half, int exponent_bits, int mantissa_bits) {  // IEEE 754's definition
    const int exponent = int(half >> mantissa_bits) & ((1 << exponent_bits) - 1);
    const double mantissa = half & ((1u << mantissa_bits) - 1);
    const int bias = (1 << (exponent_bits - 1)) - 1;
    const double sign = half & 0x8000 ? -1 : 1;
    if (exponent == 2 * bias + 1) return sign * (mantissa != 0 ? std::nan("") : HUGE_VAL);
    if (exponent == 0) return sign * std::ldexp(mantissa, 1 - bias - mantissa_bits);
    return sign * std::ldexp(mantissa + std::ldexp(1, mantissa_bits), exponent - bias - mantissa_bits);
  };
  const auto same = [](double a, float b) {
    return std::isnan(a) ? std::isnan(b) : a == double(b) && std::signbit(a) == std::signbit(b);
  };
  int wrong = 0;
  for (uint32_t half = 0; half < 0x10000; ++half) {
    wrong += !same(value(half, 5, 10), f16[half]);
    wrong += !same(value(half, 8, 7), bf16[half]);
  }
  CHECK(wrong == 0);
}

TEST_CASE("safetensors: I32 and U8 become i64") {
  const SafeTensors i32 = load_bytes(file_of(
      one("I32", "[4]", "[0,16]"), bytes_of<int32_t>({-1, 5, std::numeric_limits<int32_t>::min(), 0x7fffffff})));
  CHECK(i32.tensors.at("a").to_vector<int64_t>() == std::vector<int64_t>{-1, 5, -2147483648, 2147483647});
  const SafeTensors u8 = load_bytes(file_of(one("U8", "[3]", "[0,3]"), std::string("\x00\x7f\xff", 3)));
  CHECK(u8.tensors.at("a").to_vector<int64_t>() == std::vector<int64_t>{0, 127, 255});
}

TEST_CASE("safetensors: other dtypes are refused by name") {
  for (const char* dtype : {"U64", "U32", "U16", "I16", "I8", "F8_E4M3", "F8_E5M2", "C64", "f32", ""})
    CHECK(header_error(one(dtype, "[1]", "[0,8]"), 8) ==
          "tensor \"a\": dtype \"" + std::string(dtype) +
              "\" is not read (F64, F32, F16, BF16, I64, I32, U8, BOOL are)");
}

TEST_CASE("safetensors: the header's length") {
  CHECK(load_error("") == "the file has 0 bytes, the length of the header alone takes 8; truncated?");
  CHECK(load_error("1234567") == "the file has 7 bytes, the length of the header alone takes 8; truncated?");
  CHECK(load_error(bytes_of<uint64_t>({3}) + "{}") ==
        "a header of 3 bytes, but only 2 bytes follow its length; truncated?");
  CHECK(load_error(bytes_of<uint64_t>({100'000'000}) + "{}") ==
        "a header of 100000000 bytes, but only 2 bytes follow its length; truncated?");
  CHECK(load_error(bytes_of<uint64_t>({100'000'001}) + "{}") ==
        "a header of 100000001 bytes, more than the 100000000 allowed; not a .safetensors file?");
  CHECK(load_error(std::string(16, '\xff')) ==
        "a header of 18446744073709551615 bytes, more than the 100000000 allowed; not a .safetensors file?");
  CHECK(load_error(std::string(8, '\0')) == "the header does not start with '{'; not a .safetensors file?");
  CHECK(header_error(" {}") == "the header does not start with '{'; not a .safetensors file?");
}

TEST_CASE("safetensors: JSON that is broken or says something else") {
  CHECK(header_error("{") == "header, byte 1: expected a string, found the end of the text");
  CHECK(header_error("{}x") == "header, byte 2: text after the end of the JSON value");
  CHECK(header_error("{\"a\xff\":1}") == "header, byte 3: invalid UTF-8");
  CHECK(header_error("{\"a\":7}") == "header, byte 5: expected an object, found \"7\"");
  CHECK(header_error(one("F32", "[1]", "[0,4]").substr(0, 28), 4) ==
        "header, byte 28: expected an array, found the end of the text");
  CHECK(header_error(one("F32", "[[1]]", "[0,4]"), 4) == "header, byte 29: expected a whole number, not negative");
  CHECK(header_error(one("F32", "[-1]", "[0,4]"), 4) == "header, byte 29: expected a whole number, not negative");
  CHECK(header_error(one("F32", "[1.0]", "[0,4]"), 4) == "header, byte 30: expected a whole number, not negative");
  CHECK(contains(header_error(one("F32", "[9223372036854775808]", "[0,4]"), 4), "a number larger than"));
  CHECK(contains(header_error("{\"a\":" + std::string(100'000, '[')), "expected an object, found \"[\""));
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "{\"a\":";
  CHECK(header_error(deep) == "tensor \"a\": unknown field \"a\"");
  CHECK(header_error(R"({"__metadata__":{"a":1}})") == "header, byte 21: expected a string, found \"1\"");
  CHECK(header_error(R"({"__metadata__":null})") == "header, byte 16: expected an object, found \"n\"");
}

TEST_CASE("safetensors: names that occur twice, however they are spelled") {
  const std::string entry = R"({"dtype":"F32","shape":[],"data_offsets":[0,4]})";
  CHECK(contains(header_error("{\"a\":" + entry + ",\"a\":" + entry + "}", 4), "the name \"a\" occurs twice"));
  CHECK(contains(header_error("{\"a\":" + entry + ",\"\\u0061\":" + entry + "}", 4), "the name \"a\" occurs twice"));
  CHECK(contains(header_error(R"({"__metadata__":{"k":"","\u006B":""}})"), "the name \"k\" occurs twice"));
  CHECK(contains(header_error(R"({"__metadata__":{},"__\u006detadata__":{}})"),
                 "the name \"__metadata__\" occurs twice"));
  CHECK(contains(header_error(R"({"a":{"dtype":"F32","dtype":"F32","shape":[],"data_offsets":[0,4]}})", 4),
                 "the name \"dtype\" occurs twice"));
}

TEST_CASE("safetensors: entries with fields missing or too many") {
  CHECK(header_error("{\"a\":{}}") == "tensor \"a\": no dtype");
  CHECK(header_error(R"({"a":{"dtype":"F32","data_offsets":[0,4]}})", 4) == "tensor \"a\": no shape");
  CHECK(header_error(R"({"a":{"dtype":"F32","shape":[]}})", 4) ==
        "tensor \"a\": no data_offsets of a beginning and an end");
  CHECK(header_error(one("F32", "[]", "[0]"), 4) == "tensor \"a\": no data_offsets of a beginning and an end");
  CHECK(header_error(one("F32", "[]", "[]"), 4) == "tensor \"a\": no data_offsets of a beginning and an end");
  CHECK(header_error(one("F32", "[]", "[0,4,4]"), 4) == "tensor \"a\": more than two data_offsets");
  CHECK(header_error(one("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4) == "tensor \"a\": more than 8 axes");
  CHECK(header_error(R"({"a":{"dtype":"F32","shape":[],"data_offsets":[0,4],"x":1}})", 4) ==
        "tensor \"a\": unknown field \"x\"");
}

TEST_CASE("safetensors: holes, overlaps, wrong sizes, products that wrap, trailing bytes") {
  const auto two = [](const std::string& first, const std::string& second) {
    return R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + first +
           R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + second + "}}";
  };
  CHECK(header_error(two("[0,4]", "[4,8]"), 8) == "loaded");
  CHECK(header_error(two("[4,8]", "[0,4]"), 8) == "loaded");
  CHECK(header_error(two("[0,4]", "[3,7]"), 7) == "tensor \"b\": begins at byte 3, inside the tensor before it");
  CHECK(header_error(two("[0,4]", "[0,4]"), 4) == "tensor \"b\": begins at byte 0, inside the tensor before it");
  CHECK(header_error(two("[0,4]", "[5,9]"), 9) == "tensor \"b\": begins at byte 5, a hole of 1");
  CHECK(header_error(two("[1,5]", "[5,9]"), 9) == "tensor \"a\": begins at byte 1, a hole of 1");
  CHECK(header_error(two("[0,4]", "[4,8]"), 9) == "1 bytes after the last tensor belong to none");
  CHECK(header_error("{}", 3) == "3 bytes after the last tensor belong to none");
  CHECK(header_error(two("[0,4]", "[4,8]"), 7) ==
        "tensor \"b\": ends at byte 8 of the data, the file holds 7; truncated?");
  CHECK(header_error(two("[0,4]", "[8,4]"), 8) == "tensor \"b\": begins at byte 8 and ends at 4");
  CHECK(header_error(one("F32", "[2]", "[0,4]"), 4) == "tensor \"a\": F32 [2] takes 8 bytes, data_offsets give it 4");
  CHECK(header_error(one("F32", "[0]", "[0,4]"), 4) == "tensor \"a\": F32 [0] takes 0 bytes, data_offsets give it 4");
  CHECK(header_error(one("F32", "[4294967296,4294967296]", "[0,0]")) ==
        "tensor \"a\": size: 4294967296 x 4294967296 elements are more than a 64-bit size can count");
  CHECK(contains(header_error(one("F64", "[2305843009213693952]", "[0,0]")), "more than a 64-bit size can count"));
  CHECK(contains(header_error(one("F32", "[4294967296,4294967296,0]", "[0,0]")), "more than a 64-bit size can count"));
  CHECK(header_error(one("F32", "[4611686018427387904,0]", "[0,0]")) == "loaded");
  CHECK(contains(header_error(one("U8", "[9223372036854775807]", "[0,9223372036854775807]"), 8),
                 "ends at byte 9223372036854775807 of the data, the file holds 8; truncated?"));
}

TEST_CASE("safetensors: BOOL is 0 or 1") {
  CHECK(load_error(file_of(one("BOOL", "[2]", "[0,2]"), std::string("\1\0", 2))) == "loaded");
  for (const char* data : {"\1\2", "\xff\1"})
    CHECK(load_error(file_of(one("BOOL", "[2]", "[0,2]"), data)) == "tensor \"a\": a BOOL that is neither 0 nor 1");
}

TEST_CASE("safetensors: a name from a hostile file is quoted and cut short in the message") {
  CHECK(header_error("{\"\\u001b[2J" + std::string(5000, 'x') + "\":{}}") ==
        "tensor \"\\u001b[2J" + std::string(76, 'x') + "\"…: no dtype");
}

TEST_CASE("safetensors: what is no readable file") {
  const TemporaryFolder folder;
  const auto error = [](const std::string& path) { return message_of<FileError>([&] { load_safetensors(path); }); };
  CHECK(error(folder / "no") == "read \"" + folder / "no" + "\": No such file or directory");
  CHECK(error(folder.path()) == "read \"" + folder.path() + "\": Is a directory");
  CHECK(error("/dev/zero") == "read \"/dev/zero\": not a regular file");
}

TEST_CASE("safetensors: a broken file costs no memory for its tensors") {
  reset_peak_memory();
  const int64_t before = memory_stats().peak_bytes;
  CHECK(header_error(one("F64", "[1000000000]", "[0,8000000000]"), 8) != "loaded");
  CHECK(header_error(one("U8", "[1000000000]", "[0,8]"), 8) != "loaded");
  CHECK(memory_stats().peak_bytes == before);
}

TEST_CASE("safetensors: truncation at any byte is an error, so is a byte too many") {
  const TemporaryFolder folder;
  save_safetensors(folder / "good", samples(), {{"key", "välue"}});
  const std::string good = contents(folder / "good");
  CHECK(load_error(good) == "loaded");
  CHECK(load_error(good + '\0') == "1 bytes after the last tensor belong to none");
  for (size_t length = 0; length < good.size(); ++length) {
    if (load_error(good.substr(0, length)) == "loaded") FAIL("loaded ", length, " of ", good.size(), " bytes");
  }
}

TEST_CASE("safetensors: a file with random damage loads or is an error, never more") {
  const TemporaryFolder folder;
  save_safetensors(folder / "good", samples(), {{"key", "välue"}});
  const std::string good = contents(folder / "good");
  const size_t header = good.find("}}") + 2;  // the beginning, where every byte means something
  std::mt19937 random(17);
  int loaded = 0, refused = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string bytes = good;
    for (uint32_t changes = 1 + random() % 3; changes > 0; --changes) {
      const size_t place = random() % (i % 4 == 0 ? bytes.size() : header);  // mostly where it hurts
      switch (random() % 4) {
        case 0: bytes[place] = char(random()); break;
        case 1: bytes[place] = char(bytes[place] ^ (1 << random() % 8)); break;
        case 2: bytes[place] = "0123456789[]{}\",:\\"[random() % 18]; break;
        default: bytes[place] = bytes[random() % header]; break;
      }
    }
    put(folder / "x", bytes);
    try {
      load_safetensors(folder / "x");
      ++loaded;
    } catch (const FileError&) {  // any other exception fails the test
      ++refused;
    }
  }
  CHECK(loaded > 50);
  CHECK(refused > 1500);
}

TEST_CASE("safetensors: what cannot be saved is refused before the old file is touched") {
  const TemporaryFolder folder;
  const std::string path = folder / "x";
  put(path, "old");
  const auto error = [&](const std::map<std::string, Tensor>& tensors,
                         const std::map<std::string, std::string>& metadata) {
    return message_of<ValueError>([&] { save_safetensors(path, tensors, metadata); });
  };
  const std::string start = "save_safetensors: \"" + path + "\": ";
  CHECK(error({{"a\xff", scalar(1)}}, {}) == start + "not UTF-8: the name \"a\xff\"");
  CHECK(error({{"__metadata__", scalar(1)}}, {}) == start + "no tensor may be called \"__metadata__\"");
  CHECK(error({{"a", Tensor()}}, {}) == start + "an undefined tensor under the name \"a\"");
  CHECK(error({}, {{"key", "\xff"}}) == start + "not UTF-8: the metadata under the name \"key\"");
  CHECK(error({{std::string(100'000'000, 'x'), scalar(1)}}, {}) ==
        start + "a header of 100000088 bytes, more than the 100000000 allowed; use shorter or fewer names");
  CHECK(contents(path) == "old");
  CHECK(
      contains(message_of<FileError>([&] { save_safetensors(folder / "no/x", samples()); }), "cannot open the folder"));
  CHECK(folder.count() == 1);
}

TEST_CASE("safetensors: the version before is kept where that is asked for") {
  const TemporaryFolder folder;
  const std::string path = folder / "x";
  for (int version = 1; version <= 3; ++version)
    save_safetensors(path, {{"version", scalar(version)}}, {}, KeepPrevious::yes);
  CHECK(load_safetensors(path).tensors.at("version").item() == 3);
  CHECK(load_safetensors(previous_version(path)).tensors.at("version").item() == 2);
  CHECK(folder.count() == 2);
}
