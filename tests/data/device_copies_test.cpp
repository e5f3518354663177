#include "src/data/device_copies.h"

#include <gtest/gtest.h>

#include <numeric>

#include "lockstep/tensor/create.h"
#include "tests/support/fake_cuda.h"
#include "tests/support/fake_platform.h"

namespace lockstep::data {
namespace {

using core::StreamRole;

constexpr Device gpu{DeviceType::cuda, 0};

DatasetPointer numbered() {
  Tensor x = empty({100, 3}), y = empty({100}, {.dtype = DType::i64});
  for (std::int64_t i = 0; i < 100; ++i) {
    std::fill_n(x.data<float>() + 3 * i, 3, static_cast<float>(i));
    y.data<std::int64_t>()[i] = i;
  }
  return in_memory(x, y);
}

// The fake copies as late as it may.
class OnFakeGpu : public ::testing::Test {
 protected:
  void fill(Slot& slot, std::int64_t first) {
    DeviceCopies::make_writable(slot);
    std::vector<std::int64_t> indices(4);
    std::iota(indices.begin(), indices.end(), first);
    assembler_.fill(slot, 0, indices, {});
    copies_.send(slot);
  }
  // What the compute stream sees of the batch where it is now.
  std::vector<float> seen(Slot& slot) {
    fake_.finish(testing::stream_of(*platform_, StreamRole::compute));
    const Tensor& x = slot.batch.parts.at(0).x;
    const auto* first = static_cast<const float*>(x.view().data);
    return {first, first + x.elements()};
  }
  static std::vector<float> expected(int first) {
    std::vector<float> values;
    for (int sample = first; sample < first + 4; ++sample)
      values.insert(values.end(), 3, static_cast<float>(sample));
    return values;
  }

  testing::FakeCuda fake_;
  std::unique_ptr<core::Platform> platform_ = testing::fake_platform(fake_);
  DeviceCopies copies_{*platform_, gpu};
  Assembler assembler_{numbered(), {}, 1, copies_.host_memory()};
};

TEST_F(OnFakeGpu, ABatchArrivesBeforeItIsUsed) {
  Slot slot;
  fill(slot, 7);
  EXPECT_EQ(slot.batch.parts.at(0).x.device(), gpu);
  copies_.receive(slot);
  EXPECT_EQ(seen(slot), expected(7));
  EXPECT_EQ(fake_.calls["cudaEventSynchronize"] + fake_.calls["cudaStreamSynchronize"], 0);
}

TEST_F(OnFakeGpu, ASlotIsFilledAnewWhenItsUseIsOver) {
  Slot slot;
  for (int round = 0; round < 5; ++round) {
    fill(slot, 10 * round);
    copies_.receive(slot);
    EXPECT_EQ(seen(slot), expected(10 * round));
    slot.batch.parts.clear();
    copies_.give_back(slot);
  }
  EXPECT_EQ(fake_.calls["cudaStreamSynchronize"], 0);
}

TEST_F(OnFakeGpu, TheNextCopyWaitsForTheUseOfTheLast) {
  Slot slot;
  fill(slot, 1);
  copies_.receive(slot);
  const Tensor x = slot.batch.parts.at(0).x;
  const void* const data = x.view().data;
  slot.batch.parts.clear();
  const auto compute = testing::stream_of(*platform_, StreamRole::compute);
  fake_.work(compute);  // a kernel that reads the batch
  fake_.finish(testing::stream_of(*platform_, StreamRole::copy));
  const std::uint64_t used = fake_.queued(compute);
  copies_.give_back(slot);
  fill(slot, 2);
  fake_.finish(testing::stream_of(*platform_, StreamRole::copy));
  EXPECT_GE(fake_.done(compute), used);
  EXPECT_NE(slot.batch.parts.at(0).x.view().data, data) << "someone holds the first batch";
}

TEST_F(OnFakeGpu, ASteadyEpochAllocatesNothing) {
  Slot slots[2];
  int calls = 0;
  for (int round = 0; round < 8; ++round) {
    Slot& slot = slots[round % 2];
    fill(slot, round);
    copies_.receive(slot);
    slot.batch.parts.clear();
    copies_.give_back(slot);
    if (round == 1) calls = fake_.calls["cudaMalloc"];
  }
  EXPECT_EQ(fake_.calls["cudaMalloc"], calls);
}

}  // namespace
}  // namespace lockstep::data
