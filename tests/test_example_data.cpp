// The data that experiments are made of: every answer against its question, worked out again here; readers of CSV and
// IDX files, whole ones and broken ones, and MNIST's four.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>

#include "examples/claims/picture_source.h"
#include "examples/lib/csv.h"
#include "examples/lib/curve.h"
#include "examples/lib/idx.h"
#include "examples/lib/scenes.h"
#include "examples/lib/sequences.h"
#include "tensor/error.h"
#include "tensor/reduce.h"
#include "tensor/views.h"
#include "tests/messages.h"
#include "tests/temporary_folder.h"

using namespace fovea;
using namespace fovea::lib;

namespace {

std::vector<int64_t> row(const Tensor& x, int64_t i) { return select(x, 0, i).contiguous().to_vector<int64_t>(); }

// A file of IDX: its sizes, then bytes.
std::string idx(std::initializer_list<unsigned> sizes, const std::string& bytes = "") {
  std::string file = {0, 0, 8, char(sizes.size())};
  for (unsigned size : sizes) {
    for (int shift : {24, 16, 8, 0}) file += char(size >> shift);
  }
  return file + bytes;
}

}  // namespace

TEST_CASE("reversal and sorting: the target is the source backwards, or in order, and then the end") {
  Rng rng(1);
  const SequencePairs backwards = reversal(20, 7, 5, rng), sorted = sorting(20, 7, 5, rng);
  CHECK(backwards.source.shape() == Shape{20, 7});
  CHECK(backwards.target.shape() == Shape{20, 8});
  std::set<int64_t> seen;
  for (int64_t i = 0; i < 20; ++i) {
    std::vector<int64_t> source = row(backwards.source, i);
    seen.insert(source.begin(), source.end());
    std::reverse(source.begin(), source.end());
    source.push_back(Token::end);
    CHECK(row(backwards.target, i) == source);
    source = row(sorted.source, i);
    std::sort(source.begin(), source.end());
    source.push_back(Token::end);
    CHECK(row(sorted.target, i) == source);
  }
  CHECK(seen == std::set<int64_t>{3, 4, 5, 6, 7});
  CHECK(decoder_input(backwards.target).at({0, 0}) == Token::start);
  CHECK(decoder_input(backwards.target).at({0, 1}) == backwards.target.at({0, 0}));
  CHECK(decoder_input(backwards.target).shape() == backwards.target.shape());

  Rng again(1);
  CHECK(identical(reversal(20, 7, 5, again).source, backwards.source));
  CHECK(message_of<ValueError>([&] { reversal(2, 0, 5, rng); }) == "reversal: length must be 1 or more, got 0");
}

TEST_CASE("exact matches: the whole target up to its end, whatever comes behind") {
  const auto rows = [](std::vector<int64_t> v, int64_t width) {
    return from_vector(v, {int64_t(v.size()) / width, width});
  };
  const int64_t e = Token::end, p = Token::pad;
  const Tensor target = rows({5, 6, e, p, 7, e, p, p}, 4);
  CHECK(exact_matches(rows({5, 6, e, 9, 9, 7, e, 3, 3, 3}, 5), target) == 1);
  CHECK(exact_matches(rows({5, 6, 7, e, 7, e, e, e}, 4), target) == 0.5);  // goes on where it should end
  CHECK(exact_matches(rows({5, 6, 9, e}, 2), target) == 0);                // too short, and another symbol
  CHECK(exact_matches(rows({5, e, 7, e}, 2), target) == 0.5);
}

TEST_CASE("additions are right, and every number occurs with all its figures") {
  Rng rng(2);
  const auto pairs = additions(500, 3, rng);
  int64_t short_ones = 0;
  for (const auto& [question, answer] : pairs) {
    REQUIRE(question.size() == 7);
    REQUIRE(answer.size() == 4);
    CHECK(std::stol(question.substr(0, 3)) + std::stol(question.substr(4)) == std::stol(answer));
    short_ones += question[0] == '0';
  }
  CHECK(short_ones > 25);  // a tenth
  CHECK_THROWS_AS(additions(1, 18, rng), ValueError);
}

