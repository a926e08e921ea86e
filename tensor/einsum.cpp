#include "tensor/einsum.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "tensor/elementwise.h"
#include "tensor/matmul.h"
#include "tensor/reduce.h"
#include "tensor/views.h"

namespace fovea {
namespace {

bool has(std::string_view labels, char label) { return labels.find(label) != std::string_view::npos; }
bool is_ellipsis(char label) { return label >= '0' && label <= '9'; }

// --- from text to terms ------------------------------------------------------------------------------------------

// A term as written, with '.' in place of "...".
std::string read_term(std::string_view term, std::string_view equation) {
  std::string labels;
  for (size_t i = 0; i < term.size(); ++i) {
    if (std::isalpha(static_cast<unsigned char>(term[i]))) {
      labels += term[i];
    } else if (term.substr(i, 3) == "..." && !has(labels, '.')) {
      labels += '.';
      i += 2;
    } else {
      fail(ErrorKind::value, "einsum: '", term[i], "' in \"", equation,
           "\" is no letter, comma, arrow or (once per operand) \"...\"");
    }
  }
  return labels;
}

std::vector<std::string> read_terms(std::string_view text, std::string_view equation) {
  std::vector<std::string> terms;
  for (size_t comma; (comma = text.find(',')) != std::string_view::npos; text.remove_prefix(comma + 1))
    terms.push_back(read_term(text.substr(0, comma), equation));
  terms.push_back(read_term(text, equation));
  return terms;
}

// '.' replaced by a digit for each of its axes, counted from the last: "2", "1", "0".
std::string spell_out(const std::string& term, int ellipsis_rank) {
  std::string labels;
  for (char label : term) {
    if (label != '.') labels += label;
    for (int i = ellipsis_rank - 1; label == '.' && i >= 0; --i) labels += char('0' + i);
  }
  return labels;
}

std::string implicit_output(const std::vector<std::string>& inputs, int ellipsis_rank) {
  std::string all, output = spell_out(".", ellipsis_rank);
  for (const std::string& input : inputs) all += input;
  std::sort(all.begin(), all.end());
  for (char label : all) {
    if (!is_ellipsis(label) && std::count(all.begin(), all.end(), label) == 1) output += label;
  }
  return output;
}

// The size of each label over all operands; an axis of an ellipsis may be 1 where others are larger.
using Sizes = std::array<int64_t, 128>;

Sizes label_sizes(const std::vector<std::string>& inputs, const std::vector<Shape>& shapes) {
  Sizes sizes;
  sizes.fill(-1);
  std::array<size_t, 128> named_by{};
  for (size_t k = 0; k < inputs.size(); ++k) {
    for (int axis = 0; axis < shapes[k].rank(); ++axis) {
      const char label = inputs[k][size_t(axis)];
      int64_t& known = sizes[size_t(label)];
      const int64_t size = shapes[k][axis];
      if (known < 0 || (is_ellipsis(label) && known == 1)) {
        known = size;
        named_by[size_t(label)] = k;
      } else if (size != known && !(is_ellipsis(label) && size == 1)) {
        const size_t other = named_by[size_t(label)];
        fail(ErrorKind::shape, "einsum: ", is_ellipsis(label) ? "an axis of the ellipsis" : "subscript ",
             is_ellipsis(label) ? "" : std::string(1, label), " is ", known, " in operand ", other, " ", shapes[other],
             " and ", size, " in operand ", k, " ", shapes[k]);
      }
    }
  }
  return sizes;
}

// --- one product ---------------------------------------------------------------------------------------------------

struct Labelled {
  Tensor x;
  std::string labels;  // one per axis

