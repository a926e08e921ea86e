// print_summary: what a model is made of, as a table.
#include <ostream>
#include <sstream>

#include "autograd/text_table.h"
#include "nn/module.h"

namespace fovea::nn {
namespace {

std::string grouped(int64_t number) {  // 813,568
  std::string digits = std::to_string(number);
  for (int at = int(digits.size()) - 3; at > 0; at -= 3) digits.insert(size_t(at), 1, ',');
  return digits;
}

}  // namespace

void print_summary(Module& module, std::ostream& out) {
  std::vector<std::vector<std::string>> rows{{"path", "shape", "parameters", "bytes"}, {}};
  int64_t count = 0, bytes = 0;
  for (const auto& [path, p] : module.parameters()) {
    std::ostringstream shape;
    shape << p->shape();
    rows.push_back({path, shape.str(), grouped(p->count()), grouped(p->value().bytes())});
    count += p->count();
    bytes += p->value().bytes();
  }
  rows.push_back({});
  rows.push_back({"total", "", grouped(count), grouped(bytes)});
  detail::print_aligned(out, rows, 2);
}

}  // namespace fovea::nn