TEST_CASE("dates: the C library reads the ISO form as the same day, in all ways of writing it") {
  Rng rng(3);
  const auto pairs = dates(3000, rng);
  const char* const formats[] = {"%d %B %Y",     "%B %d, %Y",   "%b %d, %Y",       "%d %b %Y", "%A, %B %d, %Y",
                                 "%a, %d %b %Y", "%A %d %B %Y", "the %d of %B %Y", "%B %d %Y", "%b %d %Y",
                                 "%d.%m.%Y",     "%m/%d/%Y",    "%Y/%m/%d",        "%d-%b-%Y"};
  int64_t understood = 0;
  for (const TextPair& pair : pairs) {
    const std::string &text = pair.first, &iso = pair.second;
    std::string plain = text;  // without st, nd, rd, th behind a figure
    for (size_t i = 1; i + 1 < plain.size(); ++i) {
      const std::string two = plain.substr(i, 2);
      if (std::isdigit(static_cast<unsigned char>(plain[i - 1])) &&
          (two == "st" || two == "nd" || two == "rd" || two == "th"))
        plain.erase(i, 2);
    }
    std::set<std::string> readings;
    for (const char* format : formats) {
      std::tm when = {};
      const char* const end = strptime(plain.c_str(), format, &when);
      if (!end || *end) continue;
      char normal[16];
      std::strftime(normal, sizeof normal, "%Y-%m-%d", &when);
      // The weekday that was written is the weekday of that day.
      std::tm noon = {};
      noon.tm_year = when.tm_year, noon.tm_mon = when.tm_mon, noon.tm_mday = when.tm_mday, noon.tm_hour = 12;
      const time_t moment = timegm(&noon);
      if (std::string(format).find("%A") != std::string::npos || std::string(format).find("%a") != std::string::npos)
        CHECK_MESSAGE(gmtime(&moment)->tm_wday == when.tm_wday, text);
      readings.insert(normal);
    }
    CHECK_MESSAGE(readings.size() == 1, text);  // and only one day: nothing is ambiguous
    if (readings.size() == 1) CHECK_MESSAGE(*readings.begin() == iso, text);
    understood += readings.size() == 1;
  }
  CHECK(understood == 3000);
}

TEST_CASE("an alphabet: there and back, padding, unknown characters") {
  const std::vector<TextPair> pairs = {{"ab", "b"}, {"cab", "abc"}};
  const Alphabet alphabet = Alphabet::of(pairs);
  CHECK(alphabet.tokens() == Token::first + 3);
  const SequencePairs coded = alphabet.encode(pairs);
  CHECK(row(coded.source, 0) == std::vector<int64_t>{3, 4, Token::pad});
  CHECK(row(coded.lengths, 0).size() == 1);
  CHECK(coded.lengths.to_vector<int64_t>() == std::vector<int64_t>{2, 3});
  CHECK(row(coded.target, 0) == std::vector<int64_t>{4, Token::end, Token::pad, Token::pad});
  CHECK(alphabet.decode(select(coded.target, 0, 1)) == "abc");
  CHECK(alphabet.decode(from_vector<int64_t>({3, Token::pad, 99, 4})) == "a??b");
  CHECK(message_of<ValueError>([&] {
          alphabet.encode({{"x", ""}});
        }) == "Alphabet: the character 'x' is not among \"abc\"");
}

TEST_CASE("delayed copy, associative recall, order of a sentence") {
  Rng rng(4);
  const Labelled copy = delayed_copy(3, 10, 4, 6, rng);
  for (int64_t b = 0; b < 3; ++b) {
    for (int64_t t = 0; t < 10; ++t) CHECK(copy.targets.at({b, t}) == (t < 4 ? -1 : copy.inputs.at({b, t - 4})));
  }
  CHECK_THROWS_AS(delayed_copy(3, 4, 4, 6, rng), ValueError);

  const Labelled recall = associative_recall(50, 4, 8, 5, rng);
  CHECK(recall.inputs.shape() == Shape{50, 9});
  for (int64_t b = 0; b < 50; ++b) {
    std::map<int64_t, int64_t> held;
    const auto sequence = row(recall.inputs, b);
    for (size_t i = 0; i < 8; i += 2) held[sequence[i]] = sequence[i + 1] - 8;
    CHECK(held.size() == 4);
    CHECK(held.at(sequence[8]) == int64_t(recall.targets.at({b})));
  }

  const Labelled order = sentence_order(200, 5, rng);
  double ones = 0;
  for (int64_t b = 0; b < 200; ++b) {
    const auto sentence = row(order.inputs, b);
    CHECK(sentence[0] != sentence[2]);
    CHECK(sentence[1] == 5);
    CHECK((sentence[0] < sentence[2]) == (order.targets.at({b}) == 1));
    ones += order.targets.at({b});
  }
  CHECK(ones > 60);
  CHECK(ones < 140);
}

