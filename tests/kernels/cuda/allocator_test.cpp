#include "kernels/cuda/allocator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "kernels/cuda/stream.h"
#include "lockstep/base/error.h"
#include "tests/support/failure.h"
#include "tests/support/fake_cuda.h"

namespace lockstep::kernels::cuda {
namespace {

using ::testing::HasSubstr;

constexpr std::size_t mib = std::size_t{1} << 20;
constexpr Device gpu{DeviceType::cuda, 0};

// A device with 64 MiB, its allocator and two streams beside the compute stream.
class CudaAllocator : public ::testing::Test {
 protected:
  CachingAllocator make(const char* policy = nullptr) {
    return {context_,
            {.device = gpu,
             .allocate = fake_.runtime().allocate,
             .release = fake_.runtime().release,
             .call = "cudaMalloc"},
            memory_policy(policy).value()};
  }
  int system_calls() { return fake_.calls["cudaMalloc"] + fake_.calls["cudaFree"]; }

  testing::FakeCuda fake_;
  DeviceContext context_{fake_.runtime(), 0};
  EventPool events_{context_};
  CudaQueue copy_queue_{context_, events_}, communication_queue_{context_, events_};
  core::Stream copy_{gpu, &copy_queue_}, communication_{gpu, &communication_queue_};
};

TEST_F(CudaAllocator, GivesAlignedBlocksOfTheDevice) {
  auto memory = make();
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, std::size_t{513}, 3 * mib}) {
    const core::Memory block = memory.allocate(bytes);
    EXPECT_GE(block->bytes(), std::max<std::size_t>(bytes, 1));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block->data()) % 512, 0U);
    EXPECT_EQ(block->device(), gpu);
  }
}

TEST_F(CudaAllocator, ASteadyStepAsksTheRuntimeForNothing) {
  auto memory = make();
  const auto step = [&] {
    std::vector<core::Memory> blocks;
    for (const std::size_t bytes : {mib / 2, 3 * mib, std::size_t{4096}, 12 * mib})
      blocks.push_back(memory.allocate(bytes));
  };
  step();
  const int before = system_calls();
  for (int i = 0; i < 10; ++i) step();
  EXPECT_EQ(system_calls(), before);
  EXPECT_EQ(memory.statistics().requests, 44U);
}

TEST_F(CudaAllocator, TheComputeStreamReusesABlockAtOnce) {
  auto memory = make();
  core::Memory block = memory.allocate(4096);
  void* const data = block->data();
  block.reset();
  EXPECT_EQ(memory.allocate(4096)->data(), data);
}

TEST_F(CudaAllocator, ABlockWaitsForEveryStreamThatUsedIt) {
  auto memory = make();
  core::Memory block = memory.allocate(4096);
  void* const data = block->data();
  memory.used_on(block, copy_);
  memory.used_on(block, communication_);
  memory.used_on(block, copy_);
  block.reset();
  EXPECT_NE(memory.allocate(4096)->data(), data);
  fake_.finish(copy_queue_.handle());
  EXPECT_NE(memory.allocate(4096)->data(), data);
  fake_.finish(communication_queue_.handle());
  EXPECT_EQ(memory.allocate(4096)->data(), data);
}

TEST_F(CudaAllocator, JoinsNeighboursThatCameBack) {
  auto memory = make();
  {
    std::vector<core::Memory> parts;
    for (int i = 0; i < 4; ++i) parts.push_back(memory.allocate(4 * mib));
    std::swap(parts[0], parts[2]);
  }
  const int before = system_calls();
  EXPECT_EQ(memory.allocate(10 * mib)->bytes(), 10 * mib);
  EXPECT_EQ(system_calls(), before);
}

TEST_F(CudaAllocator, WaitsForOtherStreamsBeforeItGivesUp) {
  auto memory = make("cap=20MiB");
  core::Memory block = memory.allocate(20 * mib);
  memory.used_on(block, copy_);
  block.reset();
  EXPECT_EQ(memory.allocate(20 * mib)->bytes(), 20 * mib);
  EXPECT_EQ(fake_.calls["cudaEventSynchronize"], 1);
}

