#include "tests/support/mistakes.h"

#include <gmock/gmock.h>

#include <chrono>
#include <string>

#include "lockstep/base/error.h"
#include "tests/support/typed_values.h"

namespace lockstep::tests {
namespace {

using comm::Communicator;
using comm::Reduce;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using namespace std::chrono_literals;

INSTANTIATE_TEST_SUITE_P(Over, Mistakes, testing::ValuesIn(fragile_teams()), team_name);

// Everyone is right but the last rank.
bool errs(const Communicator& ranks) { return ranks.rank() == ranks.size() - 1; }

// The message of the CommError that `program` ends with, long before the deadline.
template <class Program> std::string error_of(Communicator& ranks, const Program& program) {
  ranks.use_timeout(60s);
  const auto begin = std::chrono::steady_clock::now();
  std::string message = "no error";
  try {
    program();
  } catch (const CommError& error) {
    message = error.what();
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 20s) << "a rank waited for the deadline";
  EXPECT_TRUE(ranks.is_poisoned());
  return message;
}

// What differs, between a right rank and the last one, at which places, and what to do.
auto names(const Communicator& ranks, const std::string& item, const std::string& fix) {
  const std::string wrong = std::to_string(ranks.size() - 1);
  const std::string at = " at mistakes\\.cpp:[0-9]+";
  return AllOf(
      HasSubstr("and " + wrong + " differ in " + item + ": rank "),
      ContainsRegex("rank [0-9]+ calls [^\n]+" + at + ", rank " + wrong + " calls [^\n]+" + at),
      HasSubstr("fix:   " + fix));
}

class Data {
 public:
  core::Buffer floats(std::int64_t count = 10) { return floats_.part(0, count); }
  core::Buffer integers() { return integers_.buffer(); }

