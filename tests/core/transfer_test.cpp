#include "lockstep/core/transfer.h"

#include <gtest/gtest.h>

#include "lockstep/base/error.h"
#include "tests/support/failure.h"

namespace lockstep::core {
namespace {

TEST(Transfer, CopiesFromHostToHost) {
  const double from[] = {1, 2, 3};
  double to[3] = {};
  transfer({to, 3, DType::f64, {}, {}}, {from, 3, DType::f64});
  EXPECT_EQ(to[0] + to[1] * 10 + to[2] * 100, 321);
}

TEST(Transfer, RefusesAnotherCountOrType) {
  float values[4] = {};
  const auto error = tests::failure_of<UsageError>([&] {
    transfer({values, 3, DType::f32, {}, {}}, {values, 4, DType::f32});
  });
  EXPECT_EQ(error.problem(), "transfer: 4 elements of f32 into 3 of f32");
  EXPECT_EQ(error.fix(), "give a buffer of the same count and type");
}

}  // namespace
}  // namespace lockstep::core
