#include "tests/support/conformance.h"
#include "tests/support/conformance_values.h"

namespace lockstep::tests {
namespace {

using comm::Communicator;
using comm::Reduce;

// The sum over the ranks of `part` is that of the members of its parent that it should have.
void expect_sum_over(Communicator& part, const std::vector<int>& members, int parent_rank,
                     std::int64_t count = 1'000) {
  core::Stream stream;
  TypedValues sum = input(DType::f32, Reduce::sum, parent_rank, count);
  part.all_reduce(sum.buffer(), sum.buffer(), Reduce::sum, stream).wait();
  for (std::int64_t i = 0; i < count; ++i) {
    double wanted = 0;
    for (const int member : members) wanted += value_of(DType::f32, Reduce::sum, member, i);
    ASSERT_EQ(sum.at(i), wanted);
  }
}

std::vector<int> every(int step, int first, int size) {
  std::vector<int> ranks;
  for (int rank = first; rank < size; rank += step) ranks.push_back(rank);
  return ranks;
}

TEST_P(Conformance, SplitsIntoGroupsByColorInTheOrderOfKeyAndRank) {
  on_every_rank([](Communicator& ranks) {
    const int color = ranks.rank() % 3;
    const auto members = every(3, color, ranks.size());
    const auto part = ranks.split(color + 70, 5);
    ASSERT_NE(part, nullptr);
    EXPECT_EQ(part->size(), static_cast<int>(members.size()));
    EXPECT_EQ(members[static_cast<std::size_t>(part->rank())], ranks.rank());
    expect_sum_over(*part, members, ranks.rank());

    const auto reversed = ranks.split(0, -ranks.rank());
    EXPECT_EQ(reversed->rank(), ranks.size() - 1 - ranks.rank());
    expect_sum_over(*reversed, every(1, 0, ranks.size()), ranks.rank());
  });
}

TEST_P(Conformance, ANegativeColorTakesNoPart) {
  on_every_rank([](Communicator& ranks) {
    const bool takes_part = ranks.rank() % 2 == 0;
    const auto part = ranks.split(takes_part ? 1 : -1, 0);
    ASSERT_EQ(part != nullptr, takes_part);
    if (part) expect_sum_over(*part, every(2, 0, ranks.size()), ranks.rank());
    EXPECT_EQ(ranks.split(-3, 0), nullptr);
    ranks.barrier();
  });
}

TEST_P(Conformance, SplitsAGroupAgain) {
  on_every_rank([](Communicator& ranks) {
    const auto half = ranks.split(ranks.rank() % 2, 0);
    const auto quarter = half->split(half->rank() % 2, 0);
    expect_sum_over(*quarter, every(4, ranks.rank() % 4, ranks.size()), ranks.rank());
    expect_sum_over(*half, every(2, ranks.rank() % 2, ranks.size()), ranks.rank());
    expect_sum_over(ranks, every(1, 0, ranks.size()), ranks.rank());
  });
}

TEST_P(Conformance, KeepsCallsOfSeveralCommunicatorsApart) {
  on_every_rank([](Communicator& ranks) {
    core::Stream stream;
    const auto twin = ranks.split(0, 0);
    const auto half = ranks.split(ranks.rank() % 2, 0);
    std::vector<Communicator*> all{&ranks, twin.get(), half.get()};
    std::vector<TypedValues> data;
    std::vector<comm::Work> works;
    for (std::size_t i = 0; i < 12; ++i)
      data.push_back(input(DType::f32, Reduce::sum, ranks.rank(), 20'000));
    for (std::size_t i = 0; i < data.size(); ++i) {
      works.push_back(
          all[i % 3]->all_reduce(data[i].buffer(), data[i].buffer(), Reduce::sum, stream));
    }
    while (!works.empty()) works.pop_back();
    const auto members = every(2, ranks.rank() % 2, ranks.size());
    for (std::size_t i = 0; i < data.size(); ++i) {
      double wanted = 0;
      for (const int member : i % 3 == 2 ? members : every(1, 0, ranks.size()))
        wanted += value_of(DType::f32, Reduce::sum, member, 12'345);
      EXPECT_EQ(data[i].at(12'345), wanted) << i;
    }
  });
}

TEST_P(Conformance, AGroupOutlivesTheCommunicatorThatItCameFrom) {
  on_every_rank([](Communicator& ranks) {
    auto twin = ranks.split(0, 0);
    auto half = twin->split(ranks.rank() % 2, 0);
    twin.reset();
    expect_sum_over(*half, every(2, ranks.rank() % 2, ranks.size()), ranks.rank());
  });
}

TEST_P(Conformance, MessagesWithinAGroupUseItsRanks) {
  on_every_rank([](Communicator& ranks) {
    core::Stream stream;
    const auto reversed = ranks.split(0, -ranks.rank());
    const int peer = reversed->size() - 1 - reversed->rank();  // this rank's number in the parent
    TypedValues mine = TypedValues::made(DType::i32, 1, [&](auto) { return ranks.rank(); });
    TypedValues theirs(DType::i32, 1);
    reversed
        ->batch([&](comm::Batch& batch) {
          batch.send(mine.buffer(), peer, stream);
          batch.receive(theirs.buffer(), peer, stream);
        })
        .wait();
    EXPECT_EQ(theirs.at(0), ranks.size() - 1 - peer);
  });
}

}  // namespace
}  // namespace lockstep::tests
