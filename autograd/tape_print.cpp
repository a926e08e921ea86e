// What a tape recorded, as a table: for the student who wants to see it, and for whoever looks for the memory.
#include <iostream>
#include <sstream>

#include "autograd/operation.h"
#include "autograd/text_table.h"

namespace fovea {
namespace {

template <class T> std::string text(const T& value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

std::string input_list(const Node& node) {
  std::string list;
  for (int32_t place : node.inputs) list += (list.empty() ? "" : " ") + (place < 0 ? "·" : "%" + text(place));
  return list;
}

}  // namespace

int64_t Tape::saved_bytes() const {
  int64_t bytes = 0;
  for (Node* node : nodes_) bytes += node ? node->saved_bytes() : 0;
  return bytes;
}

void Tape::print(std::ostream& out) const {
  if (ended_ && !nodes_.empty() && !nodes_[0]) {
    out << "tape: " << nodes_.size() << " operations, walked; print it before backward() to see them\n";
    return;
  }
  std::vector<std::vector<std::string>> rows = {{"place", "operation", "inputs", "result", "saved bytes"}};
  if (options_.timing) rows[0].push_back("time");
  for (size_t i = 0; i < nodes_.size(); ++i) {
    Node& node = *nodes_[i];
    rows.push_back({"%" + text(i), node.name, input_list(node), text(node.shape) + " " + name(node.dtype),
                    text(node.saved_bytes())});
    if (options_.timing) rows.back().push_back(text(double(node.nanoseconds / 100) / 10) + " us");
  }
  detail::print_aligned(out, rows, 4);
  out << nodes_.size() << " operations, " << saved_bytes() << " bytes saved for backward\n";
}

void Tape::print() const { print(std::cout); }

}  // namespace fovea
