#include "tensor/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

#include "tensor/checksum.h"
#include "tensor/json.h"

namespace fovea {
namespace {

static_assert(std::endian::native == std::endian::little, "the format's numbers are little-endian");

constexpr uint64_t longest_header = 100'000'000;  // as the reference has it
constexpr const char* metadata_key = "__metadata__";

// --- element types ------------------------------------------------------------------------------------------------

float from_f16(uint16_t half) {
  const uint32_t sign = uint32_t(half & 0x8000) << 16, exponent = half >> 10 & 31, mantissa = half & 1023;
  if (exponent == 0) return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(float(mantissa) * 0x1p-24f));
  return std::bit_cast<float>(sign | (exponent == 31 ? 0xFF : exponent + 112) << 23 | mantissa << 13);
}

float from_bf16(uint16_t half) { return std::bit_cast<float>(uint32_t(half) << 16); }

template <class From, class To, To (*convert)(From)>
void convert_all(std::span<const std::byte> from, std::span<std::byte> to) {
  for (size_t i = 0; i * sizeof(From) < from.size(); ++i) {
    const To value = convert(load_as<From>(from.data() + i * sizeof(From)));
    std::memcpy(to.data() + i * sizeof(To), &value, sizeof value);
  }
}

template <class From> int64_t widen(From value) { return value; }

struct FileType {
  const char* name;
  int64_t size;                                                            // of an element in the file
  DType dtype;                                                             // of the tensor
  void (*convert)(std::span<const std::byte> from, std::span<std::byte>);  // nullptr: the bytes are the same
};

// In the order in which the reference writes them. Those we write come without a conversion.
constexpr FileType file_types[] = {
    {"I64", 8, DType::i64, nullptr},
    {"F64", 8, DType::f64, nullptr},
    {"F32", 4, DType::f32, nullptr},
    {"I32", 4, DType::i64, convert_all<int32_t, int64_t, widen<int32_t>>},
    {"BF16", 2, DType::f32, convert_all<uint16_t, float, from_bf16>},
    {"F16", 2, DType::f32, convert_all<uint16_t, float, from_f16>},
    {"U8", 1, DType::i64, convert_all<uint8_t, int64_t, widen<uint8_t>>},
    {"BOOL", 1, DType::boolean, nullptr},
};

const FileType* type_written_for(DType dtype) {
  return std::find_if(std::begin(file_types), std::end(file_types),
                      [&](const FileType& type) { return type.dtype == dtype && !type.convert; });
}

// --- reading ------------------------------------------------------------------------------------------------------

class Loader {
 public:
  explicit Loader(const std::string& path) : where_("load_safetensors: \"" + path + "\""), file_(path) {}

  SafeTensors load() {
    read_header();
    check_layout();
    SafeTensors result;
    for (const Entry& entry : entries_) result.tensors.emplace(entry.name, read_tensor(entry));
    result.metadata = std::move(metadata_);
    return result;
  }

 private:
  struct Entry {
    std::string name;
    const FileType* type = nullptr;
    Shape shape;
    int64_t begin = -1, end = -1;  // in the data; -1: not given
  };

  template <class... Parts> [[noreturn]] void broken(const Parts&... parts) const {
    fail(ErrorKind::file, where_, ": ", parts...);
  }
  template <class... Parts> [[noreturn]] void broken(const Entry& entry, const Parts&... parts) const {
    fail(ErrorKind::file, where_, ": tensor ", json_excerpt(entry.name), ": ", parts...);
  }

  void read_header();
  Entry read_entry(JsonReader& json, const std::string& name) const;
  void read_shape(JsonReader& json, Entry& entry) const;
  void check_layout();
  int64_t bytes_of(const Entry& entry) const;
  Tensor read_tensor(const Entry& entry) const;