TEST_CASE("the curve of the notes") {
  Rng rng(5);
  const NoisyCurve data = noisy_curve(400, rng, 0.5);
  const auto x = data.x.to_vector<double>(), y = data.y.to_vector<double>();
  double squares = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    if (i > 0) CHECK(x[i] >= x[i - 1]);
    const double error = y[i] - (2 * std::sin(x[i]) + std::pow(x[i], 0.8));
    squares += error * error;
  }
  CHECK(std::sqrt(squares / 400) == doctest::Approx(0.5).epsilon(0.1));
}

TEST_CASE("pictures of shapes: in range, every label, the figure stands out") {
  Rng rng(6);
  const Pictures pictures = shape_pictures(60, 20, rng);
  CHECK(pictures.images.shape() == Shape{60, 3, 20, 20});
  CHECK(min(pictures.images).item() >= 0);
  CHECK(max(pictures.images).item() <= 1);
  std::set<int64_t> labels;
  for (int64_t label : pictures.labels.to_vector<int64_t>()) labels.insert(label);
  CHECK(labels.size() == shape_names().size());
  for (int64_t i = 0; i < 60; ++i) CHECK(max(select(pictures.images, 0, i)).item() > 0.6);
  CHECK_THROWS_AS(shape_pictures(1, 8, rng), ValueError);
}

TEST_CASE("captioned scenes: each word is true of the picture") {
  Rng rng(7);
  const CaptionedScenes scenes = captioned_scenes(80, 32, rng);
  const auto words = caption_words();
  CHECK(words.size() == 12);
  for (int64_t b = 0; b < 80; ++b) {
    struct Middle {
      double row = 0, column = 0, count = 0;
      double colour[3] = {};
    } middles[3];
    for (int64_t r = 0; r < 32; ++r) {
      for (int64_t c = 0; c < 32; ++c) {
        Middle& m = middles[size_t(scenes.figures.at({b, r, c}))];
        m.row += double(r), m.column += double(c), ++m.count;
        for (int64_t k = 0; k < 3; ++k) m.colour[k] += scenes.images.at({b, k, r, c});
      }
    }
    REQUIRE(middles[1].count > 15);
    REQUIRE(middles[2].count > 15);
    for (Middle& m : middles) m.row /= m.count, m.column /= m.count;
    const auto caption = row(scenes.captions, b);
    const std::string relation = words[size_t(caption[2])];
    CHECK((relation == "above" || relation == "beside"));
    if (relation == "above") CHECK(middles[1].row + 5 < middles[2].row);
    if (relation == "beside") CHECK(middles[1].column + 5 < middles[2].column);
    for (int which : {1, 2}) {  // the strongest channels are those of the colour that is named
      const std::string colour = words[size_t(caption[which == 1 ? 0 : 3])];
      const double* mean = middles[which].colour;
      const bool r = mean[0] > 0.5 * middles[which].count, g = mean[1] > 0.5 * middles[which].count,
                 blue = mean[2] > 0.5 * middles[which].count;
      const std::string seen = r && g ? "yellow" : r && blue ? "purple" : r ? "red" : g ? "green" : "blue";
      CHECK(seen == colour);
    }
    CHECK(caption[1] >= 5);
    CHECK(caption[4] < 10);
  }
}

TEST_CASE("contours: two closed lines of one colour each that do not touch") {
  Rng rng(8);
  const int64_t size = 12;
  const ContourPictures pictures = contour_pictures(50, size, rng);
  for (int64_t b = 0; b < 50; ++b) {
    const auto at = [&](int64_t r, int64_t c) {
      return r < 0 || c < 0 || r >= size || c >= size ? 0 : int64_t(pictures.contours.at({b, r, c}));
    };
    int64_t pixels[3] = {};
    for (int64_t r = 0; r < size; ++r) {
      for (int64_t c = 0; c < size; ++c) {
        const int64_t line = at(r, c);
        ++pixels[line];
        if (line == 0) continue;
        int64_t neighbours = 0;
        for (const auto& [dr, dc] : {std::pair{-1, 0}, {1, 0}, {0, -1}, {0, 1}}) {
          neighbours += at(r + dr, c + dc) == line;
          CHECK(at(r + dr, c + dc) != 3 - line);
        }
        CHECK(neighbours == 2);  // so the line is closed
      }
    }
    CHECK(pixels[1] >= 12);
    CHECK(pixels[2] >= 12);
  }
}

