#include "lockstep/tensor/state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockstep/base/error.h"
#include "lockstep/tensor/create.h"
#include "tests/support/failure.h"

namespace lockstep {
namespace {

using testing::HasSubstr;
using tests::failure_of;

TEST(LoadState, CopiesByNameIntoTheTensorsThatAreThere) {
  const Tensor a = zeros({2});
  const Tensor b = zeros({1});
  const void* place = a.view().data;
  load_state({{"a", a}, {"b", b}}, {{"b", tensor({3})}, {"a", tensor({1, 2})}});
  EXPECT_EQ(a.to_vector<int>(), (std::vector{1, 2}));
  EXPECT_EQ(b.to_vector<int>(), std::vector{3});
  EXPECT_EQ(a.view().data, place);
}

TEST(LoadState, NamesWhatDoesNotFitAndCopiesNothing) {
  const Tensor a = zeros({2});
  const State into{{"a", a}, {"b", zeros({1})}};
  const auto problem = [&](const State& from) {
    const auto error = failure_of<UsageError>([&] { load_state(into, from); });
    EXPECT_EQ(a.to_vector<int>(), (std::vector{0, 0}));
    return error.problem();
  };
  EXPECT_THAT(problem({{"a", ones({2})}}), HasSubstr("\"b\" is missing"));
  EXPECT_THAT(problem({{"a", ones({2})}, {"b", ones({2})}}),
              HasSubstr("\"b\" is f32 [2], not f32 [1]"));
  EXPECT_THAT(problem({{"a", ones({2})}, {"b", ones({1}, {.dtype = DType::f64})}}),
              HasSubstr("\"b\" is f64 [1], not f32 [1]"));
  EXPECT_THAT(problem({{"a", ones({2})}, {"b", ones({1})}, {"c", ones({1})}}),
              HasSubstr("\"c\" has no place here"));
}

}  // namespace
}  // namespace lockstep
