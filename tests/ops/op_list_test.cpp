// No op without a row in the table.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>

#include "kernels/math/pointwise.h"
#include "kernels/math/rows.h"
#include "tests/support/op_cases.h"

namespace lockstep::testing {
namespace {

std::set<std::string> tested_functions() {
  // What has no value to compare with a reference is tested in files of its own: in_place_test.cpp,
  // random_test.cpp.
  std::set<std::string> names = {"add_",  "sub_",  "mul_",    "div_",   "neg_",     "exp_",
                                 "log_",  "sqrt_", "relu_",   "gelu_",  "tanh_",    "sigmoid_",
                                 "fill_", "copy_", "uniform", "normal", "uniform_", "normal_"};
  for (const OpCase& row : all_cases()) names.insert(row.op);
  return names;
}

std::set<std::string> public_functions() {
  std::set<std::string> names;
  const std::regex declaration(R"(^(?:const )?Tensor&? (\w+)\()");
  for (const auto& file : std::filesystem::directory_iterator(LOCKSTEP_OPS_HEADERS)) {
    if (file.path().filename() == "apply.h") continue;
    std::ifstream text(file.path());
    for (std::string line; std::getline(text, line);) {
      std::smatch match;
      if (std::regex_search(line, match, declaration)) names.insert(match[1]);
    }
  }
  return names;
}

TEST(OpList, HasARowForEveryPublicFunction) {
  const std::set<std::string> functions = public_functions();
  EXPECT_GE(functions.size(), 50U);
  EXPECT_EQ(functions, tested_functions());
}

template <class List> void expect_rows() {
  std::set<std::string> tested;
  for (const OpCase& row : all_cases()) {
    tested.insert(row.op);
    if (!row.kernel.empty()) tested.insert(row.kernel);
  }
  for (kernels::OpId id = 0; id < static_cast<kernels::OpId>(List::size); ++id) {
    EXPECT_TRUE(tested.contains(std::string(List::name_of(id)))) << List::name_of(id);
  }
}

TEST(OpList, HasARowForEveryPointwiseKernel) { expect_rows<kernels::math::Pointwise>(); }

TEST(OpList, HasARowForEveryRowKernel) { expect_rows<kernels::math::Rows>(); }

TEST(OpList, NamesEachRowOnce) {
  std::set<std::string> names;
  for (const OpCase& row : all_cases()) EXPECT_TRUE(names.insert(row.name).second) << row.name;
}

}  // namespace
}  // namespace lockstep::testing