 private:
  TypedValues floats_{DType::f32, 100};
  TypedValues integers_{DType::i32, 10};
};

TEST_P(Mistakes, AnotherOperation) {
  on_every_rank([](Communicator& ranks) {
    Data data;
    core::Stream stream;
    const std::string error = error_of(ranks, [&] {
      if (errs(ranks)) {
        ranks.broadcast(data.floats(), 0, stream).wait();
      } else {
        ranks.all_reduce(data.floats(), data.floats(), Reduce::sum, stream).wait();
      }
    });
    EXPECT_THAT(error, names(ranks, "the operation", "make the same calls in the same order"));
    EXPECT_THAT(error, AllOf(HasSubstr("calls all_reduce #1 (sum, f32 x 10) at"),
                             HasSubstr("calls broadcast #1 (f32 x 10, root 0) at")));
  });
}

TEST_P(Mistakes, AnotherReduction) {
  on_every_rank([](Communicator& ranks) {
    Data data;
    core::Stream stream;
    const std::string error = error_of(ranks, [&] {
      const Reduce op = errs(ranks) ? Reduce::max : Reduce::sum;
      ranks.all_reduce(data.floats(), data.floats(), op, stream).wait();
    });
    EXPECT_THAT(error, names(ranks, "the reduction", "give one Reduce on every rank"));
  });
}

TEST_P(Mistakes, AnotherDtype) {
  on_every_rank([](Communicator& ranks) {
    Data data;
    core::Stream stream;
    const std::string error = error_of(ranks, [&] {
      const core::Buffer buffer = errs(ranks) ? data.integers() : data.floats();
      ranks.all_reduce(buffer, buffer, Reduce::sum, stream).wait();
    });
    EXPECT_THAT(error, names(ranks, "the dtype", "give buffers of one dtype on every rank"));
  });
}

TEST_P(Mistakes, AnotherCount) {
  on_every_rank([](Communicator& ranks) {
    Data data;
    core::Stream stream;
    const std::string error = error_of(ranks, [&] {
      const core::Buffer buffer = data.floats(errs(ranks) ? 100 : 10);
      ranks.all_reduce(buffer, buffer, Reduce::sum, stream).wait();
    });
    EXPECT_THAT(error, names(ranks, "the count", "give buffers of the same count"));
    EXPECT_THAT(error, AllOf(HasSubstr("f32 x 10)"), HasSubstr("f32 x 100)")));
  });
}

TEST_P(Mistakes, OtherCountsOfAVariant) {
  on_every_rank([](Communicator& ranks) {
    Data data;
    core::Stream stream;
    std::vector<std::int64_t> counts(static_cast<std::size_t>(ranks.size()), 4);
    if (errs(ranks)) std::swap(++counts[0], --counts[1]);
    const std::string error = error_of(ranks, [&] {
      const std::int64_t own = counts[static_cast<std::size_t>(ranks.rank())];
      const core::Buffer all = data.floats(4 * ranks.size());
      TypedValues part(DType::f32, own);
      ranks.all_gather_v(part.buffer(), all, counts, stream).wait();
    });
    EXPECT_THAT(error, names(ranks, "the counts", "give the same counts on every rank"));
  });
}

TEST_P(Mistakes, AnotherRoot) {
  on_every_rank([](Communicator& ranks) {
    Data data;
    core::Stream stream;
    const std::string error = error_of(
        ranks, [&] { ranks.broadcast(data.floats(), errs(ranks) ? 1 : 0, stream).wait(); });
    EXPECT_THAT(error, names(ranks, "the root", "give the same root on every rank"));
    EXPECT_THAT(error, AllOf(HasSubstr("root 0)"), HasSubstr("root 1)")));
  });
}

TEST_P(Mistakes, AnotherOrder) {
  on_every_rank([](Communicator& ranks) {
    Data data;
    core::Stream stream;
    const std::string error = error_of(ranks, [&] {
      if (errs(ranks)) ranks.all_reduce(data.floats(), data.floats(), Reduce::sum, stream).wait();
      ranks.all_reduce(data.integers(), data.integers(), Reduce::sum, stream).wait();
      if (!errs(ranks)) ranks.all_reduce(data.floats(), data.floats(), Reduce::sum, stream).wait();
    });
    EXPECT_THAT(error, names(ranks, "the dtype", "give buffers of one dtype"));
  });
}

TEST_P(Mistakes, AMissingCallIsFoundAtTheNextOne) {
  on_every_rank([](Communicator& ranks) {
    Data data;
    core::Stream stream;
    const std::string error = error_of(ranks, [&] {
      if (!errs(ranks)) ranks.all_reduce(data.floats(), data.floats(), Reduce::sum, stream).wait();
      ranks.barrier();
    });
    EXPECT_THAT(error, names(ranks, "the operation", "make the same calls in the same order"));
    EXPECT_THAT(error, HasSubstr("look for a call that only some ranks make"));
  });
}

TEST_P(Mistakes, AnExtraCallIsFoundAtTheNextOne) {
  on_every_rank([](Communicator& ranks) {
    Data data;
    core::Stream stream;
    const std::string error = error_of(ranks, [&] {
      ranks.all_reduce(data.floats(), data.floats(), Reduce::sum, stream).wait();
      if (errs(ranks)) ranks.all_reduce(data.floats(), data.floats(), Reduce::sum, stream).wait();
      ranks.barrier();
    });
    EXPECT_THAT(error, names(ranks, "the operation", "make the same calls in the same order"));
    EXPECT_THAT(error, HasSubstr("calls barrier #2 at"));
  });
}

TEST_P(Mistakes, AnotherPlan) {
  on_every_rank([](Communicator& ranks) {
    Data data;
    core::Stream stream;
    std::vector<core::ConstBuffer> nodes{data.floats()};
    const std::string error = error_of(ranks, [&] {
      const std::uint64_t plan = errs(ranks) ? 77 : 78;
      ranks.begin_plan(plan);
      for (int bucket = 0; bucket < 3; ++bucket) {
        ranks
            .all_reduce(comm::Partials{nodes, ranks.size(), plan}, data.floats(), Reduce::sum,
                        stream)
            .wait();
      }
    });
    EXPECT_THAT(error,
                names(ranks, "the plan (parameters, buckets or options)", "build the same model"));
  });
}

TEST_P(Mistakes, AnotherGroupIsNamedAtTheDeadline) {
  on_every_rank([](Communicator& ranks) {
    Data data;
    core::Stream stream;
    const auto twin = ranks.split(0, 0);
    std::string message = "no error";
    Communicator& used = errs(ranks) ? *twin : ranks;
    used.use_timeout(500ms);
    try {
      if (errs(ranks)) {
        used.all_reduce(data.integers(), data.integers(), Reduce::sum, stream).wait();
      } else {
        used.all_reduce(data.floats(), data.floats(), Reduce::sum, stream).wait();
      }
    } catch (const CommError& error) {
      message = error.what();
    }
    EXPECT_THAT(message, AllOf(ContainsRegex("all_reduce #[0-9] .* not finished after 0.5 s; "
                                             "meanwhile rank [0-9] of .* calls all_reduce #[0-9] "
                                             ".* at mistakes.cpp:[0-9]+"),
                               ContainsRegex("mistakes.cpp:[0-9]+.*\n? .*mistakes.cpp:[0-9]+"),
                               HasSubstr("split #1, color 0"), HasSubstr("the whole job"),
                               HasSubstr("call on the same communicator on every rank")));
  });
}

TEST_P(Mistakes, AMessageOfAnotherCountOrDtype) {
  for (const bool is_count : {true, false}) {
    on_every_rank([is_count](Communicator& ranks) {
      Data data;
      core::Stream stream;
      const int last = ranks.size() - 1;
      const std::string error = error_of(ranks, [&] {
        if (ranks.rank() == 0) ranks.send(data.floats(), last, stream).wait();
        if (errs(ranks))
          ranks.receive(is_count ? data.floats(11) : data.integers(), 0, stream).wait();
        ranks.barrier();
      });
      EXPECT_THAT(error, names(ranks, is_count ? "the count" : "the dtype",
                               is_count ? "send as many elements as" : "give buffers of one"));
      EXPECT_THAT(error, AllOf(HasSubstr("rank 0 calls send #1 (f32 x 10) at"),
                               HasSubstr("calls receive #1 (")));
    });
  }
}

TEST_P(Mistakes, PartsThatTheOtherRankDoesNotExpect) {
  on_every_rank([](Communicator& ranks) {
    Data data;
    core::Stream stream;
    const std::vector<std::int64_t> sent(static_cast<std::size_t>(ranks.size()), 3);
    std::vector<std::int64_t> received = sent;
    if (errs(ranks)) received[0] = 5;
    TypedValues out(DType::f32, 3 * ranks.size() + (errs(ranks) ? 2 : 0));
    const std::string error = error_of(ranks, [&] {
      ranks.all_to_all_v(data.floats(3 * ranks.size()), out.buffer(), sent, received, stream)
          .wait();
      ranks.barrier();
    });
    EXPECT_THAT(error, names(ranks, "the count", "send as many elements as"));
    EXPECT_THAT(error, AllOf(HasSubstr("rank 0 calls all_to_all_v #1 (f32 x 3) at"),
                             HasSubstr("calls all_to_all_v #1 (f32 x 5) at")));
  });
}

}  // namespace
}  // namespace lockstep::tests
