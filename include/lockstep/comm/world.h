// The ranks of the job that this process belongs to: under mpirun, srun, or alone.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "lockstep/comm/communicator.h"
#include "lockstep/core/device.h"
#include "lockstep/core/shard.h"

namespace lockstep {

namespace comm {
struct Job;
class Watchdog;
}  // namespace comm

struct WorldOptions {
  int shards = 0;  // of the global batch; 0: LOCKSTEP_SHARDS, else the number of ranks
  // What ranks compute on. Where there are several ranks, each gets another of
  // the devices that it sees, whatever the index. DeviceError where they are fewer than the ranks,
  // unless LOCKSTEP_ALLOW_GPU_SHARING is 1.
  Device device;
  // Of a program that has called MPI_Init itself: what MPI_Comm_c2f gives for the communicator
  // whose ranks form this world; all of them build it. Without it, all ranks of the job.
  std::optional<int> mpi_communicator = {};
};

// Where mpirun or srun started the process, a World that goes while its communicator is poisoned
// ends the process with exit code 4, and so does the failure or death of another rank, at any time
// (docs/failures.md).
class World {
 public:
  using Options = WorldOptions;

  // Joins the job that mpirun or srun started; a plain process is a world of one and never
  // initialises MPI.
  explicit World(const WorldOptions& options = {});
  // A world over any communicator, e.g. one of comm::threads().
  explicit World(std::unique_ptr<comm::Communicator> communicator,
                 const WorldOptions& options = {});
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World();

  int rank() const { return communicator_->rank(); }
  int size() const { return communicator_->size(); }
  // This process among those of its host.
  int local_rank() const { return communicator_->local_rank(); }
  int local_size() const { return communicator_->local_size(); }
  bool is_root() const { return rank() == 0; }
  Device device() const { return device_; }
  // The shards of the global batch that this rank computes.
  core::ShardRange shards() const;
  // False where the number of shards is the number of ranks, because nobody asked for another.
  bool are_shards_chosen() const { return are_shards_chosen_; }
  // Cuts the batch into another number of shards, the same on all ranks. To be called before
  // loaders and DataParallel are made. UsageError below 1.
  void use_shards(int total);
  comm::Communicator& communicator() { return *communicator_; }
  // Ends the other ranks because this one cannot go on, and, where a launcher started them, this
  // process too, with `exit_code`.
  void give_up(int exit_code) noexcept;

 private:
  World(std::unique_ptr<comm::Watchdog> watchdog, const WorldOptions& options);
  World(std::unique_ptr<comm::Watchdog> watchdog, comm::Job job, const WorldOptions& options);

  std::unique_ptr<comm::Watchdog> watchdog_;      // starts before MPI and ends after it
  std::unique_ptr<comm::Communicator> launcher_;  // outlives communicator_
  std::unique_ptr<comm::Communicator> communicator_;
  Device device_;
  int shards_ = 1;
  bool are_shards_chosen_ = false;
  int exceptions_ = 0;
  bool is_of_a_job_ = false;
};

// The exit code of a program that ends with the exception being handled, after printing its message
// to stderr: 1 run-time failure, 2 usage, 3 data or configuration, 4 collective deadline or dead
// peer.
int report_exception(int rank, int size) noexcept;

// What run() does, for a program that returns its exit code.
int run_program(const std::function<int(World&)>& program, const WorldOptions& options);

// main() of a program: joins the world, refuses unknown LOCKSTEP_* variables, calls program(world)
// and turns exceptions into messages and exit codes. An exception on one rank ends the other ranks
// too.
template <class Program>
int run(int /*argc*/, char** /*argv*/, Program&& program, const WorldOptions& options = {}) {
  return run_program(
      [&program](World& world) -> int {
        if constexpr (std::is_void_v<std::invoke_result_t<Program&, World&>>) {
          program(world);
          return 0;
        } else {
          return program(world);
        }
      },
      options);
}

}  // namespace lockstep
