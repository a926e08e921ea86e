// The examples' texts: UTF-8 against the standard's own counts, files, and the log of a run.
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

#include "doctest/doctest.h"
#include "examples/lib/run_log.h"
#include "examples/lib/text_file.h"
#include "examples/lib/utf8.h"
#include "tensor/error.h"
#include "tests/messages.h"
#include "tests/temporary_folder.h"

using namespace fovea;
using namespace fovea::lib;

namespace {

// A file in a folder, with those bytes; its path.
std::string file_in(const TemporaryFolder& folder, const std::string& name, std::string_view bytes) {
  put(folder / name, bytes);
  return folder / name;
}

}  // namespace

TEST_CASE("utf8: known texts both ways, every code point round trip") {
  CHECK(decode_utf8("aé汉𝄞", "t") == U"aé汉𝄞");
  CHECK(encode_utf8(U"aé汉𝄞") == "a\xC3\xA9\xE6\xB1\x89\xF0\x9D\x84\x9E");
  CHECK(decode_utf8(std::string_view("\0x", 2), "t") == std::u32string(U"\0x", 2));
  CHECK(decode_utf8("", "t").empty());
  std::u32string all;
  for (char32_t code = 0; code <= 0x10FFFF; ++code) {
    if (code < 0xD800 || code > 0xDFFF) all.push_back(code);
  }
  CHECK(decode_utf8(encode_utf8(all), "t") == all);
  CHECK_THROWS_AS(encode_utf8(std::u32string(1, 0xD800)), ValueError);
  CHECK_THROWS_AS(encode_utf8(std::u32string(1, 0x110000)), ValueError);
}

TEST_CASE("utf8: of all byte sequences exactly the well-formed ones are taken") {
  // Sequences that are one character of n bytes: 128, 1,920, 65,536 - 2,048 surrogates - 2,048 shorter,
  // 1,048,576.
  int64_t good[5] = {};
  std::string bytes(4, '\0');
  for (int a = 0; a < 256; ++a) {
    bytes[0] = static_cast<char>(a);
    good[1] += !next_utf8(std::string_view(bytes).substr(0, 1), 0).problem;
    for (int b = 0; b < 256; ++b) {
      bytes[1] = static_cast<char>(b);
      const auto two = next_utf8(std::string_view(bytes).substr(0, 2), 0);
      good[2] += !two.problem && two.bytes == 2;
      for (int c = 0; c < 256; ++c) {
        bytes[2] = static_cast<char>(c);
        const auto three = next_utf8(std::string_view(bytes).substr(0, 3), 0);
        good[3] += !three.problem && three.bytes == 3;
        if (a < 0xE0) continue;
        for (const int d : {0x00, 0x7F, 0x80, 0xBF, 0xC0, 0xFF}) {  // two of the 64 that may be there, and neighbours
          bytes[3] = static_cast<char>(d);
          const auto four = next_utf8(bytes, 0);
          good[4] += !four.problem && four.bytes == 4;
        }
      }
    }
  }
  CHECK(good[1] == 128);
  CHECK(good[2] == 1920);
  CHECK(good[3] == 65536 - 2048 - 2048);
  CHECK(good[4] == 1048576 / 64 * 2);
}

TEST_CASE("utf8: an error names source, offset, line, value and reason") {
  const auto refusal = [](const std::string& bytes) {
    return message_of<FileError>([&] { decode_utf8(bytes, "notes.txt"); });
  };
  CHECK(refusal("one\ntwo \xFF") ==
        "notes.txt: not valid UTF-8: byte 8 (line 2) is 0xFF: no character starts with this byte; save the "
        "text as "
        "UTF-8, e.g. with iconv -t UTF-8");
  CHECK(contains(refusal("\x80"), "byte 0 (line 1) is 0x80: a continuation byte"));
  CHECK(contains(refusal("\xC0\x80"), "0xC0: an overlong form"));
  CHECK(contains(refusal("\xE0\x9F\xBF"), "0xE0: an overlong form"));
  CHECK(contains(refusal("\xF0\x8F\xBF\xBF"), "0xF0: an overlong form"));
  CHECK(contains(refusal("\xED\xA0\x80"), "0xED: a surrogate"));
  CHECK(contains(refusal("\xF4\x90\x80\x80"), "0xF4: a code point beyond U+10FFFF"));
  CHECK(contains(refusal("a\xE6\xB1"), "byte 1 (line 1) is 0xE6: the text ends inside"));
  CHECK(contains(refusal("a\xE6\xB1z"), "byte 1 (line 1) is 0xE6: this character is cut short"));
  CHECK(contains(refusal(std::string(1234567, 'a') + "\xFE"), "byte 1,234,567 "));
}

