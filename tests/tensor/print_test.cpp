#include "lockstep/tensor/print.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <sstream>

#include "lockstep/tensor/create.h"
#include "lockstep/tensor/views.h"

// The expected texts are NumPy's, with precision=4.
namespace lockstep {
namespace {

constexpr TensorOptions integers = {.dtype = DType::i64};

TEST(Print, AlignsPointsAndDropsZeros) {
  EXPECT_EQ(to_string(tensor({1, 2.5, -3})), R"([ 1.   2.5 -3. ])");
  EXPECT_EQ(to_string(tensor({1.0 / 3, 2, -10, 0.25}, {2, 2})), R"([[  0.3333   2.    ]
 [-10.       0.25  ]])");
}

TEST(Print, TurnsScientificWhereDigitsWouldBeManyOrLost) {
  EXPECT_EQ(to_string(tensor({1e-5, 1.5, -2})), R"([ 1.0e-05  1.5e+00 -2.0e+00])");
  EXPECT_EQ(to_string(tensor({1e8, 1})), R"([1.e+08 1.e+00])");
}

TEST(Print, KnowsNumbersThatAreNone) {
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(to_string(tensor({std::nan(""), infinity, -infinity, 1})), R"([ nan  inf -inf   1.])");
}

TEST(Print, WritesIntegersAndTruthsPlainly) {
  EXPECT_EQ(to_string(tensor({1, -20, 300, 4}, {2, 2}, integers)), R"([[  1 -20]
 [300   4]])");
  EXPECT_EQ(to_string(tensor({1, 0}, {.dtype = DType::boolean})), R"([ True False])");
}

TEST(Print, SeparatesBlocksByEmptyLines) {
  EXPECT_EQ(to_string(reshaped_view(arange(0, 8), {2, 2, 2})), R"([[[0. 1.]
  [2. 3.]]

 [[4. 5.]
  [6. 7.]]])");
  EXPECT_EQ(to_string(reshaped_view(arange(0, 4, 1, integers), {1, 2, 1, 2})), R"([[[[0 1]]

  [[2 3]]]])");
}

TEST(Print, BreaksLinesAt75Columns) {
  EXPECT_EQ(to_string(arange(0, 5, 0.125)),
            R"([0.    0.125 0.25  0.375 0.5   0.625 0.75  0.875 1.    1.125 1.25  1.375
 1.5   1.625 1.75  1.875 2.    2.125 2.25  2.375 2.5   2.625 2.75  2.875
 3.    3.125 3.25  3.375 3.5   3.625 3.75  3.875 4.    4.125 4.25  4.375
 4.5   4.625 4.75  4.875])");
  EXPECT_EQ(to_string(reshaped_view(arange(0, 60000, 1000, integers), {2, 30})),
            R"([[    0  1000  2000  3000  4000  5000  6000  7000  8000  9000 10000 11000
  12000 13000 14000 15000 16000 17000 18000 19000 20000 21000 22000 23000
  24000 25000 26000 27000 28000 29000]
 [30000 31000 32000 33000 34000 35000 36000 37000 38000 39000 40000 41000
  42000 43000 44000 45000 46000 47000 48000 49000 50000 51000 52000 53000
  54000 55000 56000 57000 58000 59000]])");
}

TEST(Print, ShortensLargeTensors) {
  EXPECT_EQ(to_string(arange(0, 2000, 1, integers)), R"([   0    1    2 ... 1997 1998 1999])");
  EXPECT_EQ(to_string(reshaped_view(arange(0, 10000), {100, 100}), {.edge = 1}),
            R"([[   0. ...   99.]
 ...
 [9900. ... 9999.]])");
}

TEST(Print, WritesScalarsAndEmptyTensors) {
  EXPECT_EQ(to_string(scalar(1)), "1.0");
  EXPECT_EQ(to_string(scalar(-2.5, {.dtype = DType::f64})), "-2.5");
  EXPECT_EQ(to_string(scalar(7, integers)), "7");
  EXPECT_EQ(to_string(zeros({0, 3})), "[]");
  EXPECT_EQ(to_string(Tensor()), "(undefined)");
}

TEST(Print, FollowsTheStridesOfViews) {
  const Tensor x = reshaped_view(arange(0, 6, 1, integers), {2, 3});
  EXPECT_EQ(to_string(permuted_view(x, {1, 0})), "[[0 3]\n [1 4]\n [2 5]]");
  std::ostringstream out;
  out << sliced_view(x, 1, 1, 3);
  EXPECT_EQ(out.str(), "[[1 2]\n [4 5]]");
}

}  // namespace
}  // namespace lockstep