  std::string where_;
  InputFile file_;
  int64_t data_start_ = 0, data_size_ = 0;
  std::vector<Entry> entries_;
  std::map<std::string, std::string> metadata_;
};

void Loader::read_header() {
  const int64_t size = file_.size();
  uint64_t length = 0;
  if (size < 8) broken("the file has ", size, " bytes, the length of the header alone takes 8; truncated?");
  file_.read(0, std::as_writable_bytes(std::span(&length, 1)));
  if (length > longest_header)
    broken("a header of ", length, " bytes, more than the ", longest_header, " allowed; not a .safetensors file?");
  if (int64_t(length) > size - 8)
    broken("a header of ", length, " bytes, but only ", size - 8, " bytes follow its length; truncated?");
  std::string header(size_t(length), '\0');
  file_.read(8, std::as_writable_bytes(std::span(header)));
  if (!header.starts_with('{')) broken("the header does not start with '{'; not a .safetensors file?");
  data_start_ = 8 + int64_t(length);
  data_size_ = size - data_start_;

  JsonReader json(header, where_ + ": header");
  json.object([&](const std::string& name) {
    if (name == metadata_key) {
      json.object([&](const std::string& key) { metadata_[key] = json.string(); });
    } else {
      entries_.push_back(read_entry(json, name));
    }
  });
  json.end();
}

Loader::Entry Loader::read_entry(JsonReader& json, const std::string& name) const {
  Entry entry;
  entry.name = name;
  bool has_shape = false;
  json.object([&](const std::string& key) {
    if (key == "dtype") {
      const std::string wanted = json.string();
      const auto matches = [&](const FileType& type) { return type.name == wanted; };
      entry.type = std::find_if(std::begin(file_types), std::end(file_types), matches);
      if (entry.type == std::end(file_types))
        broken(entry, "dtype ", json_excerpt(wanted), " is not read (F64, F32, F16, BF16, I64, I32, U8, BOOL are)");
    } else if (key == "shape") {
      read_shape(json, entry);
      has_shape = true;
    } else if (key == "data_offsets") {
      int count = 0;
      json.array([&] {
        if (count == 2) broken(entry, "more than two data_offsets");
        (count++ == 0 ? entry.begin : entry.end) = json.integer();
      });
    } else {
      broken(entry, "unknown field ", json_excerpt(key));
    }
  });
  if (!entry.type) broken(entry, "no dtype");
  if (!has_shape) broken(entry, "no shape");
  if (entry.end < 0) broken(entry, "no data_offsets of a beginning and an end");
  return entry;
}

void Loader::read_shape(JsonReader& json, Entry& entry) const {
  json.array([&] {
    if (entry.shape.rank() == Shape::max_rank) broken(entry, "more than ", Shape::max_rank, " axes");
    entry.shape.push_back(json.integer());
  });
}

// In the order of their places the tensors have to cover the data exactly.
void Loader::check_layout() {
  std::sort(entries_.begin(), entries_.end(),
            [](const Entry& a, const Entry& b) { return a.begin != b.begin ? a.begin < b.begin : a.end < b.end; });
  int64_t place = 0;
  for (const Entry& entry : entries_) {
    if (entry.begin > entry.end) broken(entry, "begins at byte ", entry.begin, " and ends at ", entry.end);
    if (entry.end > data_size_)
      broken(entry, "ends at byte ", entry.end, " of the data, the file holds ", data_size_, "; truncated?");
    if (entry.begin < place) broken(entry, "begins at byte ", entry.begin, ", inside the tensor before it");
    if (entry.begin > place) broken(entry, "begins at byte ", entry.begin, ", a hole of ", entry.begin - place);
    if (const int64_t bytes = bytes_of(entry); bytes != entry.end - entry.begin)
      broken(entry, entry.type->name, " ", entry.shape, " takes ", bytes, " bytes, data_offsets give it ",
             entry.end - entry.begin);
    place = entry.end;
  }
  if (place != data_size_) broken(data_size_ - place, " bytes after the last tensor belong to none");
}

int64_t Loader::bytes_of(const Entry& entry) const {
  try {
    return checked_product("size", element_count("size", entry.shape), entry.type->size);
  } catch (const ShapeError& error) { broken(entry, error.what()); }
}

Tensor Loader::read_tensor(const Entry& entry) const {
  Tensor x = empty(entry.shape, entry.type->dtype);
  const std::span<std::byte> to = element_bytes(x);
  if (!entry.type->convert) {
    file_.read(data_start_ + entry.begin, to);
  } else {
    std::byte piece[8192];
    const int64_t width = size_of(entry.type->dtype) / entry.type->size;  // bytes that a byte becomes
    for (int64_t at = 0; at < entry.end - entry.begin; at += int64_t(sizeof piece)) {
      const int64_t bytes = std::min(int64_t(sizeof piece), entry.end - entry.begin - at);
      file_.read(data_start_ + entry.begin + at, std::span(piece).first(size_t(bytes)));
      entry.type->convert(std::span(piece).first(size_t(bytes)), to.subspan(size_t(at * width)));
    }
  }
  if (entry.type->dtype == DType::boolean &&
      std::any_of(to.begin(), to.end(), [](std::byte value) { return value > std::byte(1); }))
    broken(entry, "a BOOL that is neither 0 nor 1");
  return x;
}

// --- writing ------------------------------------------------------------------------------------------------------

using Named = std::pair<const std::string, Tensor>;

void check_names(const std::string& path, const std::map<std::string, Tensor>& tensors,
                 const std::map<std::string, std::string>& metadata) {
  const auto check = [&](bool good, const char* what, const std::string& name) {
    if (!good) fail(ErrorKind::value, "save_safetensors: \"", path, "\": ", what, " ", json_excerpt(name));
  };
  for (const auto& [name, x] : tensors) {
    check(is_utf8(name), "not UTF-8: the name", name);
    check(name != metadata_key, "no tensor may be called", name);
    check(x.defined(), "an undefined tensor under the name", name);
  }
  for (const auto& [key, text] : metadata)
    check(is_utf8(key) && is_utf8(text), "not UTF-8: the metadata under the name", key);
}

std::string metadata_text(std::map<std::string, std::string> metadata) {
  metadata.emplace("format", "pt");
  std::string text;
  for (const auto& [key, value] : metadata)
    text += (text.empty() ? "" : ",") + json_quoted(key) + ":" + json_quoted(value);
  return "{" + text + "}";
}

std::string header_text(const std::vector<const Named*>& order, const std::map<std::string, std::string>& metadata) {
  std::string header = "{" + json_quoted(metadata_key) + ":" + metadata_text(metadata);
  int64_t place = 0;
  for (const Named* named : order) {
    const auto& [name, x] = *named;
    header += "," + json_quoted(name) + ":{\"dtype\":\"" + type_written_for(x.dtype())->name + "\",\"shape\":[";
    for (int axis = 0; axis < x.rank(); ++axis) header += (axis ? "," : "") + std::to_string(x.shape()[axis]);
    header += "],\"data_offsets\":[" + std::to_string(place) + "," + std::to_string(place + x.bytes()) + "]}";
    place += x.bytes();
  }
  header += "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  return header;
}

}  // namespace

SafeTensors load_safetensors(const std::string& path) { return Loader(path).load(); }

void save_safetensors(const std::string& path, const std::map<std::string, Tensor>& tensors,
                      const std::map<std::string, std::string>& metadata, KeepPrevious keep) {
  check_names(path, tensors, metadata);
  std::vector<const Named*> order;
  for (const Named& named : tensors) order.push_back(&named);
  std::stable_sort(order.begin(), order.end(), [](const Named* a, const Named* b) {  // by name they are already
    return type_written_for(a->second.dtype()) < type_written_for(b->second.dtype());
  });
  const std::string header = header_text(order, metadata);
  const uint64_t length = header.size();
  if (length > longest_header)
    fail(ErrorKind::value, "save_safetensors: \"", path, "\": a header of ", length, " bytes, more than the ",
         longest_header, " allowed; use shorter or fewer names");

  AtomicFile file(path);
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(std::as_bytes(std::span(header)));
  for (const Named* named : order) {
    const Tensor packed = named->second.contiguous();
    file.write(element_bytes(packed));
  }
  file.commit(keep);
}

}  // namespace fovea
