// The exactness matrix on ranks of one MPI job, with worlds of any size: its first ranks are split
// off, and the others sleep.
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstring>
#include <optional>
#include <thread>

#include "lockstep/comm/transport.h"
#include "tests/support/exact_matrix.h"
#include "tests/support/scratch.h"

namespace lockstep::tests {
namespace {

class Job final : public testing::Environment {
 public:
  void TearDown() override {
    scratch.reset();
    communicator.reset();
  }
  std::unique_ptr<comm::Communicator> communicator;
  std::optional<Scratch> scratch;  // on rank 0
};

auto* const the_job = static_cast<Job*>(testing::AddGlobalTestEnvironment(new Job));

// Joins the job at its first use, and leaves it when the tests are over.
comm::Communicator& job() {
  if (!the_job->communicator) the_job->communicator = comm::mpi();
  return *the_job->communicator;
}

// Waits for all ranks of the job without taking time from those that train.
void meet_asleep() {
  std::int64_t one = 1;
  const core::Buffer buffer{&one, 1, DType::i64, {}, {}};
  comm::Work work = job().all_reduce(buffer, buffer, comm::Reduce::sum, core::current_stream({}));
  while (!work.done()) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  work.wait();
}

using Make =
    std::function<std::unique_ptr<comm::Communicator>(std::unique_ptr<comm::Communicator>)>;

std::set<std::uint64_t> on_first_ranks(int ranks, int shards, const JoinedRanks::Body& body,
                                       const Make& make) {
  const bool takes_part = job().rank() < ranks;
  auto split = job().split(takes_part ? 0 : -1, job().rank());
  std::uint64_t own = 0;
  if (takes_part) {
    World world(make(std::move(split)), {.shards = shards});
    own = body(world);
  }
  meet_asleep();
  std::vector<std::uint64_t> all(static_cast<std::size_t>(job().size()));
  job()
      .all_gather({&own, 1, DType::i64}, {all.data(), job().size(), DType::i64, {}, {}},
                  core::current_stream({}))
      .wait();
  return {all.begin(), all.begin() + ranks};
}

JoinedRanks joined_by(const std::string& name, const Make& make) {
  return {name, [make](int ranks, int shards, const JoinedRanks::Body& body) {
            return on_first_ranks(ranks, shards, body, make);
          }};
}

// A folder that all ranks of the job see; it goes when the tests are over.
const std::filesystem::path& job_folder() {
  static const std::filesystem::path folder = [] {
    std::array<char, 256> path{};
    if (job().rank() == 0) {
      const std::string own = the_job->scratch.emplace().folder();
      std::memcpy(path.data(), own.data(), std::min(own.size(), path.size() - 1));
    }
    job()
        .broadcast({path.data(), path.size(), DType::u8, {}, {}}, 0, core::current_stream({}))
        .wait();
    return std::filesystem::path(path.data());
  }();
  return folder;
}

}  // namespace

ExactMatrix exact_matrix() {
  return {{joined_by("mpi", [](std::unique_ptr<comm::Communicator> split) { return split; }),
           joined_by(
               "shm",
               [](const std::unique_ptr<comm::Communicator>& split) { return comm::shm(*split); })},
          job_folder(),
          job().rank() == 0};
}

}  // namespace lockstep::tests