  int64_t size_of(char label) const {
    const size_t axis = labels.find(label);
    return axis == std::string::npos ? 1 : x.shape()[int(axis)];
  }
};

// Axes of equal label become one: a view of the diagonal.
Labelled without_repeats(const Tensor& x, const std::string& labels) {
  std::string once;
  Shape shape;
  Strides strides;
  for (int axis = 0; axis < x.rank(); ++axis) {
    const char label = labels[size_t(axis)];
    const size_t seen = once.find(label);
    if (seen != std::string::npos) {
      strides[int(seen)] += x.strides()[axis];
    } else {
      once += label;
      shape.push_back(x.shape()[axis]);
      strides.push_back(x.strides()[axis]);
    }
  }
  return {x.view(shape, strides), once};
}

// Sums over every axis that is not in `kept`.
Labelled sum_out(const Labelled& t, std::string_view kept) {
  Axes axes;
  std::string left;
  for (size_t axis = 0; axis < t.labels.size(); ++axis) {
    if (has(kept, t.labels[axis]))
      left += t.labels[axis];
    else
      axes.push_back(int64_t(axis));
  }
  return {axes.empty() ? t.x : sum(t.x, axes), left};
}

// The axes in the order of `labels`; those that t has not are of size 1.
Tensor arranged(const Labelled& t, const std::string& labels) {
  Axes order;
  for (char label : labels) {
    if (has(t.labels, label)) order.push_back(int64_t(t.labels.find(label)));
  }
  Tensor x = permute(t.x, order);
  for (size_t i = 0; i < labels.size(); ++i) {
    if (!has(t.labels, labels[i])) x = unsqueeze(x, int(i));
  }
  return x;
}

int64_t broadcast(int64_t a, int64_t b) { return a == 1 ? b : a; }

// a · b, summed over the labels that are not in `kept`. Labels fall into four groups: in both and kept (batch), in
// both and summed, in a alone, in b alone. With each group's axes together this is a matmul, [batch, a, summed] times
// [batch, summed, b]; where nothing is summed an elementwise product does it.
Labelled multiply(Labelled a, Labelled b, const std::string& kept) {
  a = sum_out(a, kept + b.labels);
  b = sum_out(b, kept + a.labels);
  std::string batch, summed, only_a, only_b;
  for (char label : a.labels) (!has(b.labels, label) ? only_a : has(kept, label) ? batch : summed) += label;
  for (char label : b.labels) {
    if (!has(a.labels, label)) only_b += label;
  }
  const std::string labels = batch + only_a + only_b;
  if (summed.empty()) return {arranged(a, labels) * arranged(b, labels), labels};

  Shape shape, inner;  // the result's, axis by axis; the summed axes'
  int64_t rows = 1, columns = 1;
  for (char label : labels) shape.push_back(broadcast(a.size_of(label), b.size_of(label)));
  for (char label : summed) inner.push_back(broadcast(a.size_of(label), b.size_of(label)));
  for (char label : only_a) rows *= a.size_of(label);
  for (char label : only_b) columns *= b.size_of(label);

  // The batch axes stay as they are, so that matmul reads the operands in place; the others are merged.
  const auto as_matrices = [&](const Labelled& t, const std::string& first, const std::string& second,
                               bool inner_last) {
    Tensor x = arranged(t, batch + first + second);
    Shape full = x.shape(), merged;
    for (int i = 0; i < inner.rank(); ++i)
      full[inner_last ? x.rank() - inner.rank() + i : int(batch.size()) + i] = inner[i];
    for (size_t i = 0; i < batch.size(); ++i) merged.push_back(full[int(i)]);
    const int64_t inner_count = element_count("einsum", inner);
    merged.push_back(inner_last ? rows : inner_count);
    merged.push_back(inner_last ? inner_count : columns);
    return reshape(expand(x, full), merged);
  };
  const Tensor left = as_matrices(a, only_a, summed, true), right = as_matrices(b, summed, only_b, false);
  return {reshape(matmul(left, right), shape), labels};
}

std::vector<Shape> shapes_of(const std::vector<Tensor>& operands) {
  std::vector<Shape> shapes;
  for (const Tensor& x : operands) shapes.push_back(x.shape());
  return shapes;
}

}  // namespace

EinsumTerms parse_einsum(std::string_view equation, const std::vector<Shape>& shapes) {
  std::string text(equation);
  text.erase(std::remove(text.begin(), text.end(), ' '), text.end());
  const size_t arrow = text.find("->");
  EinsumTerms terms{read_terms(text.substr(0, arrow), equation), {}};
  if (terms.inputs.size() != shapes.size())
    fail(ErrorKind::value, "einsum: \"", equation, "\" names ", terms.inputs.size(), " operands, ", shapes.size(),
         " were given");

  int ellipsis_rank = 0;
  for (size_t k = 0; k < shapes.size(); ++k) {
    std::string& input = terms.inputs[k];
    const bool open = has(input, '.');
    const int named = int(input.size()) - open, rank = shapes[k].rank();
    if (named > rank || (named < rank && !open))
      fail(ErrorKind::shape, "einsum: operand ", k, " ", shapes[k], " has ", rank, " axes, \"", equation, "\" names ",
           named, " of them", open ? " at least" : "");
    input = spell_out(input, rank - named);
    ellipsis_rank = std::max(ellipsis_rank, rank - named);
  }
  terms.output = arrow == std::string::npos ? implicit_output(terms.inputs, ellipsis_rank)
                                            : spell_out(read_term(text.substr(arrow + 2), equation), ellipsis_rank);

  const Sizes sizes = label_sizes(terms.inputs, shapes);
  for (char label : terms.output) {
    if (sizes[size_t(label)] < 0)
      fail(ErrorKind::value, "einsum: output subscript ", label, " of \"", equation, "\" stands in no operand");
    if (std::count(terms.output.begin(), terms.output.end(), label) > 1)
      fail(ErrorKind::value, "einsum: subscript ", label, " stands twice in the output of \"", equation, "\"");
  }
  return terms;
}

Tensor einsum(const EinsumTerms& terms, const std::vector<Tensor>& operands) {
  for (size_t k = 0; k < operands.size(); ++k) {
    if (!is_floating(operands[k].dtype()) || operands[k].dtype() != operands[0].dtype())
      fail(ErrorKind::dtype, "einsum: operand ", k, " is ", operands[k].dtype(), ", operand 0 is ", operands[0].dtype(),
           "; all must be f32 or all f64");
  }
  label_sizes(terms.inputs, shapes_of(operands));

  Labelled result = without_repeats(operands[0], terms.inputs[0]);
  for (size_t k = 1; k < operands.size(); ++k) {
    std::string kept = terms.output;  // what the output or a later operand needs
    for (size_t later = k + 1; later < operands.size(); ++later) kept += terms.inputs[later];
    result = multiply(result, without_repeats(operands[k], terms.inputs[k]), kept);
  }
  return arranged(sum_out(result, terms.output), terms.output);
}

Tensor einsum(std::string_view equation, const std::vector<Tensor>& operands) {
  return einsum(parse_einsum(equation, shapes_of(operands)), operands);
}

Tensor einsum_gradient(const EinsumTerms& terms, const std::vector<Tensor>& operands, size_t i, const Tensor& dy) {
  EinsumTerms onto{{terms.output}, {}};
  std::vector<Tensor> factors{dy};
  std::string available = terms.output;
  for (size_t k = 0; k < operands.size(); ++k) {
    if (k == i) continue;
    onto.inputs.push_back(terms.inputs[k]);
    factors.push_back(operands[k]);
    available += terms.inputs[k];
  }
  Tensor dx = zeros(operands[i].shape(), operands[i].dtype());
  Labelled target = without_repeats(dx, terms.inputs[i]);  // a view: what is written to it lands in dx
  for (char label : target.labels) {
    if (has(available, label)) onto.output += label;
  }
  const Tensor gradient = arranged({einsum(onto, factors), onto.output}, target.labels);
  Axes stretched;  // axes of an ellipsis that were 1 here and larger elsewhere
  for (int axis = 0; axis < gradient.rank(); ++axis) {
    if (target.x.shape()[axis] == 1 && gradient.shape()[axis] != 1) stretched.push_back(axis);
  }
  target.x.copy_(stretched.empty() ? gradient : sum(gradient, stretched, true));
  return dx;
}

}  // namespace fovea
