#include "kernels/cuda/platform.h"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/support/failure.h"
#include "tests/support/fake_cuda.h"

namespace lockstep::kernels::cuda {
namespace {

using core::StreamRole;

std::unique_ptr<Backend> no_kernels(DeviceContext&, core::Allocator&) { return nullptr; }

TEST(CudaPlatform, DescribesItsDevices) {
  testing::FakeCuda fake;
  fake.devices.push_back(fake.devices[0]);
  const CudaPlatform platform(fake.runtime(), &no_kernels);
  EXPECT_EQ(platform.devices(), 2);
  EXPECT_STREQ(platform.description(), "CUDA 13.0, Fake GPU 64.0 MiB, Fake GPU 64.0 MiB");
}

TEST(CudaPlatform, TouchesADeviceWhenItIsUsedFirst) {
  testing::FakeCuda fake;
  fake.devices.push_back(fake.devices[0]);
  CudaPlatform platform(fake.runtime(), &no_kernels);
  EXPECT_EQ(fake.calls["cudaSetDevice"] + fake.calls["cudaStreamCreateWithFlags"], 0);
  EXPECT_EQ(platform.allocator(1).allocate(8)->device(), (Device{DeviceType::cuda, 1}));
  EXPECT_EQ(fake.current_device, 1);
  EXPECT_EQ(fake.calls["cudaStreamCreateWithFlags"], 3);
}

TEST(CudaPlatform, HasOneStreamForEachRole) {
  testing::FakeCuda fake;
  CudaPlatform platform(fake.runtime(), &no_kernels);
  core::Stream& compute = platform.stream(0, StreamRole::compute);
  EXPECT_EQ(&platform.stream(0, StreamRole::compute), &compute);
  EXPECT_NE(handle_of(platform.stream(0, StreamRole::copy)), handle_of(compute));
  EXPECT_NE(handle_of(platform.stream(0, StreamRole::communication)), handle_of(compute));
  EXPECT_EQ(compute.device(), (Device{DeviceType::cuda, 0}));
}

TEST(CudaPlatform, LendsPinnedMemoryOfTheHost) {
  testing::FakeCuda fake;
  CudaPlatform platform(fake.runtime(), &no_kernels);
  core::Memory block = platform.pinned_memory().allocate(100);
  EXPECT_EQ(block->device(), Device{});
  void* const data = block->data();
  platform.pinned_memory().used_on(block, platform.stream(0, StreamRole::copy));
  block.reset();
  EXPECT_NE(platform.pinned_memory().allocate(100)->data(), data) << "a copy still reads it";
  fake.finish_all();
  EXPECT_EQ(platform.pinned_memory().allocate(100)->data(), data);
}

TEST(CudaPlatform, AFailedStartIsTriedAnew) {
  testing::FakeCuda fake;
  CudaPlatform platform(fake.runtime(), &no_kernels);
  fake.failures["cudaSetDevice"] = 1;
  EXPECT_THROW(platform.allocator(0), DeviceError);
  EXPECT_EQ(platform.allocator(0).allocate(8)->bytes(), 512U);
}

TEST(CudaStream, EventsPassWhenTheStreamGetsThere) {
  testing::FakeCuda fake;
  CudaPlatform platform(fake.runtime(), &no_kernels);
  core::Stream& stream = platform.stream(0, StreamRole::compute);
  const core::Event event = stream.record();
  EXPECT_FALSE(event->is_passed());
  event->wait();
  EXPECT_TRUE(event->is_passed());
  EXPECT_EQ(fake.calls["cudaStreamSynchronize"], 0) << "only the event is waited for";
}

TEST(CudaStream, OneWaitsForAnotherWithoutTheHost) {
  testing::FakeCuda fake;
  CudaPlatform platform(fake.runtime(), &no_kernels);
  const core::Event event = platform.stream(0, StreamRole::compute).record();
  platform.stream(0, StreamRole::communication).wait_for(event);
  EXPECT_EQ(fake.calls["cudaStreamWaitEvent"], 1);
  EXPECT_EQ(fake.calls["cudaEventSynchronize"] + fake.calls["cudaStreamSynchronize"], 0);
}

TEST(CudaStream, ASteadyStepMakesNoNewEvents) {
  testing::FakeCuda fake;
  CudaPlatform platform(fake.runtime(), &no_kernels);
  core::Stream& stream = platform.stream(0, StreamRole::compute);
  for (int i = 0; i < 10; ++i) stream.record()->wait();
  EXPECT_EQ(fake.calls["cudaEventCreateWithFlags"], 1);
}

TEST(CudaStream, AHostStreamPassesAtOnce) {
  core::Stream host;
  EXPECT_FALSE(host.record()) << "an empty event has passed";
  host.wait_for(host.record());
  host.wait();
}

}  // namespace
}  // namespace lockstep::kernels::cuda
