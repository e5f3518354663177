#include "tests/support/conformance.h"
#include "tests/support/conformance_values.h"

namespace lockstep::tests {
namespace {

using comm::Communicator;
using comm::Reduce;

TypedValues message(int from, int number, std::int64_t count, DType dtype = DType::f32) {
  return TypedValues::made(
      dtype, count, [&](std::int64_t i) { return value_of(dtype, Reduce::max, from, i + number); });
}

TEST_P(Conformance, PassesMessagesAroundARing) {
  on_every_rank([](Communicator& ranks) {
    core::Stream stream;
    const int next = (ranks.rank() + 1) % ranks.size();
    const int previous = (ranks.rank() + ranks.size() - 1) % ranks.size();
    for (const DType dtype : all_dtypes) {
      for (const std::int64_t count : {0, 1, 33, 20'001}) {
        TypedValues mine = message(ranks.rank(), 0, count, dtype);
        TypedValues theirs(dtype, count);
        ranks
            .batch([&](comm::Batch& batch) {  // either order of the two would do
              batch.send(mine.buffer(), next, stream);
              batch.receive(theirs.buffer(), previous, stream);
            })
            .wait();
        EXPECT_EQ(theirs, message(previous, 0, count, dtype));
      }
    }
  });
}

TEST_P(Conformance, DeliversMessagesInTheOrderOfTheirCalls) {
  on_every_rank([](Communicator& ranks) {
    if (ranks.size() == 1) return;  // one rank has nobody to talk to
    core::Stream stream;
    constexpr int messages = 12;
    TypedValues sum = input(DType::f32, Reduce::sum, ranks.rank(), 500);
    std::vector<TypedValues> data;
    std::vector<comm::Work> works;
    for (int number = 0; number < messages; ++number)
      data.push_back(ranks.rank() == 0 ? message(0, number, number * 100)
                                       : TypedValues(DType::f32, number * 100));
    for (int number = 0; number < messages && ranks.rank() < 2; ++number) {
      const core::Buffer buffer = data[static_cast<std::size_t>(number)].buffer();
      works.push_back(ranks.rank() == 0 ? ranks.send(buffer, 1, stream)
                                        : ranks.receive(buffer, 0, stream));
    }
    // A collective in between does not count.
    ranks.all_reduce(sum.buffer(), sum.buffer(), Reduce::sum, stream).wait();
    while (!works.empty()) works.pop_back();  // waits, the last one first
    EXPECT_TRUE(holds(sum, Reduce::sum, ranks.size()));
    for (int number = 0; number < messages && ranks.rank() == 1; ++number)
      EXPECT_EQ(data[static_cast<std::size_t>(number)], message(0, number, number * 100));
  });
}

TEST_P(Conformance, LetsEveryRankTalkToEveryOtherAtOnce) {
  on_every_rank([](Communicator& ranks) {
    core::Stream stream;
    std::vector<TypedValues> sent;
    std::vector<TypedValues> received;
    for (int peer = 0; peer < ranks.size(); ++peer) {
      sent.push_back(message(ranks.rank(), peer, 3'001));
      received.emplace_back(DType::f32, 3'001);
    }
    ranks
        .batch([&](comm::Batch& batch) {
          for (int peer = 0; peer < ranks.size(); ++peer) {
            batch.send(sent[static_cast<std::size_t>(peer)].buffer(), peer, stream);
            batch.receive(received[static_cast<std::size_t>(peer)].buffer(), peer, stream);
          }
        })
        .wait();
    for (int peer = 0; peer < ranks.size(); ++peer)
      EXPECT_EQ(received[static_cast<std::size_t>(peer)], message(peer, ranks.rank(), 3'001));
  });
}

TEST_P(Conformance, SendsMessagesOfManyPieces) {
  on_every_rank([](Communicator& ranks) {
    if (ranks.size() < 2 || ranks.rank() > 1) return;
    core::Stream stream;
    TypedValues data =
        ranks.rank() == 0 ? message(0, 1, 2'200'001) : TypedValues(DType::f32, 2'200'001);
    if (ranks.rank() == 0) {
      ranks.send(data.buffer(), 1, stream).wait();
    } else {
      ranks.receive(data.buffer(), 0, stream).wait();
      EXPECT_EQ(data, message(0, 1, 2'200'001));
    }
  });
}

}  // namespace
}  // namespace lockstep::tests
