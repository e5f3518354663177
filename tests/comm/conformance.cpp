#include <algorithm>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <thread>
#include <utility>

#include "tests/support/conformance.h"
#include "tests/support/conformance_values.h"

namespace lockstep::tests {
namespace {

using comm::Communicator;
using comm::Reduce;

INSTANTIATE_TEST_SUITE_P(Over, Conformance, testing::ValuesIn(teams()), team_name);

TEST_P(Conformance, BarrierHoldsEveryRankUntilTheLastComes) {
  on_every_rank([](Communicator& ranks) {
    using Clock = std::chrono::steady_clock;  // one clock for all processes of a host
    const auto now = [] {
      return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
    };
    core::Stream stream;
    for (int late = 0; late < ranks.size(); ++late) {
      if (ranks.rank() == late) std::this_thread::sleep_for(std::chrono::milliseconds(20));
      TypedValues mine = TypedValues::made(DType::f64, 2, [&](std::int64_t) { return now(); });
      ranks.barrier();
      mine.set(1, -now());
      TypedValues latest(DType::f64, 2);
      ranks.all_reduce(mine.buffer(), latest.buffer(), Reduce::max, stream).wait();
      EXPECT_LE(latest.at(0), -latest.at(1)) << "a rank left before the last one came";
    }
  });
}

TEST_P(Conformance, KeepsSeveralCallsInFlight) {
  on_every_rank([](Communicator& ranks) {
    core::Stream stream;
    std::vector<TypedValues> buffers;
    std::vector<comm::Work> under_way;
    const std::vector<std::int64_t> counts{50'000, 3, 0, 20'000, 1, 90'000, 17, 5'000};
    buffers.reserve(counts.size());
    for (const std::int64_t count : counts) {
      buffers.push_back(input(DType::f32, Reduce::sum, ranks.rank(), count));
      under_way.push_back(
          ranks.all_reduce(buffers.back().buffer(), buffers.back().buffer(), Reduce::sum, stream));
      ranks.poll();
    }
    TypedValues root = input(DType::i32, Reduce::sum, ranks.rank(), 200'000);
    comm::Work broadcast = ranks.broadcast(root.buffer(), ranks.size() - 1, stream);
    while (!under_way.empty()) under_way.pop_back();  // destroyed: waits, the last one first
    broadcast.wait();
    for (const TypedValues& buffer : buffers) EXPECT_TRUE(holds(buffer, Reduce::sum, ranks.size()));
    EXPECT_EQ(root, input(DType::i32, Reduce::sum, ranks.size() - 1, 200'000));
  });
}

TEST_P(Conformance, FinishesWhenItIsOnlyPolled) {
  on_every_rank([](Communicator& ranks) {
    core::Stream stream;
    TypedValues data = input(DType::i64, Reduce::sum, ranks.rank(), 30'000);
    comm::Work work = ranks.all_reduce(data.buffer(), data.buffer(), Reduce::sum, stream);
    while (!work.done()) std::this_thread::yield();
    work.wait();
    EXPECT_TRUE(holds(data, Reduce::sum, ranks.size()));
    ranks.barrier();
  });
}

TEST_P(Conformance, SurvivesARandomSequenceOfCalls) {
  on_every_rank([](Communicator& ranks) {
    core::Stream stream;
    std::uint32_t state = 12345;  // the same on every rank
    const auto random = [&](std::uint32_t bound) {
      state = state * 1664525U + 1013904223U;
      return (state >> 8U) % bound;
    };
    for (int round = 0; round < 60; ++round) {
      const DType dtype = all_dtypes[random(8)];
      const Reduce op = random(2) == 0 ? Reduce::sum : Reduce::max;
      const std::int64_t count = random(3) == 0 ? random(10'000) : random(200);
      TypedValues data = input(dtype, op, ranks.rank(), count);
      if (random(4) == 0) {
        const int root = static_cast<int>(random(static_cast<std::uint32_t>(ranks.size())));
        ranks.broadcast(data.buffer(), root, stream).wait();
        EXPECT_EQ(data, input(dtype, op, root, count));
      } else {
        ranks.all_reduce(data.buffer(), data.buffer(), op, stream).wait();
        EXPECT_TRUE(holds(data, op, ranks.size()));
      }
    }
  });
}

TEST_P(Conformance, FinishesManyCallsInAnyOrder) {
  on_every_rank([](Communicator& ranks) {
    core::Stream stream;
    constexpr int calls = 40;
    std::vector<TypedValues> sums;
    std::vector<TypedValues> gathered;
    std::vector<comm::Work> works;
    for (int call = 0; call < calls; ++call) {
      const std::int64_t count = call * call * 3;
      sums.push_back(input(DType::f32, Reduce::sum, ranks.rank(), count));
      gathered.emplace_back(DType::f32, ranks.size() * count);
    }
    for (std::size_t call = 0; call < calls; ++call) {
      works.push_back(ranks.all_gather(sums[call].buffer(), gathered[call].buffer(), stream));
      if (call % 3 == 0) works.back().wait();
    }
    const auto order = [&](std::size_t i) { return (i * 17 + 5) % works.size(); };
    for (std::size_t i = 0; i < works.size(); ++i) {
      works[order(i)].wait();
      EXPECT_TRUE(works[order(i)].done());
    }
    for (int call = 1; call < calls; ++call) {
      const TypedValues& all = gathered[static_cast<std::size_t>(call)];
      const std::int64_t count = call * call * 3;
      for (int rank = 0; rank < ranks.size(); ++rank) {
        ASSERT_EQ(all.at(rank * count), value_of(DType::f32, Reduce::sum, rank, 0));
        ASSERT_EQ(all.at(rank * count + count - 1),
                  value_of(DType::f32, Reduce::sum, rank, count - 1));
      }
    }
  });
}

TEST_P(Conformance, StartsABatchOfCallsAsOneWork) {
  on_every_rank([](Communicator& ranks) {
    core::Stream stream;
    TypedValues sum = input(DType::f32, Reduce::sum, ranks.rank(), 40'000);
    TypedValues root = input(DType::i64, Reduce::sum, ranks.rank(), 11);
    TypedValues own = input(DType::u8, Reduce::max, ranks.rank(), 3);
    TypedValues all(DType::u8, 3 * ranks.size());
    const auto before = ranks.flight_record().entries().size();
    comm::Work work = ranks.batch([&](comm::Batch& batch) {
      batch.all_reduce(sum.buffer(), sum.buffer(), Reduce::sum, stream);
      batch.broadcast(root.buffer(), ranks.size() - 1, stream);
      batch.all_gather(own.buffer(), all.buffer(), stream);
    });
    EXPECT_GE(ranks.flight_record().entries().size(), std::min<std::size_t>(before + 3, 1000));
    work.wait();
    EXPECT_TRUE(holds(sum, Reduce::sum, ranks.size()));
    EXPECT_EQ(root, input(DType::i64, Reduce::sum, ranks.size() - 1, 11));
    for (int rank = 0; rank < ranks.size(); ++rank)
      EXPECT_EQ(all.at(3 * rank + 1), value_of(DType::u8, Reduce::max, rank, 1));
    ranks.batch([](comm::Batch&) {}).wait();  // of nothing: finished work
  });
}

TEST_P(Conformance, StartsNothingOfABatchWhoseMakingFails) {
  on_every_rank([](Communicator& ranks) {
    core::Stream stream;
    TypedValues sum = input(DType::f32, Reduce::sum, ranks.rank(), 10);
    const auto fail = [&] {
      ranks
          .batch([&](comm::Batch& batch) {
            batch.all_reduce(sum.buffer(), sum.buffer(), Reduce::sum, stream);
            throw std::runtime_error("half way");
          })
          .wait();
    };
    EXPECT_THROW(fail(), std::runtime_error);
    ranks.all_reduce(sum.buffer(), sum.buffer(), Reduce::sum, stream).wait();
    EXPECT_TRUE(holds(sum, Reduce::sum, ranks.size()));
  });
}

TEST_P(Conformance, GivesMemoryThatCollectivesMove) {
  on_every_rank([](Communicator& ranks) {
    core::Stream stream;
    for (const std::int64_t count : {1, 1'000, 300'000}) {
      const core::Memory memory = ranks.allocate(static_cast<std::size_t>(count) * sizeof(float));
      ASSERT_EQ(reinterpret_cast<std::uintptr_t>(memory->data()) % core::alignment, 0U);
      auto* values = static_cast<float*>(memory->data());
      for (std::int64_t i = 0; i < count; ++i)
        values[i] = static_cast<float>(value_of(DType::f32, Reduce::sum, ranks.rank(), i));
      const core::Buffer data{values, count, DType::f32, {}, memory};
      ranks.all_reduce(data, data, Reduce::sum, stream).wait();
      for (std::int64_t i = 0; i < count; ++i)
        ASSERT_EQ(values[i], expected(DType::f32, Reduce::sum, ranks.size(), i));
    }
  });
}

}  // namespace
}  // namespace lockstep::tests