TEST_CASE("text_file: whole files, several, and a reason for each that cannot be read") {
  const TemporaryFolder folder;
  const std::string big(200001, 'b');
  const std::string one = file_in(folder, "one", "汉\n"), two = file_in(folder, "two", big),
                    none = file_in(folder, "none", "");
  CHECK(read_file(two) == big);
  CHECK(read_file(none) == "");
  CHECK(read_text({one, two}) == U"汉\n" + std::u32string(200001, U'b'));

  const auto refusal = [](std::vector<std::string> paths) { return message_of<FileError>([&] { read_text(paths); }); };
  CHECK(refusal({folder / "missing"}) == "cannot read " + folder.path() + "/missing: No such file or directory");
  CHECK(refusal({folder.path()}) == "cannot read " + folder.path() + ": Is a directory");
  CHECK(refusal({one, none}) == "cannot use " + none + ": the file is empty");
  CHECK(refusal({""}) == "cannot read \"\": No such file or directory");
  CHECK(refusal({one + "/x"}) == "cannot read " + one + "/x: Not a directory");
  CHECK(refusal({}) == "no text file is named");
  CHECK(contains(refusal({one, file_in(folder, "bad", "\xFF")}), folder / "bad: not valid UTF-8: byte 0"));
  if (geteuid() != 0) {  // root may read everything
    chmod(one.c_str(), 0);
    CHECK(refusal({one}) == "cannot read " + one + ": Permission denied");
  }
}

TEST_CASE("text_file: a full disk, a missing folder and a directory are errors when writing") {
  AppendFile full("/dev/full", AppendFile::Open::keep);
  CHECK(message_of<FileError>([&] { full.append("x\n"); }) == "cannot write /dev/full: No space left on device");
  const TemporaryFolder folder;
  CHECK(message_of<FileError>([&] { AppendFile(folder / "no/log", AppendFile::Open::fresh); }) ==
        "cannot write " + folder.path() + "/no/log: No such file or directory");
  CHECK(message_of<FileError>([&] { AppendFile(folder.path(), AppendFile::Open::fresh); }) ==
        "cannot write " + folder.path() + ": Is a directory");
}

TEST_CASE("run_log: rows in both files, at once") {
  const TemporaryFolder folder;
  RunLog log(folder / "log", {"loss", "val_loss", "lr"});
  CHECK(read_file(log.csv_path()) == "step,loss,val_loss,lr\n");
  log.write(10, {{"lr", 0.001}, {"loss", 2.5}});
  log.write(20, {{"loss", std::nan("")}, {"val_loss", 0.1}});
  CHECK(read_file(log.csv_path()) == "step,loss,val_loss,lr\n10,2.5,,0.001\n20,nan,0.1,\n");
  CHECK(read_file(log.jsonl_path()) ==
        "{\"step\": 10, \"loss\": 2.5, \"lr\": 0.001}\n{\"step\": 20, \"loss\": null, \"val_loss\": 0.1}\n");
  CHECK(contains(message_of<ValueError>([&] { log.write(30, {{"los", 1}}); }), "los is not a column"));
}

TEST_CASE("run_log: a resumed run leaves the diary of an unbroken one") {
  const TemporaryFolder folder;
  const auto steps = [](RunLog& log, int64_t first, int64_t last) {
    for (int64_t step = first; step <= last; step += 5) log.write(step, {{"loss", 1 / static_cast<double>(step)}});
  };
  RunLog unbroken(folder / "unbroken", {"loss"});
  steps(unbroken, 5, 200);
  const auto same = [&](const RunLog& log) {
    CHECK(read_file(log.csv_path()) == read_file(unbroken.csv_path()));
    CHECK(read_file(log.jsonl_path()) == read_file(unbroken.jsonl_path()));
  };
  const std::string stem = folder / "log";
  {
    RunLog log(stem, {"loss"});
    steps(log, 5, 120);
  }
  {
    RunLog log(stem, {"loss"}, 100);
    CHECK(contains(read_file(log.csv_path()), "\n100,0.01\n"));
    CHECK_FALSE(contains(read_file(log.csv_path()), "\n105"));
    CHECK_FALSE(contains(read_file(log.jsonl_path()), " 105"));
    steps(log, 105, 160);
  }
  for (const char* suffix : {".csv", ".jsonl"}) {  // killed in the middle of a line
    std::filesystem::resize_file(stem + suffix, std::filesystem::file_size(stem + suffix) - 4);
  }
  {
    RunLog log(stem, {"loss"}, 155);
    steps(log, 160, 200);
    same(log);
  }
  for (const char* suffix : {".csv", ".jsonl"}) std::filesystem::resize_file(stem + suffix, 2);  // before the header
  {
    RunLog log(stem, {"loss"}, 0);
    steps(log, 5, 200);
    same(log);
  }
  std::filesystem::remove(stem + ".csv");
  std::filesystem::remove(stem + ".jsonl");
  {
    RunLog log(stem, {"loss"}, 0);
    steps(log, 5, 200);
    same(log);
  }
  const std::string other = message_of<FileError>([&] { RunLog(stem, {"loss", "lr"}, 200); });
  CHECK(contains(other, "log.csv: its columns are step,loss, this program writes step,loss,lr"));
  CHECK(read_file(stem + ".csv") == read_file(unbroken.csv_path()));
}

TEST_CASE("run_log: a full disk stops the run with the file's name") {
  const TemporaryFolder folder;
  const std::string full = ": No space left on device";
  std::filesystem::create_symlink("/dev/full", folder / "a.csv");
  CHECK(message_of<FileError>([&] { RunLog(folder / "a", {"loss"}); }) ==
        "cannot write " + folder.path() + "/a.csv" + full);
  std::filesystem::create_symlink("/dev/full", folder / "b.jsonl");
  RunLog log(folder / "b", {"loss"});
  CHECK(message_of<FileError>([&] {
          log.write(1, {{"loss", 1}});
        }) == "cannot write " + folder.path() + "/b.jsonl" + full);
}
