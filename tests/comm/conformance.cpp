#include "tests/support/conformance.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>

#include "tests/support/typed_values.h"

namespace lockstep::tests {
namespace {

using comm::Communicator;
using comm::Reduce;

INSTANTIATE_TEST_SUITE_P(Over, Conformance, testing::ValuesIn(teams()), team_name);

// Small whole numbers: their sums and products are exact in every dtype, for up to 15 ranks.
double number(int rank, std::int64_t i) {
  return static_cast<double>((rank * 5 + i * 3) % 4 + (rank % 5 == 0 ? 1 : 0)) - 1.0;
}
double truth(int rank, std::int64_t i) { return (rank + i) % 3 == 0 ? 1.0 : 0.0; }
double factor(int rank, std::int64_t i) {
  return rank < 5 ? (i + rank) % 2 + 1.0 : 1.0 - 2.0 * (i % 2);
}

double value_of(DType dtype, Reduce op, int rank, std::int64_t i) {
  if (dtype == DType::boolean) return truth(rank, i);
  if (op == Reduce::product)
    return dtype == DType::u8 ? std::abs(factor(rank, i)) : factor(rank, i);
  return dtype == DType::u8 ? number(rank, i) + 1.0 : number(rank, i);
}

double expected(DType dtype, Reduce op, int ranks, std::int64_t i) {
  double result = value_of(dtype, op, 0, i);
  for (int rank = 1; rank < ranks; ++rank) {
    const double value = value_of(dtype, op, rank, i);
    if (op == Reduce::product)
      result *= value;
    else if (op == Reduce::min)
      result = std::min(result, value);
    else if (op == Reduce::max)
      result = std::max(result, value);
    else
      result += value;
  }
  return op == Reduce::mean ? result / ranks : result;
}

bool is_defined(DType dtype, Reduce op) {
  if (op == Reduce::mean) return is_floating(dtype);
  return dtype != DType::boolean || op == Reduce::min || op == Reduce::max;
}

// Calls visit(dtype, op) for every pair that has a meaning.
template <class Visit> void for_each_reduction(const Visit& visit) {
  for (const DType dtype : all_dtypes) {
    for (const Reduce op : comm::all_reductions) {
      if (is_defined(dtype, op)) visit(dtype, op);
    }
  }
}

TypedValues input(DType dtype, Reduce op, int rank, std::int64_t count) {
  return TypedValues::made(dtype, count,
                           [&](std::int64_t i) { return value_of(dtype, op, rank, i); });
}

// The first wrong element, or nothing. The mean of a half is rounded to 8 bits at worst.
testing::AssertionResult holds(const TypedValues& result, Reduce op, int ranks,
                               std::int64_t first = 0) {
  for (std::int64_t i = 0; i < result.count(); ++i) {
    const double wanted = expected(result.dtype(), op, ranks, first + i);
    const double bound = op == Reduce::mean ? std::abs(wanted) / 128 : 0;
    if (std::abs(result.at(i) - wanted) <= bound) continue;
    return testing::AssertionFailure()
           << name_of(result.dtype()) << " " << name_of(op) << " [" << i << "] of "
           << result.count() << " is " << result.at(i) << ", not " << wanted;
  }
  return testing::AssertionSuccess();
}

TEST_P(Conformance, AllReducesEveryDtypeByEveryReduction) {
  on_every_rank([](Communicator& ranks) {
    core::Stream stream;
    for_each_reduction([&](DType dtype, Reduce op) {
      for (const std::int64_t count : {0, 1, 7, 1000}) {
        TypedValues in = input(dtype, op, ranks.rank(), count);
        const TypedValues before = in;
        TypedValues out(dtype, count);
        ranks.all_reduce(in.buffer(), out.buffer(), op, stream).wait();
        EXPECT_TRUE(holds(out, op, ranks.size()));
        EXPECT_EQ(in, before) << "the input was written";
        ranks.all_reduce(in.buffer(), in.buffer(), op, stream).wait();
        EXPECT_EQ(in, out) << "in place differs";
      }
    });
  });
}

TEST_P(Conformance, AllReducesBuffersOfManyPieces) {
  on_every_rank([](Communicator& ranks) {
    core::Stream stream;
    const std::int64_t longest =
        ranks.size() == 2 ? 900'001 : 300'001;  // 2 ranks: more rounds than at once
    for (const auto& [dtype, count] : {std::pair{DType::f64, longest},
                                       {DType::f32, 90'007},
                                       {DType::bf16, 70'001},
                                       {DType::u8, 150'001}}) {
      TypedValues in = input(dtype, Reduce::max, ranks.rank(), count);
      TypedValues out(dtype, count);
      ranks.all_reduce(in.buffer(), out.buffer(), Reduce::max, stream).wait();
      EXPECT_TRUE(holds(out, Reduce::max, ranks.size()));
      ranks.all_reduce(in.buffer(), in.buffer(), Reduce::max, stream).wait();
      EXPECT_EQ(in, out) << "in place differs";
    }
  });
}

TEST_P(Conformance, ReduceScattersEveryDtypeByEveryReduction) {
  on_every_rank([](Communicator& ranks) {
    core::Stream stream;
    for_each_reduction([&](DType dtype, Reduce op) {
      for (const std::int64_t count : {0, 1, 13, 500}) {
        const std::int64_t first = ranks.rank() * count;
        TypedValues in = input(dtype, op, ranks.rank(), ranks.size() * count);
        TypedValues out(dtype, count);
        ranks.reduce_scatter(in.buffer(), out.buffer(), op, stream).wait();
        EXPECT_TRUE(holds(out, op, ranks.size(), first));
        ranks.reduce_scatter(in.buffer(), in.part(first, count), op, stream).wait();
        for (std::int64_t i = 0; i < count; ++i)
          ASSERT_EQ(in.at(first + i), out.at(i)) << "in place differs";
      }
    });
  });
}

TEST_P(Conformance, ReduceScattersBuffersOfManyPieces) {
  on_every_rank([](Communicator& ranks) {
    core::Stream stream;
    const std::int64_t count = 40'003;
    TypedValues in = input(DType::f64, Reduce::sum, ranks.rank(), ranks.size() * count);
    TypedValues out(DType::f64, count);
    ranks.reduce_scatter(in.buffer(), out.buffer(), Reduce::sum, stream).wait();
    EXPECT_TRUE(holds(out, Reduce::sum, ranks.size(), ranks.rank() * count));
  });
}

TEST_P(Conformance, AllGathersEveryDtype) {
  on_every_rank([](Communicator& ranks) {
    core::Stream stream;
    for (const DType dtype : all_dtypes) {
      for (const std::int64_t count : {0, 1, 5, 3'001}) {
        TypedValues in = input(dtype, Reduce::max, ranks.rank(), count);
        TypedValues out(dtype, ranks.size() * count);
        ranks.all_gather(in.buffer(), out.buffer(), stream).wait();
        const TypedValues wanted =
            TypedValues::made(dtype, ranks.size() * count, [&](std::int64_t i) {
              return value_of(dtype, Reduce::max, static_cast<int>(i / count), i % count);
            });
        EXPECT_EQ(out, wanted);
        TypedValues both(dtype, ranks.size() * count);
        for (std::int64_t i = 0; i < count; ++i) both.set(ranks.rank() * count + i, in.at(i));
        ranks.all_gather(both.part(ranks.rank() * count, count), both.buffer(), stream).wait();
        EXPECT_EQ(both, wanted) << "in place differs";
      }
    }
  });
}

TEST_P(Conformance, BroadcastsFromEveryRoot) {
  on_every_rank([](Communicator& ranks) {
    core::Stream stream;
    for (const DType dtype : all_dtypes) {
      for (const std::int64_t count : {0, 1, 9, 3'001}) {
        const int last_root = count > 9 ? 1 : ranks.size();
        for (int root = 0; root < last_root; ++root) {
          TypedValues data = input(dtype, Reduce::max, ranks.rank(), count);
          ranks.broadcast(data.buffer(), root, stream).wait();
          EXPECT_EQ(data, input(dtype, Reduce::max, root, count)) << "root " << root;
        }
      }
    }
  });
}

TEST_P(Conformance, BroadcastsBuffersOfManyPieces) {
  on_every_rank([](Communicator& ranks) {
    core::Stream stream;
    const int root = ranks.size() - 1;
    TypedValues data = input(DType::f64, Reduce::max, ranks.rank(), 200'001);
    ranks.broadcast(data.buffer(), root, stream).wait();
    EXPECT_EQ(data, input(DType::f64, Reduce::max, root, 200'001));
  });
}

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

}  // namespace
}  // namespace lockstep::tests
