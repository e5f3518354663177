// Worlds inside a program that runs MPI itself: on 4 ranks, two worlds of two that train beside
// each other and beside the program's own messages.
#include <gtest/gtest.h>

#include <mpi.h>
#include <array>
#include <numeric>
#include <vector>

#include "lockstep/comm/transport.h"
#include "tests/support/failure.h"
#include "tests/support/training_run.h"

namespace lockstep::tests {
namespace {

class MpiOfTheProgram final : public testing::Environment {
 public:
  void SetUp() override { MPI_Init(nullptr, nullptr); }
  void TearDown() override { MPI_Finalize(); }
};
[[maybe_unused]] const auto* const mpi = testing::AddGlobalTestEnvironment(new MpiOfTheProgram);

int rank_of(MPI_Comm ranks) {
  int rank = 0;
  MPI_Comm_rank(ranks, &rank);
  return rank;
}

// Even and odd ranks of the program apart, the last one first.
class Half {
 public:
  Half() {
    MPI_Comm_split(MPI_COMM_WORLD, rank_of(MPI_COMM_WORLD) % 2, -rank_of(MPI_COMM_WORLD), &ranks_);
  }
  Half(const Half&) = delete;
  Half& operator=(const Half&) = delete;
  ~Half() { MPI_Comm_free(&ranks_); }

  MPI_Comm ranks() const { return ranks_; }
  WorldOptions options() const { return {.shards = 4, .mpi_communicator = MPI_Comm_c2f(ranks_)}; }

 private:
  MPI_Comm ranks_ = MPI_COMM_NULL;
};

// A message to the next rank of the program that is under way for as long as this lives.
class Messages {
 public:
  Messages() {
    int size = 0;
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    const int rank = rank_of(MPI_COMM_WORLD);
    std::iota(sent_.begin(), sent_.end(), 1000 * rank);
    expected_ = 1000 * ((rank + size - 1) % size);
    MPI_Irecv(received_.data(), count, MPI_INT, (rank + size - 1) % size, 0, MPI_COMM_WORLD,
              &requests_[0]);
    MPI_Isend(sent_.data(), count, MPI_INT, (rank + 1) % size, 0, MPI_COMM_WORLD, &requests_[1]);
  }
  void expect_arrival() {
    MPI_Waitall(2, requests_.data(), MPI_STATUSES_IGNORE);
    for (int i = 0; i < count; ++i)
      ASSERT_EQ(received_[static_cast<std::size_t>(i)], expected_ + i);
  }

 private:
  static constexpr int count = 100'000;
  std::vector<int> sent_ = std::vector<int>(count);
  std::vector<int> received_ = std::vector<int>(count);
  int expected_ = 0;
  std::array<MPI_Request, 2> requests_{};
};

TEST(OwnMpi, AWorldHasTheRanksOfTheCommunicatorInItsOrder) {
  const Half half;
  World world(half.options());
  EXPECT_EQ(world.rank(), rank_of(half.ranks()));
  EXPECT_EQ(world.size(), 2);
  EXPECT_EQ(world.local_size(), 2);
  EXPECT_EQ(world.shards().total, 4);
}

TEST(OwnMpi, WorldsBesideEachOtherTrainToTheBitsOfOneProcessExact) {
  const TrainingRun run{.model = Model::cnn, .steps = 20};
  World alone(comm::self(), {.shards = 4});
  const std::uint64_t expected = fingerprint_after(alone, run);

  const Half half;
  Messages messages;
  for (int world_number = 0; world_number < 2; ++world_number) {  // one after the other
    World world(half.options());
    EXPECT_EQ(fingerprint_after(world, run), expected);
  }
  messages.expect_arrival();

  // MPI is the program's, still.
  std::uint64_t least = expected;
  MPI_Allreduce(MPI_IN_PLACE, &least, 1, MPI_UINT64_T, MPI_MIN, MPI_COMM_WORLD);
  EXPECT_EQ(least, expected);
}

TEST(OwnMpi, AWorldOfNoCommunicatorIsRefused) {
  const auto error =
      failure_of<UsageError>([] { World({.mpi_communicator = MPI_Comm_c2f(MPI_COMM_NULL)}); });
  EXPECT_EQ(error.problem(), "mpi: the handle is that of MPI_COMM_NULL");
  EXPECT_EQ(error.fix(), "build the World only on ranks that belong to the communicator");
}

TEST(OwnMpi, AWorldMayBeOneRankOnly) {
  World world({.shards = 4, .mpi_communicator = MPI_Comm_c2f(MPI_COMM_SELF)});
  EXPECT_EQ(world.size(), 1);
  MPI_Barrier(MPI_COMM_WORLD);
}

}  // namespace
}  // namespace lockstep::tests