TEST_CASE("csv: names, quotes, empty fields, line ends; what is wrong is named with its place") {
  const TemporaryFolder folder;
  const auto read = [&](std::string_view text) {
    put(folder / "t.csv", text);
    return read_csv(folder / "t.csv");
  };
  const auto refusal = [&](std::string_view text) {
    const std::string message = message_of<FileError>([&] { read(text); });
    return message.substr(std::min(message.size(), (folder / "t.csv").size()));
  };
  CsvTable table = read("\xEF\xBB\xBFx,\"y, \"\"why\"\"\"\r\n1,-2.5e3\r\n +3 ,\r\n");
  CHECK(table.names == std::vector<std::string>{"x", "y, \"why\""});
  CHECK(table.values.shape() == Shape{2, 2});
  CHECK(table.values.at({0, 1}) == -2500);
  CHECK(table.values.at({1, 0}) == 3);
  CHECK(std::isnan(table.values.at({1, 1})));
  table = read("1,2\n\n3,4");
  CHECK(table.names.empty());
  CHECK(table.values.to_vector<double>() == std::vector<double>{1, 2, 3, 4});

  CHECK(refusal("a,b\n1,2\n3\n") == ", line 3: 1 fields, the first line has 2");
  CHECK(refusal("a,b\n1,2x\n") == ", line 2, field 2: \"2x\" is no number");
  CHECK(refusal("a\n\"1\n2") == ", line 2: a quote that does not end");
  CHECK(refusal("\"a\"b,c\n1,2\n") ==
        ", line 1: text behind a closing quote; inside of quotes, a quote is written twice");
  CHECK(refusal("a,b\n") == ": no rows of numbers");
  CHECK(refusal("") == ": no rows of numbers");
  CHECK_THROWS_AS(read_csv(folder / "missing"), FileError);
}

TEST_CASE("idx: images and labels as MNIST has them; broken files") {
  const TemporaryFolder folder;
  const auto read = [&](std::string bytes) {
    put(folder / "f", bytes);
    return read_idx(folder / "f");
  };
  const Tensor images = read(idx({2, 2, 3}) + std::string("\0\1\2\3\4\5\6\7\10\11\12\377", 12));
  CHECK(images.shape() == Shape{2, 2, 3});
  CHECK(images.dtype() == DType::i64);
  CHECK(images.at({1, 1, 2}) == 255);
  CHECK(images.at({0, 1, 0}) == 3);
  CHECK(read(idx({4}) + "\7\2\1\3").to_vector<int64_t>() == std::vector<int64_t>{7, 2, 1, 3});
  CHECK(read(idx({0})).count() == 0);
  CHECK(read_idx(folder / "f", DType::f32).dtype() == DType::f32);

  const auto refusal = [&](const std::string& bytes) {
    const std::string message = message_of<Error>([&] { read(bytes); });
    return message.substr(std::min(message.size(), (folder / "f").size()));
  };
  CHECK(refusal("\x1F\x8B rest") == ": compressed with gzip; unpack it first: gunzip " + folder / "f");
  CHECK(refusal("hello") == ": no IDX file: it must begin with two bytes of 0");
  CHECK(refusal("") == ": no IDX file: it must begin with two bytes of 0");
  CHECK(refusal(std::string("\0\0\15\1\0\0\0\1xxxx", 12)) ==
        ": holds numbers of type 13, only unsigned bytes (8) are read");
  CHECK(refusal(std::string("\0\0\10\0", 4)) == ": has 0 axes; 1 to 8 are read");
  CHECK(refusal(idx({2, 2}).substr(0, 9)) == ": ends inside its header of 12 bytes");
  CHECK(refusal(idx({2, 2}) + "abc") == ": the header says [2, 2], 4 bytes, but 3 follow it");
  CHECK(refusal(idx({2, 2}) + "abcde") == ": the header says [2, 2], 4 bytes, but 5 follow it");
  CHECK_THROWS_AS(read(idx({0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF})), Error);
}

namespace {

// Five pictures of 4 × 8 pixels to learn from and three to test on; picture i is of brightness 10 i.
void put_mnist(const TemporaryFolder& folder, const std::string& between = "-") {
  const auto pictures = [](unsigned count) {
    std::string bytes;
    for (unsigned i = 0; i < count; ++i) bytes += std::string(32, char(10 * i));
    return idx({count, 4, 8}, bytes);
  };
  put(folder / ("train-images" + between + "idx3-ubyte"), pictures(5));
  put(folder / ("train-labels" + between + "idx1-ubyte"), idx({5}, std::string("\0\1\2\0\1", 5)));
  put(folder / ("t10k-images" + between + "idx3-ubyte"), pictures(3));
  put(folder / ("t10k-labels" + between + "idx1-ubyte"), idx({3}, "\3\2\1"));
}

}  // namespace

