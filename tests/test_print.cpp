// Printing: the expected texts are NumPy 1.24's, printed with np.printoptions(precision=4).
#include <doctest/doctest.h>

#include <cmath>
#include <sstream>

#include "tensor/print.h"
#include "tensor/views.h"

using namespace fovea;

namespace {

std::string text(const Tensor& x, int precision = 4) {
  return to_string(x, {.precision = precision, .closing_line = false});
}

Tensor counting(const Shape& shape, DType dtype = DType::f64) {
  return arange(0, double(element_count("test", shape)), 1, dtype).view(shape, row_major(shape));
}

const double not_a_number = std::nan("");

}  // namespace

TEST_CASE("numbers are aligned at the point") {
  CHECK(text(tensor({1, 2.5, -3})) == "[ 1.   2.5 -3. ]");
  CHECK(text(tensor({0.1, 0.25, 100})) == "[  0.1    0.25 100.  ]");  // f32's 0.1 has many digits; the fewest are shown
  CHECK(text(tensor({1.0 / 3, 2.0 / 3}, DType::f64)) == "[0.3333 0.6667]");
  CHECK(text(tensor({1.0 / 3, 2.0 / 3}), 8) == "[0.33333334 0.6666667 ]");
  CHECK(text(tensor({1.0 / 3, 2}), 0) == "[0. 2.]");
  CHECK(text(tensor({0.99999999, 2}, DType::f64)) == "[1. 2.]");
  CHECK(text(tensor({-0.0, 0})) == "[-0.  0.]");
  CHECK(text(zeros({3})) == "[0. 0. 0.]");
}

TEST_CASE("numbers of far apart sizes take the scientific form") {
  CHECK(text(tensor({1e-5, 1}, DType::f64)) == "[1.e-05 1.e+00]");
  CHECK(text(tensor({1e8, 1})) == "[1.e+08 1.e+00]");
  CHECK(text(tensor({1500, 1})) == "[1.5e+03 1.0e+00]");
  CHECK(text(tensor({1e-300, 2.5e10}, DType::f64)) == "[1.0e-300 2.5e+010]");
}

TEST_CASE("infinities and NaN") {
  CHECK(text(tensor({not_a_number, 1.5, INFINITY})) == "[nan 1.5 inf]");
  CHECK(text(tensor({not_a_number, -INFINITY})) == "[ nan -inf]");
  CHECK(text(tensor({1.5, -INFINITY})) == "[ 1.5 -inf]");
  CHECK(text(scalar(not_a_number)) == "nan");
}

TEST_CASE("whole numbers and truth values") {
  CHECK(text(tensor({{1, -20}, {300, 4}}, DType::i64)) == "[[  1 -20]\n [300   4]]");
  CHECK(text(from_vector<int64_t>({INT64_MIN, (int64_t(1) << 53) + 1})) ==
        "[-9223372036854775808     9007199254740993]");  // more than a double holds
  CHECK(text(tensor({1, 1}, DType::boolean)) == "[ True  True]");
  CHECK(text(tensor({{1, 0}}, DType::boolean)) == "[[ True False]]");
}

TEST_CASE("scalars, empty and undefined tensors") {
  CHECK(text(scalar(2.5)) == "2.5");
  CHECK(text(scalar(7, DType::i64)) == "7");
  CHECK(text(scalar(1, DType::boolean)) == "True");
  CHECK(text(zeros({0, 3})) == "[]");
  CHECK(text(Tensor()) == "(undefined)");
}

TEST_CASE("axes beyond the second are set apart by empty lines") {
  CHECK(text(counting({2, 3, 2})) ==
        "[[[ 0.  1.]\n  [ 2.  3.]\n  [ 4.  5.]]\n\n [[ 6.  7.]\n  [ 8.  9.]\n  [10. 11.]]]");
  CHECK(text(counting({2, 2, 1, 2})) == "[[[[0. 1.]]\n\n  [[2. 3.]]]\n\n\n [[[4. 5.]]\n\n  [[6. 7.]]]]");
  CHECK(text(transpose(counting({2, 2}))) == "[[0. 2.]\n [1. 3.]]");
}

TEST_CASE("long axes are summarised, long rows broken") {
  CHECK(text(arange(1001)) == "[   0    1    2 ...  998  999 1000]");
  CHECK(text(counting({3, 400})) ==
        "[[0.000e+00 1.000e+00 2.000e+00 ... 3.970e+02 3.980e+02 3.990e+02]\n"
        " [4.000e+02 4.010e+02 4.020e+02 ... 7.970e+02 7.980e+02 7.990e+02]\n"
        " [8.000e+02 8.010e+02 8.020e+02 ... 1.197e+03 1.198e+03 1.199e+03]]");
  CHECK(text(counting({2, 2, 600}, DType::i64)) ==
        "[[[   0    1    2 ...  597  598  599]\n  [ 600  601  602 ... 1197 1198 1199]]\n\n"
        " [[1200 1201 1202 ... 1797 1798 1799]\n  [1800 1801 1802 ... 2397 2398 2399]]]");
  CHECK(text(counting({30, 100}, DType::i64)) ==
        "[[   0    1    2 ...   97   98   99]\n [ 100  101  102 ...  197  198  199]\n"
        " [ 200  201  202 ...  297  298  299]\n ...\n [2700 2701 2702 ... 2797 2798 2799]\n"
        " [2800 2801 2802 ... 2897 2898 2899]\n [2900 2901 2902 ... 2997 2998 2999]]");
  CHECK(text(linspace(0, 39.0 / 8, 40, DType::f64)) ==
        "[0.    0.125 0.25  0.375 0.5   0.625 0.75  0.875 1.    1.125 1.25  1.375\n"
        " 1.5   1.625 1.75  1.875 2.    2.125 2.25  2.375 2.5   2.625 2.75  2.875\n"
        " 3.    3.125 3.25  3.375 3.5   3.625 3.75  3.875 4.    4.125 4.25  4.375\n"
        " 4.5   4.625 4.75  4.875]");
  CHECK(to_string(arange(9), {.threshold = 5, .edge_items = 1, .closing_line = false}) == "[0 ... 8]");
  CHECK(text(expand(scalar(1, DType::i64), {1000000, 1000000})).size() < 200);  // only what is shown is visited
}

TEST_CASE("a closing line names dtype and shape") {
  std::ostringstream out;
  out << tensor({{1, 2}, {3, 4}}) << '\n' << scalar(5) << '\n' << zeros({0, 3}, DType::i64);
  CHECK(out.str() == "[[1. 2.]\n [3. 4.]]\nf32 [2, 2]\n5.\n[]\ni64 [0, 3]");
}
