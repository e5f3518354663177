#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

#include "kernels/cuda/platform.h"
#include "src/core/staging.h"
#include "tests/support/failure.h"
#include "tests/support/fake_cuda.h"

namespace lockstep::kernels::cuda {
namespace {

using core::StreamRole;

std::unique_ptr<Backend> no_kernels(DeviceContext&, core::Allocator&) { return nullptr; }

std::vector<std::uint32_t> counted(std::size_t bytes) {
  std::vector<std::uint32_t> numbers(bytes / sizeof(std::uint32_t));
  std::iota(numbers.begin(), numbers.end(), 1U);
  return numbers;
}

class CudaTransfer : public ::testing::Test {
 protected:
  static constexpr std::size_t long_bytes = 5 * core::staged_piece + 12;

  core::Stream& compute() { return platform_.stream(0, StreamRole::compute); }

  testing::FakeCuda fake_;
  CudaPlatform platform_{fake_.runtime(), &no_kernels};
};

TEST_F(CudaTransfer, UploadsWhatTheHostHeldThen) {
  for (const std::size_t bytes : {std::size_t{4}, core::staged_piece, long_bytes}) {
    const std::vector<std::uint32_t> numbers = counted(bytes);
    std::vector<std::uint32_t> source = numbers;
    const core::Memory there = platform_.allocator(0).allocate(bytes);
    core::upload(platform_, 0, there->data(), source.data(), bytes);
    std::fill(source.begin(), source.end(), 0U);
    fake_.finish_all();
    EXPECT_EQ(std::memcmp(there->data(), numbers.data(), bytes), 0) << bytes;
  }
}

TEST_F(CudaTransfer, UploadsOfOnePieceDoNotWait) {
  const std::vector<std::uint32_t> numbers = counted(1000);
  const core::Memory there = platform_.allocator(0).allocate(1000);
  core::upload(platform_, 0, there->data(), numbers.data(), 1000);
  EXPECT_EQ(fake_.calls["cudaEventSynchronize"] + fake_.calls["cudaStreamSynchronize"], 0);
  EXPECT_NE(std::memcmp(there->data(), numbers.data(), 1000), 0) << "the fake is as lazy as can be";
}

TEST_F(CudaTransfer, StagedBytesAreNotWrittenOverBeforeTheyAreGone) {
  const core::Memory a = platform_.allocator(0).allocate(8), b = platform_.allocator(0).allocate(8);
  const std::uint64_t first = 1, second = 2;
  core::upload(platform_, 0, a->data(), &first, 8);
  core::upload(platform_, 0, b->data(), &second, 8);
  fake_.finish_all();
  EXPECT_EQ(*static_cast<std::uint64_t*>(a->data()), first);
  EXPECT_EQ(*static_cast<std::uint64_t*>(b->data()), second);
}

TEST_F(CudaTransfer, LongUploadsHoldFewPieces) {
  const std::vector<std::uint32_t> numbers = counted(long_bytes);
  const core::Memory there = platform_.allocator(0).allocate(long_bytes);
  core::upload(platform_, 0, there->data(), numbers.data(), long_bytes);
  EXPECT_LE(platform_.pinned_memory().statistics().peak_in_use,
            core::staged_pieces * core::staged_piece);
}

TEST_F(CudaTransfer, DownloadsWhatTheStreamHasComputed) {
  for (const std::size_t bytes : {std::size_t{4}, core::staged_piece, long_bytes}) {
    const std::vector<std::uint32_t> numbers = counted(bytes);
    const core::Memory there = platform_.allocator(0).allocate(bytes);
    core::upload(platform_, 0, there->data(), numbers.data(), bytes);  // still queued
    std::vector<std::uint32_t> back(numbers.size());
    core::download(platform_, 0, back.data(), there->data(), bytes);
    EXPECT_EQ(back, numbers) << bytes;
    EXPECT_EQ(fake_.calls["cudaStreamSynchronize"] + fake_.calls["cudaDeviceSynchronize"], 0);
  }
}

TEST_F(CudaTransfer, ASteadyStepAllocatesNothing) {
  const core::Memory there = platform_.allocator(0).allocate(64);
  std::uint64_t number = 0;
  int calls = 0;
  for (int step = 0; step < 5; ++step) {
    core::upload(platform_, 0, there->data(), &number, 8);
    core::download(platform_, 0, &number, there->data(), 8);
    if (step == 1) calls = fake_.calls["cudaMalloc"];
  }
  EXPECT_EQ(fake_.calls["cudaMalloc"], calls);
}

TEST_F(CudaTransfer, AFailedCopyNamesTheDevice) {
  const core::Memory there = platform_.allocator(0).allocate(8);
  fake_.failures["cudaMemcpyAsync"] = 1;
  const std::uint64_t number = 0;
  EXPECT_EQ(tests::failure_of<DeviceError>([&] {
              core::upload(platform_, 0, there->data(), &number, 8);
            }).problem(),
            "cudaMemcpyAsync failed on cuda:0: cudaErrorX (something is wrong)");
}

}  // namespace
}  // namespace lockstep::kernels::cuda
