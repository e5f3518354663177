#include "lockstep/optim/arena.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "lockstep/base/error.h"
#include "lockstep/tensor/views.h"
#include "tests/support/failure.h"
#include "tests/support/leaves.h"
#include "tests/support/other_device.h"

namespace lockstep::optim {
namespace {

using tests::message_of;

using lockstep::testing::give_gradient;
using lockstep::testing::random_leaf;
using lockstep::testing::random_parameters;
using lockstep::testing::random_values;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<ArenaEntry> entries_of(const State& parameters) {
  std::vector<ArenaEntry> entries;
  for (const auto& [name, parameter] : parameters) {
    entries.push_back({{.name = name, .parameter = static_cast<int>(entries.size())}, parameter});
  }
  return entries;
}

std::vector<float> elements(const core::Buffer& buffer) {
  const auto* first = static_cast<const float*>(buffer.data);
  return {first, first + buffer.count};
}

core::Memory host_memory(std::size_t bytes) { return core::allocator(Device{}).allocate(bytes); }

class ArenaTest : public ::testing::Test {
 protected:
  std::mt19937 random_{7};
  State parameters_ = random_parameters({{3, 5}, {17}, {}, {2, 2, 2, 3}, {16}}, random_);
};

TEST_F(ArenaTest, SegmentsStartAtMultiplesOf64BytesInRegistrationOrder) {
  const Arena arena(entries_of(parameters_), 0);
  std::vector<std::int64_t> offsets;
  for (const Segment& segment : arena.segments()) offsets.push_back(segment.offset);
  EXPECT_THAT(offsets, ElementsAre(0, 16, 48, 64, 96));
  EXPECT_EQ(arena.count(), 112);
  EXPECT_EQ(arena.bytes(), 448U);
  EXPECT_EQ(arena.segments()[1].padded(arena.dtype()), (core::Range{16, 48}));
}

TEST_F(ArenaTest, HandlesTakenBeforeFollowTheirParametersAndKeepTheirValues) {
  const Tensor handle = parameters_[3].second;
  const std::vector<float> before = handle.to_vector();
  const Arena arena(entries_of(parameters_), 0);
  EXPECT_EQ(handle.to_vector(), before);
  EXPECT_EQ(handle.data<float>(), arena.parameters(arena.segments()[3].range()).data);
}

TEST_F(ArenaTest, BackwardWritesGradientsIntoTheArena) {
  const Arena arena(entries_of(parameters_), 0);
  const std::vector<double> values = random_values(17, random_);
  give_gradient(parameters_[1].second, values);
  EXPECT_EQ(elements(arena.gradients(arena.segments()[1].range())),
            std::vector<float>(values.begin(), values.end()));
}

TEST_F(ArenaTest, GradientsThatWereThereBeforeItMoveIn) {
  const std::vector<double> values = random_values(17, random_);
  give_gradient(parameters_[1].second, values);
  const Arena arena(entries_of(parameters_), 0);
  EXPECT_TRUE(has_gradient(parameters_[1].second));
  EXPECT_EQ(elements(arena.gradients(arena.segments()[1].range())),
            std::vector<float>(values.begin(), values.end()));
}

TEST_F(ArenaTest, RelocationMovesParametersAndGradientsAndTheirHandles) {
  Arena arena(entries_of(parameters_), 1);
  const std::vector<double> values = random_values(17, random_);
  give_gradient(parameters_[1].second, values);
  const Tensor gradient_handle = gradient(parameters_[1].second);
  const std::vector<float> before = parameters_[1].second.to_vector();

  const core::Memory first = host_memory(arena.bytes()), second = host_memory(arena.bytes());
  arena.relocate(first, second);
  EXPECT_EQ(arena.parameters({0, 0}).data, first->data());
  EXPECT_EQ(arena.gradients({0, 0}).data, second->data());
  EXPECT_EQ(parameters_[1].second.data<float>(), static_cast<float*>(first->data()) + 16);
  EXPECT_EQ(parameters_[1].second.to_vector(), before);
  EXPECT_EQ(gradient_handle.data<float>(), static_cast<float*>(second->data()) + 16);
  EXPECT_EQ(gradient_handle.to_vector(), std::vector<float>(values.begin(), values.end()));
}

TEST_F(ArenaTest, ReorderingKeepsEveryValueAndTheNumbersOfSegments) {
  Arena arena(entries_of(parameters_), 2);
  std::vector<std::vector<float>> before;
  for (const auto& [name, parameter] : parameters_) before.push_back(parameter.to_vector());
  const Tensor state_handle = arena.state_of(3, 1);
  fill_elements(state_handle, 5);
  give_gradient(parameters_[0].second, random_values(15, random_));
  const std::vector<float> gradient_before = gradient(parameters_[0].second).to_vector();

  const std::vector<int> order = {4, 2, 0, 3, 1};
  arena.reorder(order);
  EXPECT_EQ(arena.layout(), order);
  EXPECT_EQ(arena.count(), 112);
  EXPECT_EQ(arena.segments()[4].offset, 0);
  EXPECT_EQ(arena.segments()[2].offset, 16);
  EXPECT_EQ(arena.segments()[1].name, "p1");
  for (std::size_t i = 0; i < before.size(); ++i)
    EXPECT_EQ(parameters_[i].second.to_vector(), before[i]);
  EXPECT_EQ(gradient(parameters_[0].second).to_vector(), gradient_before);
  EXPECT_THAT(state_handle.to_vector(), Each(5.0F));
  EXPECT_THAT(arena.state_of(1, 1).to_vector(), Each(0.0F));
}

TEST_F(ArenaTest, GradientsGoToAnotherLaneWithoutACopy) {
  Arena arena(entries_of(parameters_), 0);
  const core::Memory other = host_memory(arena.bytes());
  std::fill_n(static_cast<float*>(other->data()), arena.count(), 0.0F);
  const void* const before = arena.gradients({0, 1}).data;
  const core::Memory first = arena.exchange_gradient_lane(other);
  EXPECT_EQ(first->data(), before);
  EXPECT_EQ(arena.gradients({0, 1}).data, other->data());
  give_gradient(parameters_[1].second, random_values(17, random_));
  EXPECT_EQ(gradient(parameters_[1].second).data<float>(), static_cast<float*>(other->data()) + 16);
  EXPECT_THAT(message_of([&] { arena.exchange_gradient_lane(host_memory(4)); }),
              HasSubstr("too few for 112 f32 on cpu"));
}

TEST_F(ArenaTest, PaddingIsZeroAlsoInMemoryThatHeldOtherThings) {
  Arena arena(entries_of(parameters_), 0);
  const core::Memory first = host_memory(arena.bytes()), second = host_memory(arena.bytes());
  std::fill_n(static_cast<float*>(first->data()), arena.count(), 9.0F);
  std::fill_n(static_cast<float*>(second->data()), arena.count(), 9.0F);
  arena.relocate(first, second);
  EXPECT_THAT(elements(arena.parameters({15, 16})), Each(0.0F));
  EXPECT_THAT(elements(arena.gradients({33, 48})), Each(0.0F));
}

TEST_F(ArenaTest, RandomOrdersOneAfterTheOtherLoseNothing) {
  Arena arena(entries_of(parameters_), 1);
  std::vector<int> order = arena.layout();
  const std::vector<float> before = parameters_[3].second.to_vector();
  for (int round = 0; round < 20; ++round) {
    std::shuffle(order.begin(), order.end(), random_);
    arena.relocate(host_memory(arena.bytes()), host_memory(arena.bytes()), order);
    ASSERT_EQ(parameters_[3].second.to_vector(), before);
  }
}

TEST_F(ArenaTest, RefusesOrdersThatAreNoPermutation) {
  Arena arena(entries_of(parameters_), 0);
  for (const std::vector<int>& order : {std::vector<int>{0, 1, 2, 3, 3}, {0, 1}, {0, 1, 2, 3, 5}}) {
    EXPECT_THAT(message_of([&] { arena.reorder(order); }), HasSubstr("is no permutation of its 5"));
  }
  EXPECT_THAT(message_of([&] {
                arena.reorder(std::vector<int>{0, 1});
              }),
              HasSubstr("an order of 2 numbers is no permutation of its 5 segments"));
}

TEST_F(ArenaTest, RefusesMemoryThatIsTooSmall) {
  Arena arena(entries_of(parameters_), 0);
  const std::string message = message_of([&] { arena.relocate(host_memory(4), {}); });
  EXPECT_THAT(message, HasSubstr("arena: 64 bytes are too few for 112 f32 on cpu"));
  EXPECT_THAT(message, HasSubstr("give blocks of 448 bytes"));
}

TEST_F(ArenaTest, RefusesAParameterGivenTwice) {
  parameters_.emplace_back("again", parameters_[0].second);
  const std::string message = message_of([&] { Arena(entries_of(parameters_), 0); });
  EXPECT_THAT(message, HasSubstr("parameter again shares its memory with another one"));
  EXPECT_THAT(message, HasSubstr("give each parameter once"));
}

TEST_F(ArenaTest, RefusesAViewOfALargerTensor) {
  Tensor part = sliced_view(zeros({4, 4}), 0, 0, 2);
  require_grad(part);
  const std::string message = message_of([&] { Arena(entries_of({{"half", part}}), 0); });
  EXPECT_THAT(message, HasSubstr("parameter half [2, 4] is a view of a larger tensor"));
  EXPECT_THAT(message, HasSubstr("clone()"));
}

TEST_F(ArenaTest, RefusesHalfPrecisionAndMixedTypes) {
  const Tensor half = zeros({3}, {.dtype = DType::bf16});
  EXPECT_THAT(message_of([&] {
                Arena(entries_of({{"h", half}}), 0);
              }),
              HasSubstr("parameter h is bf16, and updates take f32 or f64"));
  parameters_.emplace_back("wide", random_leaf({2}, random_, DType::f64));
  EXPECT_THAT(message_of([&] { Arena(entries_of(parameters_), 0); }),
              HasSubstr("parameter wide is f64, and updates take f32 or f64"));
}

TEST_F(ArenaTest, RefusesParametersOnTwoDevices) {
  parameters_.emplace_back("far", tests::on_other_device(zeros({2})));
  const std::string message = message_of([&] { Arena(entries_of(parameters_), 0); });
  EXPECT_THAT(message, HasSubstr("parameter far is on cuda:1, the arena on cpu"));
  EXPECT_THAT(message, HasSubstr("make one arena for each device"));
}

TEST_F(ArenaTest, RefusesRangesBeyondItsEnd) {
  const Arena arena(entries_of(parameters_), 0);
  EXPECT_THAT(message_of([&] {
                arena.gradients({100, 113});
              }),
              HasSubstr("elements [100, 113) of 112"));
}

}  // namespace
}  // namespace lockstep::optim
