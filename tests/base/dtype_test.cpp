#include "lockstep/base/dtype.h"

#include <gtest/gtest.h>

#include <set>

namespace lockstep {
namespace {

TEST(DType, HasTheSizeOfTheTypeThatHoldsIt) {
  for (const DType dtype : all_dtypes) {
    with_type(dtype, [&]<class T>(T) {
      EXPECT_EQ(sizeof(T), size_of(dtype)) << name_of(dtype);
      EXPECT_EQ(dtype_of<T>, dtype) << name_of(dtype);
    });
  }
}

TEST(DType, HasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (const DType dtype : all_dtypes) EXPECT_TRUE(names.insert(name_of(dtype)).second);
  EXPECT_EQ(name_of(DType::bf16), "bf16");
  EXPECT_EQ(name_of(DType::boolean), "bool");
}

TEST(DType, KnowsItsFloatingTypes) {
  for (const DType dtype : all_dtypes) {
    const bool expected =
        dtype == DType::f64 || dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16;
    EXPECT_EQ(is_floating(dtype), expected) << name_of(dtype);
  }
}

}  // namespace
}  // namespace lockstep
