// Calls over shared memory: many under way at once, on every kind of memory, and their failures.
// The ranks are threads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <ranges>
#include <string>
#include <thread>
#include <vector>

#include "lockstep/base/error.h"
#include "tests/support/shared_memory.h"

namespace lockstep::tests {
namespace {

using comm::Communicator;
using comm::Reduce;
using core::Buffer;
using testing::AllOf;
using testing::HasSubstr;
using namespace std::chrono_literals;

core::Stream stream;

std::string failure_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const CommError& error) {
    return error.what();
  }
  return "";
}

TEST(Shm, MoreCallsThanSlotsMayBeUnderWayOnOneRank) {
  on_shared_memory(3, [](Communicator& ranks) {
    constexpr int calls = 300;
    const core::Memory memory = ranks.allocate(calls * 4096 * sizeof(float));
    auto* const first = static_cast<float*>(memory->data());
    std::fill_n(first, calls * 4096, 1.0F + static_cast<float>(ranks.rank()));
    std::vector<comm::Work> works;
    if (ranks.rank() == 2) std::this_thread::sleep_for(20ms);
    for (int call = 0; call < calls; ++call) {
      const Buffer data{first + call * 4096, 1 + call % 4096, DType::f32, {}, memory};
      works.push_back(ranks.all_reduce(data, data, Reduce::sum, stream));
    }
    for (comm::Work& work : std::views::reverse(works)) work.wait();
    for (int call = 0; call < calls; ++call)
      for (int i = 0; i <= call % 4096; ++i) ASSERT_EQ(first[call * 4096 + i], 6.0F);
  });
}

TEST(Shm, CallsOnEveryKindOfMemoryMayBeUnderWayAtOnce) {
  on_shared_memory(4, [](Communicator& ranks) {
    const core::Memory shared = ranks.allocate(400'000);
    std::vector<float> own(100'000, 1.0F);
    std::vector<float> few(10, 1.0F);
    std::fill_n(static_cast<float*>(shared->data()), 100'000, 1.0F);
    for (int repeat = 0; repeat < 5; ++repeat) {
      const Buffer all[] = {{own.data(), 100'000, DType::f32, {}, {}},
                            {shared->data(), 100'000, DType::f32, {}, shared},
                            {few.data(), 10, DType::f32, {}, {}}};
      std::vector<comm::Work> works;
      for (const Buffer& data : all)
        works.push_back(ranks.all_reduce(data, data, Reduce::mean, stream));
      for (comm::Work& work : works) work.wait();
    }
    EXPECT_EQ(own, std::vector<float>(100'000, 1.0F));
    EXPECT_EQ(static_cast<float*>(shared->data())[99'999], 1.0F);
  });
}

TEST(Shm, OneRankWithoutSharedMemoryIsServedToo) {
  on_shared_memory(3, [](Communicator& ranks) {
    const core::Memory shared = ranks.allocate(90'000 * sizeof(float));
    std::vector<float> own(90'000);
    auto* const data = ranks.rank() == 1 ? own.data() : static_cast<float*>(shared->data());
    std::fill_n(data, 90'000, 2.0F);
    const Buffer buffer{data, 90'000, DType::f32, {}, shared};
    ranks.all_reduce(buffer, buffer, Reduce::sum, stream).wait();
    EXPECT_EQ(data[0], 6.0F);
    EXPECT_EQ(data[89'999], 6.0F);
  });
}

TEST(Shm, LongMessagesThatNobodyReceivesYetDoNotStopTheOthers) {
  on_shared_memory(2, [](Communicator& ranks) {
    std::vector<float> data(1'000'000, static_cast<float>(ranks.rank()));
    const Buffer buffer{data.data(), 1'000'000, DType::f32, {}, {}};
    comm::Work sent;
    if (ranks.rank() == 0) sent = ranks.send(buffer, 1, stream);
    std::vector<float> other(300'000, 1.0F);
    const Buffer sum{other.data(), 300'000, DType::f32, {}, {}};
    ranks.all_reduce(sum, sum, Reduce::sum, stream).wait();
    EXPECT_EQ(other[299'999], 2.0F);
    if (ranks.rank() == 1) ranks.receive(buffer, 0, stream).wait();
    sent.wait();
    EXPECT_EQ(data[999'999], 0.0F);
  });
}

TEST(Shm, EveryRankIsToldWhichCallsDiffer) {
  std::string seen[3];
  on_shared_memory(3, [&](Communicator& ranks) {
    float data[20] = {};
    const std::int64_t count = ranks.rank() == 2 ? 11 : 10;
    const Buffer buffer{data, count, DType::f32, {}, {}};
    seen[ranks.rank()] =
        failure_of([&] { ranks.all_reduce(buffer, buffer, Reduce::sum, stream).wait(); });
  });
  for (const std::string& message : seen) {
    EXPECT_THAT(message, AllOf(HasSubstr("ranks 0 and 2 differ in the count: rank 0 calls "
                                         "all_reduce #1 (sum, f32 x 10) at shm_test.cpp:"),
                               HasSubstr("rank 2 calls all_reduce #1 (sum, f32 x 11) at")));
  }
}

TEST(Shm, AFailureReachesTheOthersAtOnce) {
  std::string seen[2];
  const auto begin = std::chrono::steady_clock::now();
  on_shared_memory(2, [&](Communicator& ranks) {
    if (ranks.rank() == 0) return ranks.poison("no more data");
    seen[1] = failure_of([&] { ranks.barrier(); });
  });
  EXPECT_THAT(seen[1], HasSubstr("rank 0 failed first: no more data"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
}

TEST(Shm, ARankThatHasLeftIsNamedToThoseWhoWaitForIt) {
  std::string seen[3];
  on_shared_memory(3, [&](Communicator& ranks) {
    ranks.barrier();
    if (ranks.rank() == 1) return;
    seen[ranks.rank()] = failure_of([&] { ranks.barrier(); });
  });
  for (const int rank : {0, 2})
    EXPECT_THAT(seen[rank], HasSubstr("rank 1 failed first: it has ended its communicator after 1 "
                                      "collectives; the others call more"));
}

TEST(Shm, AMissingCallEndsAtTheDeadline) {
  on_shared_memory(2, [](Communicator& ranks) {
    static std::atomic<bool> is_over = false;
    if (ranks.rank() == 1) {
      while (!is_over) std::this_thread::sleep_for(1ms);
      return;
    }
    ranks.use_timeout(100ms);
    EXPECT_THAT(
        failure_of([&] { ranks.barrier(); }),
        AllOf(HasSubstr("barrier #1 not finished after 0.1 s"), HasSubstr("transport shm")));
    is_over = true;
  });
}

}  // namespace
}  // namespace lockstep::tests
