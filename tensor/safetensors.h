// .safetensors, the format in which the field exchanges weights (github.com/huggingface/safetensors):
//
//   8 bytes    length of the header, little-endian
//   header     JSON: {"__metadata__":{"format":"pt"},"name":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},…}
//   data       the elements, row-major; offsets count from here; no holes, no overlaps, nothing left over
//
// Files are written byte for byte as the reference implementation writes them: the tensors with the widest elements
// first, then by name; the header filled with spaces to a multiple of 8, so that every tensor lies aligned.
#pragma once
#include <map>
#include <string>

#include "tensor/file.h"
#include "tensor/tensor.h"

namespace fovea {

struct SafeTensors {
  std::map<std::string, Tensor> tensors;
  std::map<std::string, std::string> metadata;  // free text by name
};

// Writes tensors of any dtype and strides under their names; "format" is "pt" where metadata does not say otherwise.
// The file is replaced in one step (see AtomicFile): on any error the old one stays. Names and texts must be UTF-8.
void save_safetensors(const std::string& path, const std::map<std::string, Tensor>& tensors,
                      const std::map<std::string, std::string>& metadata = {}, KeepPrevious keep = KeepPrevious::no);

// Reads F32, F64, I64 and BOOL as they are, F16 and BF16 as f32, I32 and U8 as i64 (each value exactly); other
// dtypes are refused by name. Everything the header says is checked against the file before memory is taken for it,
// so that a broken or hostile file costs an error and no more: FileError, naming the file and what is wrong.
SafeTensors load_safetensors(const std::string& path);

}  // namespace fovea