TEST_F(CudaAllocator, GivesCachedSegmentsBackBeforeItGivesUp) {
  auto memory = make();
  for (int i = 0; i < 2; ++i) memory.allocate((32 + i * 12) * mib);
  EXPECT_EQ(fake_.allocated(), 44 * mib);
}

TEST_F(CudaAllocator, TakesLessThanAWholeSegmentWhereThatIsAllThereIs) {
  auto memory = make("cap=6MiB");
  EXPECT_EQ(memory.allocate(6 * mib)->bytes(), 6 * mib);
}

TEST_F(CudaAllocator, StaysBelowItsCap) {
  auto memory = make("cap=0.25");
  const core::Memory block = memory.allocate(10 * mib);
  EXPECT_THROW(memory.allocate(8 * mib), DeviceError);
  EXPECT_EQ(fake_.allocated(), 10 * mib);
}

TEST_F(CudaAllocator, TakesAllAtOnceWhereThatIsWanted) {
  auto memory = make("preallocate=0.5");
  EXPECT_EQ(fake_.allocated(), 32 * mib);
  const core::Memory small = memory.allocate(100), large = memory.allocate(20 * mib);
  EXPECT_THROW(memory.allocate(20 * mib), DeviceError);
  memory.trim();
  EXPECT_EQ(fake_.calls["cudaMalloc"], 1);
  EXPECT_EQ(fake_.allocated(), 32 * mib);
}

TEST_F(CudaAllocator, OutOfMemorySaysWhoHoldsWhat) {
  auto memory = make("cap=40MiB");
  std::vector<core::Memory> blocks;
  for (int i = 0; i < 3; ++i) blocks.push_back(memory.allocate(6 * mib));
  blocks.push_back(memory.allocate(std::size_t{1024}));
  const auto error = tests::failure_of<DeviceError>([&] { memory.allocate(48 * mib); });
  EXPECT_EQ(error.problem(),
            "allocate: cuda:0 has no 48.0 MiB more; 18.0 MiB are in use by live tensors (most by "
            "3 x 6.0 MiB, 1 x 1.0 KiB), 4.0 MiB are cached (largest free block 2.0 MiB), "
            "0 bytes by CUDA and other processes, of 64.0 MiB; LOCKSTEP_CUDA_MEMORY=cap=40MiB");
  EXPECT_EQ(error.fix(),
            "use a smaller batch or model, free tensors first, or raise LOCKSTEP_CUDA_MEMORY");
  EXPECT_EQ(memory.allocate(6 * mib)->bytes(), 6 * mib) << "it goes on after that";
}

TEST_F(CudaAllocator, ARequestBeyondAllMemoryIsRefused) {
  auto memory = make();
  EXPECT_THROW(memory.allocate(~std::size_t{0}), DeviceError);
}

TEST_F(CudaAllocator, CountsWhatIsHeldAndItsPeak) {
  auto memory = make();
  core::Memory block = memory.allocate(4 * mib);
  block.reset();
  const core::Memory other = memory.allocate(mib);
  EXPECT_EQ(memory.statistics().in_use, mib);
  EXPECT_EQ(memory.statistics().peak_in_use, 4 * mib);
  memory.reset_peak();
  EXPECT_EQ(memory.statistics().peak_in_use, mib);
  EXPECT_EQ(memory.statistics().in_use + memory.statistics().cached, fake_.allocated());
}

TEST_F(CudaAllocator, GivesAllBackAtItsEnd) {
  { make().allocate(mib); }
  EXPECT_EQ(fake_.allocated(), 0U);
}

// A block that was released while another stream still used it.
struct Busy {
  std::byte *begin, *end;
  StreamHandle stream;
  std::uint64_t position;
};

