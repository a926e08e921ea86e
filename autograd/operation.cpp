// The names of the operations, which come from their types.
#include "autograd/operation.h"

#include <algorithm>
#include <cctype>
#include <set>

namespace fovea {
namespace {

std::vector<std::string>& names() {
  static auto* list = new std::vector<std::string>;  // filled while the program starts, read ever after
  return *list;
}

}  // namespace

const std::vector<std::string>& operation_names() { return names(); }

// From what the compiler calls the type, "… [with Op = fovea::{anonymous}::Map<fovea::functor::LeakyRelu>; …]", to
// the name of the innermost struct in lower case: "leaky_relu".
const char* detail::register_operation(std::string_view type_name) {
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

}  // namespace fovea
