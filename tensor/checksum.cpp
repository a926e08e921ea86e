#include "tensor/checksum.h"

#include <bit>
#include <cstring>

namespace fovea {
namespace {

static_assert(std::endian::native == std::endian::little, "files and checksums read numbers in little-endian order");

constexpr uint64_t prime1 = 0x9E3779B185EBCA87, prime2 = 0xC2B2AE3D27D4EB4F, prime3 = 0x165667B19E3779F9,
                   prime4 = 0x85EBCA77C2B2AE63, prime5 = 0x27D4EB2F165667C5;

uint64_t round(uint64_t lane, uint64_t word) { return std::rotl(lane + word * prime2, 31) * prime1; }

// Folds the blocks of 32 bytes at the front into one number and takes them off.
uint64_t consume_blocks(std::span<const std::byte>& bytes, uint64_t seed) {
  uint64_t lanes[4] = {seed + prime1 + prime2, seed + prime2, seed, seed - prime1};
  for (; bytes.size() >= 32; bytes = bytes.subspan(32)) {
    for (int i = 0; i < 4; ++i) lanes[i] = round(lanes[i], load_as<uint64_t>(bytes.data() + 8 * i));
  }
  uint64_t hash = std::rotl(lanes[0], 1) + std::rotl(lanes[1], 7) + std::rotl(lanes[2], 12) + std::rotl(lanes[3], 18);
  for (const uint64_t lane : lanes) hash = (hash ^ round(0, lane)) * prime1 + prime4;
  return hash;
}

}  // namespace

uint64_t checksum(std::span<const std::byte> bytes, uint64_t seed) {
  const uint64_t length = bytes.size();
  uint64_t hash = length >= 32 ? consume_blocks(bytes, seed) : seed + prime5;
  hash += length;
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
    hash = std::rotl(hash ^ round(0, load_as<uint64_t>(bytes.data())), 27) * prime1 + prime4;
  }
  if (bytes.size() >= 4) {
    hash = std::rotl(hash ^ (load_as<uint32_t>(bytes.data()) * prime1), 23) * prime2 + prime3;
    bytes = bytes.subspan(4);
  }
  for (const std::byte byte : bytes) hash = std::rotl(hash ^ (uint64_t(byte) * prime5), 11) * prime1;
  hash = (hash ^ (hash >> 33)) * prime2;
  hash = (hash ^ (hash >> 29)) * prime3;
  return hash ^ (hash >> 32);
}

uint64_t checksum(const Tensor& x, uint64_t seed) {
  int64_t header[2 + Shape::max_rank] = {int64_t(x.dtype()), x.rank()};
  for (int axis = 0; axis < x.rank(); ++axis) header[2 + axis] = x.shape()[axis];
  const Tensor flat = x.contiguous();
  return checksum(element_bytes(flat), checksum(std::as_bytes(std::span(header)), seed));
}

std::string checksum_text(uint64_t checksum) {
  std::string text;
  for (int shift = 60; shift >= 0; shift -= 4) text += "0123456789abcdef"[(checksum >> shift) & 15];
  return text;
}

std::span<const std::byte> element_bytes(const Tensor& x) {
  return with_type(x.dtype(), [&]<class T>(T) { return std::as_bytes(std::span(x.data<T>(), size_t(x.count()))); });
}

std::span<std::byte> element_bytes(Tensor& x) {
  return with_type(x.dtype(),
                   [&]<class T>(T) { return std::as_writable_bytes(std::span(x.data<T>(), size_t(x.count()))); });
}

}  // namespace fovea
