// A fast 64-bit checksum, to find a damaged checkpoint and to say in one number that two runs ended with the same
// bits. It protects against accidents, not against people.
//
// XXH64 (Yann Collet, xxhash.com; the specification is doc/xxhash_spec.md there): four lanes of multiply and rotate
// over 32 bytes at a time, so that it keeps up with memory.
#pragma once
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include "tensor/tensor.h"

namespace fovea {

// Several pieces chain: the checksum so far is the seed of the next.
uint64_t checksum(std::span<const std::byte> bytes, uint64_t seed = 0);

// dtype, shape and elements (row-major, whatever the strides).
uint64_t checksum(const Tensor& x, uint64_t seed = 0);

std::string checksum_text(uint64_t checksum);  // 16 hexadecimal digits

// The elements of a contiguous tensor as bytes.
std::span<const std::byte> element_bytes(const Tensor& x);
std::span<std::byte> element_bytes(Tensor& x);

// The value whose bytes stand there, aligned or not.
template <class T> T load_as(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

}  // namespace fovea
