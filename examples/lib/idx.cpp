#include "examples/lib/idx.h"

#include <string_view>
#include <vector>

#include "examples/lib/text_file.h"
#include "tensor/error.h"
#include "tensor/shape.h"

namespace fovea::lib {

namespace {

// The bytes behind the header, as numbers of type T.
template <class T> Tensor numbers_of(const std::string& file, size_t header, const Shape& shape) {
  std::vector<T> values;
  values.reserve(file.size() - header);
  for (size_t at = header; at < file.size(); ++at) values.push_back(T(static_cast<unsigned char>(file[at])));
  return from_vector(values, shape);
}

}  // namespace

Tensor read_idx(const std::string& path, DType dtype) {
  if (dtype != DType::i64 && dtype != DType::f32) fail(ErrorKind::dtype, "read_idx: gives i64 or f32, not ", dtype);
  const std::string file = read_file(path);
  const auto byte = [&](size_t at) { return int64_t(static_cast<unsigned char>(file[at])); };
  const auto complain = [&](const auto&... what) { fail(ErrorKind::file, path, ": ", what...); };
  if (file.starts_with("\x1F\x8B")) complain("compressed with gzip; unpack it first: gunzip ", path);
  if (file.size() < 4 || byte(0) != 0 || byte(1) != 0) complain("no IDX file: it must begin with two bytes of 0");
  if (byte(2) != 8) complain("holds numbers of type ", byte(2), ", only unsigned bytes (8) are read");
  const size_t axes = size_t(byte(3)), header = 4 + 4 * axes;  // sizes are 4 bytes, the highest first
  if (axes < 1 || axes > size_t(Shape::max_rank)) complain("has ", axes, " axes; 1 to ", Shape::max_rank, " are read");
  if (file.size() < header) complain("ends inside its header of ", header, " bytes");
  Shape shape;
  int64_t count = 1;
  for (size_t at = 4; at < header; at += 4) {
    shape.push_back(byte(at) << 24 | byte(at + 1) << 16 | byte(at + 2) << 8 | byte(at + 3));
    count = checked_product("read_idx", count, shape.back());
  }
  if (count != int64_t(file.size() - header))
    complain("the header says ", shape, ", ", count, " bytes, but ", file.size() - header, " follow it");
  return dtype == DType::f32 ? numbers_of<float>(file, header, shape) : numbers_of<int64_t>(file, header, shape);
}

}  // namespace fovea::lib