TEST_CASE("mnist: the four files of a folder, under either of their names") {
  for (const char* between : {"-", "."}) {
    const TemporaryFolder folder;
    put_mnist(folder, between);
    const Mnist mnist = read_mnist(folder.path());
    CHECK(mnist.train.images.shape() == Shape{5, 1, 4, 8});
    CHECK(mnist.train.images.dtype() == DType::f32);
    CHECK(mnist.train.images.at({3, 0, 2, 1}) == doctest::Approx(30.0 / 255));
    CHECK(mnist.train.labels.to_vector<int64_t>() == std::vector<int64_t>{0, 1, 2, 0, 1});
    CHECK(mnist.test.count() == 3);
    CHECK(mnist.train.classes == 4);  // the largest label of either is 3
    CHECK(mnist.test.classes == 4);
  }
}

TEST_CASE("mnist: some of the pictures keep their labels") {
  const TemporaryFolder folder;
  put_mnist(folder);
  const Mnist mnist = read_mnist(folder.path());
  Rng rng(3), same(3);
  const Pictures some = some_of(mnist.train, 40, rng);
  CHECK(some.images.shape() == Shape{40, 1, 4, 8});
  CHECK(some.classes == 4);
  std::set<int64_t> seen;
  const std::vector<int64_t> labels = mnist.train.labels.to_vector<int64_t>();
  for (int64_t i = 0; i < 40; ++i) {
    const int64_t which = std::lround(255 * some.images.at({i, 0, 0, 0}) / 10);
    CHECK(int64_t(some.labels.at({i})) == labels[size_t(which)]);
    seen.insert(which);
  }
  CHECK(seen.size() == 5);
  CHECK(identical(some_of(mnist.train, 40, same).images, some.images));
}

TEST_CASE("mnist: files that are missing, compressed or do not fit together") {
  const TemporaryFolder folder;
  put_mnist(folder);
  const auto refusal = [&](const std::string& path) { return message_of<FileError>([&] { read_mnist(path); }); };
  CHECK(refusal(folder / "nowhere") == folder / "nowhere" + ": no such folder");
  const std::string labels = folder / "t10k-labels-idx1-ubyte", images = folder / "t10k-images-idx3-ubyte";
  put(labels, idx({2}, "\1\2"));
  CHECK(refusal(folder.path()) == labels + ": a label for each of 3 pictures is [3], this holds [2]");
  put(images, idx({3}, "\1\2\3"));
  CHECK(refusal(folder.path()) == images + ": pictures are [count, height, width], this holds [3]");
  put(images, idx({2, 4, 4}, std::string(32, '\1')));
  CHECK(refusal(folder.path()) == folder.path() + ": the pictures to train on, [5, 1, 4, 8], and those to test on, " +
                                      "[2, 1, 4, 4], differ in size");
  std::filesystem::rename(images, images + ".gz");
  CHECK(refusal(folder.path()) == images + ".gz: compressed with gzip; unpack it first: gunzip " + images + ".gz");
  std::filesystem::remove(images + ".gz");
  CHECK(refusal(folder.path()) == folder.path() + ": has no file t10k-images-idx3-ubyte (nor t10k-images.idx3-ubyte)");
}

TEST_CASE("mnist: experiments draw from its pictures, and without it from painted shapes") {
  const TemporaryFolder folder;
  put_mnist(folder);
  const Mnist mnist = read_mnist(folder.path());
  Rng rng(4);
  const claims::Run with(0, true, {}, &mnist), without;
  const claims::PictureSource digits{with.mnist()}, shapes{without.mnist()};
  CHECK(digits.to_learn(7, rng).images.shape() == Shape{7, 1, 4, 8});
  CHECK(max(digits.to_learn(50, rng).images).item() == doctest::Approx(40.0 / 255));
  CHECK(max(digits.unseen(50, rng).images).item() == doctest::Approx(20.0 / 255));  // three pictures: 0, 10 and 20
  CHECK(digits.name_of(3) == "3");
  CHECK(shapes.unseen(7, rng).images.shape() == Shape{7, 3, 24, 24});
  CHECK(shapes.name_of(3) == "cross");
}
