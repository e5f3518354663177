#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "lockstep/base/error.h"
#include "lockstep/comm/transport.h"
#include "tests/support/failure.h"
#include "tests/support/typed_values.h"

namespace lockstep::tests {
namespace {

using comm::Reduce;
using testing::AllOf;
using testing::HasSubstr;

// Calls of rank 1 of 4; nothing of them is ever sent.
class Arguments : public testing::Test {
 protected:
  std::vector<std::unique_ptr<comm::Communicator>> team_ = comm::threads(4);
  comm::Communicator& ranks_ = *team_[1];
  core::Stream stream_;

  // The message of the error E that `call` throws before it is numbered.
  template <class E, class Call> std::string refusal(const Call& call) {
    try {
      call().wait();
    } catch (const E& error) {
      EXPECT_TRUE(ranks_.flight_record().entries().empty()) << "the call was started";
      EXPECT_THAT(error.what(),
                  AllOf(HasSubstr("where: rank 1 of 4, "), HasSubstr("transport threads"),
                        HasSubstr("arguments_test.cpp:"), HasSubstr("fix: ")));
      return error.what();
    }
    ADD_FAILURE() << "no error";
    return "";
  }
};

TEST_F(Arguments, DtypesMustAgree) {
  TypedValues a(DType::f32, 4);
  TypedValues b(DType::f64, 4);
  EXPECT_THAT(refusal<DTypeError>(
                  [&] { return ranks_.all_reduce(a.buffer(), b.buffer(), Reduce::sum, stream_); }),
              HasSubstr("all_reduce (sum, f64 x 4): in is f32, out is f64"));
  EXPECT_THAT(
      refusal<DTypeError>([&] { return ranks_.all_gather(a.buffer(), b.buffer(), stream_); }),
      HasSubstr("in is f32, out is f64"));
}

TEST_F(Arguments, CountsMustFitTheCollective) {
  TypedValues a(DType::f32, 4);
  TypedValues b(DType::f32, 5);
  EXPECT_THAT(refusal<ShapeError>(
                  [&] { return ranks_.all_reduce(a.buffer(), b.buffer(), Reduce::sum, stream_); }),
              HasSubstr("in has 4 elements, out has 5"));
  EXPECT_THAT(
      refusal<ShapeError>([&] { return ranks_.all_gather(a.buffer(), b.buffer(), stream_); }),
      HasSubstr("out has 5 elements, in has 4, with 4 ranks"));
  EXPECT_THAT(refusal<ShapeError>([&] {
                return ranks_.reduce_scatter(a.buffer(), b.buffer(), Reduce::sum, stream_);
              }),
              HasSubstr("in has 4 elements, out has 5, with 4 ranks"));
  core::Buffer negative = a.buffer();
  negative.count = -1;
  EXPECT_THAT(refusal<ShapeError>([&] { return ranks_.broadcast(negative, 0, stream_); }),
              HasSubstr("out has -1 elements"));
}

TEST_F(Arguments, MemoryMustBeThereAndApart) {
  TypedValues a(DType::f32, 8);
  core::Buffer nowhere = a.buffer();
  nowhere.data = nullptr;
  EXPECT_THAT(refusal<UsageError>([&] { return ranks_.broadcast(nowhere, 0, stream_); }),
              HasSubstr("8 elements but no memory"));
  EXPECT_THAT(refusal<UsageError>([&] {
                return ranks_.all_reduce(a.part(0, 4), a.part(2, 4), Reduce::sum, stream_);
              }),
              HasSubstr("overlap but are not in place"));
  EXPECT_THAT(
      refusal<UsageError>([&] { return ranks_.all_gather(a.part(0, 2), a.buffer(), stream_); }),
      HasSubstr("overlap but are not in place"));  // rank 1's part begins at 2
}

TEST_F(Arguments, DevicesMustAgreeAndBeServed) {
  TypedValues a(DType::f32, 8);
  core::Buffer elsewhere = a.buffer();
  elsewhere.device = {DeviceType::cuda, 1};
  EXPECT_THAT(refusal<DeviceError>(
                  [&] { return ranks_.all_reduce(a.buffer(), elsewhere, Reduce::sum, stream_); }),
              HasSubstr("in is on cpu, out is on cuda:1"));
  EXPECT_THAT(refusal<DeviceError>([&] { return ranks_.broadcast(elsewhere, 0, stream_); }),
              HasSubstr("transport threads does not move memory of cuda:1"));
}

TEST_F(Arguments, TheRootMustBeARank) {
  TypedValues a(DType::f32, 8);
  for (const int root : {-1, 4}) {
    EXPECT_THAT(refusal<UsageError>([&] { return ranks_.broadcast(a.buffer(), root, stream_); }),
                HasSubstr("root " + std::to_string(root) + " of 4 ranks"));
  }
}

TEST_F(Arguments, RootedCallsWantARootAndItsBuffers) {
  TypedValues a(DType::f32, 8);
  EXPECT_THAT(refusal<UsageError>(
                  [&] { return ranks_.reduce(a.buffer(), a.buffer(), Reduce::sum, 4, stream_); }),
              AllOf(HasSubstr("reduce (sum, f32 x 8): root 4 of 4 ranks"),
                    HasSubstr("give a root from 0")));
  EXPECT_THAT(refusal<ShapeError>(
                  [&] { return ranks_.reduce(a.buffer(), a.part(0, 7), Reduce::sum, 1, stream_); }),
              HasSubstr("in has 8 elements, out has 7"));
  EXPECT_THAT(
      refusal<ShapeError>([&] { return ranks_.gather(a.part(0, 2), a.part(2, 6), 1, stream_); }),
      HasSubstr("gather (f32 x 6): out has 6 elements, in has 2, with 4 ranks"));
  EXPECT_THAT(
      refusal<ShapeError>([&] { return ranks_.scatter(a.part(2, 6), a.part(0, 2), 1, stream_); }),
      HasSubstr("scatter (f32 x 6): in has 6 elements, out has 2, with 4 ranks"));
}

TEST_F(Arguments, CountsOfAVariantMustFitRanksAndBuffers) {
  TypedValues a(DType::f32, 8);
  TypedValues b(DType::f32, 8);
  const auto gather = [&](const std::vector<std::int64_t>& counts) {
    return ranks_.all_gather_v(a.part(0, 2), b.buffer(), counts, stream_);
  };
  EXPECT_THAT(refusal<ShapeError>([&] {
                return gather({2, 2, 2});
              }),
              AllOf(HasSubstr("all_gather_v (f32 x 8): 3 counts, with 4 ranks"),
                    HasSubstr("give one count for each rank")));
  EXPECT_THAT(refusal<ShapeError>([&] {
                return gather({7, 2, -1, 0});
              }),
              HasSubstr("counts hold -1"));
  EXPECT_THAT(refusal<ShapeError>([&] {
                return gather({2, 3, 2, 1});
              }),
              HasSubstr("in has 2 elements, but this rank's count is 3"));
  EXPECT_THAT(refusal<ShapeError>([&] {
                return gather({2, 2, 2, 1});
              }),
              HasSubstr("out has 8 elements, but counts add up to 7"));
}

TEST_F(Arguments, AnExchangeOfPartsMustAddUp) {
  TypedValues a(DType::f32, 9);
  TypedValues b(DType::f32, 9);
  EXPECT_THAT(
      refusal<ShapeError>([&] { return ranks_.all_to_all(a.buffer(), b.buffer(), stream_); }),
      AllOf(HasSubstr("9 elements for 4 ranks"), HasSubstr("use all_to_all_v")));
  const auto exchange = [&](const std::vector<std::int64_t>& sent,
                            const std::vector<std::int64_t>& received) {
    return ranks_.all_to_all_v(a.buffer(), b.buffer(), sent, received, stream_);
  };
  EXPECT_THAT(refusal<ShapeError>([&] {
                return exchange({1, 2, 3, 4}, {1, 2, 3, 3});
              }),
              HasSubstr("in has 9 elements, but sent add up to 10"));
  EXPECT_THAT(refusal<ShapeError>([&] {
                return exchange({1, 2, 3, 3}, {1, 2, 3, 4});
              }),
              HasSubstr("out has 9 elements, but received add up to 10"));
  EXPECT_THAT(refusal<ShapeError>([&] {
                return exchange({1, 2, 3, 3}, {2, 1, 3, 3});
              }),
              HasSubstr("this rank sends itself 2 elements and receives 1"));
}

TEST_F(Arguments, MessagesWantAPeer) {
  TypedValues a(DType::f32, 8);
  EXPECT_THAT(refusal<UsageError>([&] { return ranks_.send(a.buffer(), 4, stream_); }),
              AllOf(HasSubstr("send to rank 4 (f32 x 8): peer 4 of 4 ranks"),
                    HasSubstr("give a peer from 0")));
  EXPECT_THAT(refusal<UsageError>([&] { return ranks_.receive(a.buffer(), -1, stream_); }),
              HasSubstr("receive from rank -1 (f32 x 8): peer -1 of 4 ranks"));
}

TEST_F(Arguments, ABatchWithOneWrongCallStartsNone) {
  TypedValues a(DType::f32, 8);
  EXPECT_THAT(refusal<UsageError>([&] {
                return ranks_.batch([&](comm::Batch& batch) {
                  batch.broadcast(a.buffer(), 0, stream_);
                  batch.broadcast(a.buffer(), 9, stream_);
                });
              }),
              HasSubstr("root 9 of 4 ranks"));
}

TEST_F(Arguments, ReductionsMustMeanSomething) {
  TypedValues whole(DType::i32, 4);
  EXPECT_THAT(refusal<DTypeError>([&] {
                return ranks_.all_reduce(whole.buffer(), whole.buffer(), Reduce::mean, stream_);
              }),
              AllOf(HasSubstr("the mean of i32"), HasSubstr("use Reduce::sum")));
  TypedValues flags(DType::boolean, 4);
  for (const Reduce op : {Reduce::sum, Reduce::product}) {
    EXPECT_THAT(refusal<DTypeError>(
                    [&] { return ranks_.all_reduce(flags.buffer(), flags.buffer(), op, stream_); }),
                HasSubstr("use Reduce::max (any of them)"));
  }
}

TEST_F(Arguments, AForestHasOnePartialForEveryNodeOfItsRank) {
  TypedValues a(DType::f32, 8);
  const std::vector<core::ConstBuffer> one{a.buffer()};
  EXPECT_THAT(
      refusal<ShapeError>(
          [&] {  // 6 shards on 4 ranks: rank 1 owns [2, 4), one node; 12: [3, 6), two
            return ranks_.all_reduce(comm::Partials{one, 12}, a.buffer(), Reduce::sum, stream_);
          }),
      HasSubstr("1 partials, but this rank owns 2 nodes of the tree of 12 shards"));
  EXPECT_THAT(refusal<UsageError>([&] {
                return ranks_.all_reduce(comm::Partials{one, 0}, a.buffer(), Reduce::sum, stream_);
              }),
              HasSubstr("a forest of 0 shards"));
}

TEST(Threads, NeedAtLeastOneRank) {
  EXPECT_THAT(message_of<UsageError>([] { comm::threads(0); }),
              AllOf(HasSubstr("threads: 0 ranks"), HasSubstr("fix:   give 1 rank or more")));
  EXPECT_THAT(message_of<UsageError>([] { comm::shm_threads(0); }),
              AllOf(HasSubstr("shm_threads: 0 ranks"), HasSubstr("fix:   give 1 rank or more")));
}

}  // namespace
}  // namespace lockstep::tests
