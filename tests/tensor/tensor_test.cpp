#include "lockstep/tensor/tensor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockstep/base/error.h"
#include "lockstep/tensor/create.h"
#include "lockstep/tensor/views.h"
#include "tests/support/failure.h"
#include "tests/support/other_device.h"

namespace lockstep {
namespace {

using testing::HasSubstr;
using tests::failure_of;

TEST(Tensor, IsUndefinedByDefault) {
  const Tensor x;
  EXPECT_FALSE(x.is_defined());
  EXPECT_FALSE(x.requires_grad());
}

TEST(Tensor, SharesItsElementsWithItsCopies) {
  Tensor x = zeros({2, 3});
  const Tensor same = x;
  x.set({1, 2}, 7);
  EXPECT_EQ(same.at({1, 2}), 7);
  EXPECT_TRUE(same.is_same(x));
  EXPECT_FALSE(x.detach().is_same(x));
  EXPECT_EQ(x.detach().data<float>(), x.data<float>());
}

TEST(Tensor, FollowsItsStorageToAnotherPlace) {
  const Tensor x = arange(0, 6);
  const Tensor row = sliced_view(x, 0, 2, 4);
  const core::Memory memory = core::allocator({}).allocate(1024);
  std::copy_n(x.data<float>(), 6, static_cast<float*>(memory->data()) + 16);
  x.storage()->relocate(memory, 64);
  EXPECT_EQ(x.data<float>(), static_cast<float*>(memory->data()) + 16);
  EXPECT_EQ(row.to_vector(), (std::vector<float>{2, 3}));
}

TEST(Tensor, HoldsEveryDType) {
  for (const DType dtype : all_dtypes) {
    Tensor x = zeros({2, 2}, {.dtype = dtype});
    x.set({0, 1}, 1);
    EXPECT_EQ(x.at({0, 1}), 1) << name_of(dtype);
    EXPECT_EQ(x.to_vector<int>(), (std::vector{0, 1, 0, 0})) << name_of(dtype);
    EXPECT_EQ(x.storage()->bytes(), 4 * size_of(dtype));
  }
}

TEST(Tensor, ReadsElementsInRowMajorOrderWhateverTheStrides) {
  const Tensor x = permuted_view(reshaped_view(arange(0, 6), {2, 3}), {1, 0});
  EXPECT_EQ(x.to_vector<int>(), (std::vector{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(x.at({2, 1}), 5);
}

TEST(Tensor, CountsWritesAsMutations) {
  Tensor x = zeros({2});
  const auto before = x.storage()->version();
  x.set({0}, 1);
  EXPECT_GT(x.storage()->version(), before);
}

TEST(Tensor, GivesItsOnlyElement) {
  EXPECT_EQ(scalar(2.5).item(), 2.5);
  EXPECT_EQ(full({1, 1}, 3, {.dtype = DType::i64}).item<int>(), 3);
  const auto error = failure_of<ShapeError>([] { (void)zeros({2, 3}).item(); });
  EXPECT_THAT(error.problem(), HasSubstr("item: shape [2, 3] has 6 elements"));
  EXPECT_EQ(error.fix(), "reduce or index it to one element first");
  EXPECT_THAT(failure_of<ShapeError>([] { (void)zeros({0}).item(); }).problem(),
              HasSubstr("item: shape [0] has 0 elements"));
}

TEST(Tensor, RefusesAPointerOfAnotherType) {
  const auto error = failure_of<DTypeError>([] { (void)zeros({2}).data<double>(); });
  EXPECT_THAT(error.problem(), HasSubstr("f64 asked of a tensor of f32"));
  EXPECT_EQ(error.fix(), "ask for the tensor's own type, or cast it first");
}

TEST(Tensor, RefusesToReadElementsOfAnotherDevice) {
  const Tensor x = tests::on_other_device(zeros({1}));
  const auto refusal = [](const auto& read) { return failure_of<DeviceError>(read); };
  EXPECT_EQ(refusal([&] { (void)x.item(); }).problem(), "item: the elements are on cuda:1");
  EXPECT_EQ(refusal([&] { (void)x.to_vector(); }).problem(),
            "to_vector: the elements are on cuda:1");
  EXPECT_EQ(refusal([&] { (void)x.data<float>(); }).fix(), "copy the tensor to the cpu first");
}

TEST(Tensor, RefusesPositionsOutsideItsShape) {
  const Tensor x = zeros({2, 3});
  EXPECT_THAT(failure_of<ShapeError>([&] {
                (void)x.at({0, 3});
              }).problem(),
              HasSubstr("index 3 on axis 1 of shape [2, 3]"));
  EXPECT_THAT(failure_of<ShapeError>([&] { (void)x.at({0}); }).problem(),
              HasSubstr("1 indices for shape [2, 3]"));
  EXPECT_THAT(failure_of<ShapeError>([&] {
                (void)x.at({-1, 0});
              }).problem(),
              HasSubstr("index -1 on axis 0 of shape [2, 3]"));
  EXPECT_THAT(failure_of<ShapeError>([&] { (void)x.size(2); }).problem(),
              HasSubstr("size: axis 2 of a tensor with 2 axes"));
  EXPECT_EQ(x.size(-1), 3);
}

}  // namespace
}  // namespace lockstep
