// The checksum against published values of XXH64, and over tensors.
#include "tensor/checksum.h"

#include <doctest/doctest.h>

#include <string_view>

#include "tensor/views.h"

using namespace fovea;

namespace {
uint64_t of_text(std::string_view text, uint64_t seed = 0) { return checksum(std::as_bytes(std::span(text)), seed); }
}  // namespace

TEST_CASE("checksum: published values of XXH64") {
  CHECK(of_text("") == 0xEF46DB3751D8E999);
  CHECK(of_text("a") == 0xD24EC4F1A98C6E5B);
  CHECK(of_text("abc") == 0x44BC2CF5AD770999);
  CHECK(of_text("xxhash", 20141025) == 13067679811253438005u);
  CHECK(of_text("Nobody inspects the spammish repetition") == 0xFBCEA83C8A378BF1);  // longer than one block
  CHECK(checksum_text(0xFBCEA83C8A378BF1) == "fbcea83c8a378bf1");
  CHECK(checksum_text(1) == "0000000000000001");
}

TEST_CASE("checksum: of a tensor, by dtype, shape and elements in order, whatever the strides") {
  const Tensor x = tensor({{1, 2, 3}, {4, 5, 6}});
  CHECK(checksum(x) == checksum(x.clone()));
  CHECK(checksum(transpose(x, 0, 1)) == checksum(transpose(x, 0, 1).clone()));
  CHECK(checksum(transpose(x, 0, 1)) != checksum(x));
  CHECK(checksum(reshape(x, {3, 2})) != checksum(x));
  CHECK(checksum(x.to(DType::f64)) != checksum(x));
  CHECK(checksum(zeros({0, 2})) != checksum(zeros({0, 3})));
  CHECK(checksum(x, 1) != checksum(x));
  for (int64_t i = 0; i < 6; ++i) {
    Tensor changed = x.clone();
    changed.set({i / 3, i % 3}, 1.5 + double(i));
    CHECK(checksum(changed) != checksum(x));
  }
}
