// print_summary: what a model is made of, as a table.
#include <algorithm>
#include <iomanip>
#include <ostream>
#include <sstream>

#include "nn/module.h"

namespace fovea::nn {
namespace {

struct Row {
  std::string path, shape, parameters, bytes;
};

std::string grouped(int64_t number) {  // 813,568
  std::string digits = std::to_string(number);
  for (int at = int(digits.size()) - 3; at > 0; at -= 3) digits.insert(size_t(at), 1, ',');
  return digits;
}

}  // namespace

void print_summary(Module& module, std::ostream& out) {
  std::vector<Row> rows{{"path", "shape", "parameters", "bytes"}};
  int64_t count = 0, bytes = 0;
  for (const auto& [path, p] : module.parameters()) {
    std::ostringstream shape;
    shape << p->shape();
    rows.push_back({path, shape.str(), grouped(p->count()), grouped(p->value().bytes())});
    count += p->count();
    bytes += p->value().bytes();
  }
  rows.push_back({"total", "", grouped(count), grouped(bytes)});

  const auto width = [&](std::string Row::*column) {
    size_t widest = 0;
    for (const Row& row : rows) widest = std::max(widest, (row.*column).size());
    return int(widest);
  };
  const int path = width(&Row::path), shape = width(&Row::shape), parameters = width(&Row::parameters),
            size = width(&Row::bytes);
  const std::string rule(size_t(path + shape + parameters + size + 6), '-');
  const auto print = [&](const Row& row) {
    std::ostringstream line;  // so that out's own settings stay as they are
    line << std::left << std::setw(path) << row.path << "  " << std::setw(shape) << row.shape << std::right << "  "
         << std::setw(parameters) << row.parameters << "  " << std::setw(size) << row.bytes << "\n";
    out << line.str();
  };
  print(rows.front());
  out << rule << "\n";
  for (size_t i = 1; i + 1 < rows.size(); ++i) print(rows[i]);
  out << rule << "\n";
  print(rows.back());
}

}  // namespace fovea::nn