// Blocks never overlap what is live or still in use, and the figures are those of a plain model.
TEST_F(CudaAllocator, AgreesWithAModelOverRandomHistories) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    std::mt19937 random(seed);
    auto memory = make(seed % 3 == 0 ? "cap=48MiB" : seed % 3 == 1 ? nullptr : "preallocate=0.75");
    struct Live {
      core::Memory block;
      std::vector<CudaQueue*> users;
    };
    std::vector<Live> live;
    std::vector<Busy> busy;
    std::size_t in_use = 0;
    const auto overlaps = [](const core::Memory& a, std::byte* begin, std::byte* end) {
      auto* const data = static_cast<std::byte*>(a->data());
      return data < end && begin < data + a->bytes();
    };
    for (int turn = 0; turn < 600; ++turn) {
      const unsigned what = random() % 10;
      if (what < 5) {
        const std::size_t bytes = random() % 4 == 0 ? random() % (9 * mib) : random() % 20'000;
        core::Memory block;
        try {
          block = memory.allocate(bytes);
        } catch (const DeviceError&) {
          continue;
        }
        for (const Live& each : live) {
          auto* const data = static_cast<std::byte*>(each.block->data());
          ASSERT_FALSE(overlaps(block, data, data + each.block->bytes())) << "seed " << seed;
        }
        for (const Busy& each : busy) {
          if (fake_.done(each.stream) >= each.position) continue;
          ASSERT_FALSE(overlaps(block, each.begin, each.end)) << "seed " << seed;
        }
        in_use += block->bytes();
        live.push_back({std::move(block), {}});
      } else if (what < 8 && !live.empty()) {
        const std::size_t chosen = random() % live.size();
        Live gone = std::move(live[chosen]);
        live.erase(live.begin() + static_cast<std::ptrdiff_t>(chosen));
        auto* const data = static_cast<std::byte*>(gone.block->data());
        const std::size_t bytes = gone.block->bytes();
        in_use -= bytes;
        gone.block.reset();
        for (CudaQueue* user : gone.users)
          busy.push_back({data, data + bytes, user->handle(), fake_.queued(user->handle())});
      } else if (what == 8 && !live.empty()) {
        const bool is_copy = random() % 2 == 0;
        Live& each = live[random() % live.size()];
        memory.used_on(each.block, is_copy ? copy_ : communication_);
        each.users.push_back(is_copy ? &copy_queue_ : &communication_queue_);
        fake_.work(each.users.back()->handle());
      } else if (random() % 40 == 0) {
        memory.trim();
      } else {
        fake_.finish(random() % 2 == 0 ? copy_queue_.handle() : communication_queue_.handle());
      }
      const auto figures = memory.statistics();
      ASSERT_EQ(figures.in_use, in_use);
      ASSERT_EQ(figures.in_use + figures.cached, fake_.allocated());
      ASSERT_LE(fake_.allocated(), seed % 3 == 1 ? 64 * mib : 48 * mib);
    }
    live.clear();
    memory.trim();
    EXPECT_EQ(fake_.allocated(), seed % 3 == 2 ? 48 * mib : 0U);
  }
}

TEST(CudaMemoryPolicy, ReadsWhatTheSettingOffers) {
  EXPECT_EQ(memory_policy(nullptr)->limit(100), SIZE_MAX);
  EXPECT_EQ(memory_policy("grow")->limit(100), SIZE_MAX);
  EXPECT_EQ(memory_policy("cap=0.5")->limit(100), 50U);
  EXPECT_EQ(memory_policy("cap=1.5KiB")->limit(mib), 1536U);
  EXPECT_EQ(memory_policy("cap=2GiB")->limit(mib), mib) << "no more than there is";
  EXPECT_TRUE(memory_policy("preallocate=512MiB")->is_taken_at_once);
}

TEST(CudaMemoryPolicy, RefusesEverythingElse) {
  for (const char* text : {"", "all", "cap", "cap=", "cap=0", "cap=-1", "cap=1.5", "cap=8GB",
                           "cap=nan", "limit=0.5", "preallocate=0.5 GiB", "cap=1e30GiB"}) {
    EXPECT_FALSE(memory_policy(text)) << text;
  }
}

TEST(CudaMemoryPolicy, AWrongSettingIsAUsageErrorThatShowsTheRightOnes) {
  testing::FakeCuda fake;
  testing::FakeCuda::set("LOCKSTEP_CUDA_MEMORY", "80%");
  const auto error = tests::failure_of<UsageError>([] { memory_policy_setting(); });
  EXPECT_EQ(error.problem(), "environment: LOCKSTEP_CUDA_MEMORY=80% is not a policy");
  EXPECT_THAT(error.fix(), HasSubstr("cap=0.8"));
}

}  // namespace
}  // namespace lockstep::kernels::cuda
