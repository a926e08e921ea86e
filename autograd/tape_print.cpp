// What a tape recorded, as a table: for the student who wants to see it, and for whoever looks for the memory.
#include <algorithm>
#include <cctype>
#include <iomanip>
#include <iostream>
#include <map>
#include <set>
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

// Characters on the screen: bytes that continue a UTF-8 character do not count.
size_t display_width(const std::string& s) {
  return size_t(std::count_if(s.begin(), s.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string input_list(const Node& node) {
  std::string list;
  for (int32_t place : node.inputs) list += (list.empty() ? "" : " ") + (place < 0 ? "·" : "%" + text(place));
  return list;
}

std::vector<std::string>& names() {
  static auto* list = new std::vector<std::string>;  // filled while the program starts, read ever after
  return *list;
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

const std::vector<std::string>& operation_names() { return names(); }

namespace detail {

void print_aligned(std::ostream& out, const std::vector<std::vector<std::string>>& rows, size_t left) {
  std::vector<size_t> widths(rows[0].size(), 0);
  for (const auto& row : rows) {
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], display_width(row[c]));
  }
  for (const auto& row : rows) {
    std::string line;
    for (size_t c = 0; c < row.size(); ++c) {
      const std::string padding(widths[c] - display_width(row[c]), ' ');
      line += (c ? "  " : "") + (c >= left ? padding + row[c] : row[c] + padding);
    }
    out << line.substr(0, line.find_last_not_of(' ') + 1) << '\n';
  }
}

// From what the compiler calls the type, "… [with Op = fovea::{anonymous}::Map<fovea::functor::LeakyRelu>; …]", to
// the name of the innermost struct in lower case: "leaky_relu".
const char* register_operation(std::string_view type_name) {
  const size_t start = type_name.find("Op = ") + 5;
  std::string_view type = type_name.substr(start, type_name.find_first_of(";]", start) - start);
  while (!type.empty() && type.back() == '>') type.remove_suffix(1);
  type = type.substr(type.find_last_of(":<") + 1);
  std::string snake;
  for (size_t i = 0; i < type.size(); ++i) {
    if (std::isupper(static_cast<unsigned char>(type[i])) && i > 0) snake += '_';
    snake += char(std::tolower(static_cast<unsigned char>(type[i])));
  }
  static auto* kept = new std::set<std::string>;  // stable addresses for the names
  // Listed are only fovea's own: programs and tests that define operations stand outside the namespace.
  const bool ours = type_name.substr(start).starts_with("fovea::");
  if (ours && std::find(names().begin(), names().end(), snake) == names().end()) names().push_back(snake);
  return kept->insert(snake).first->c_str();
}

}  // namespace detail
}  // namespace fovea
