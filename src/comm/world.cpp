#include "lockstep/comm/world.h"

#include <fmt/format.h>
#include <mpi.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "lockstep/base/config.h"
#include "lockstep/base/timeout.h"
#include "lockstep/comm/merged_trace.h"
#include "lockstep/comm/transport.h"
#include "lockstep/obs/log.h"
#include "src/comm/device_choice.h"
#include "src/comm/flight_recorder.h"
#include "src/comm/job.h"
#include "src/comm/peer_failure.h"
#include "src/comm/watchdog.h"

namespace lockstep {
namespace {

bool is_launched() {
  int is_initialized = 0;
  MPI_Initialized(&is_initialized);
  if (is_initialized != 0) return true;
  const char* const launchers[] = {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_SIZE", "PMI_RANK"};
  return std::any_of(std::begin(launchers), std::end(launchers),
                     [](const char* name) { return std::getenv(name) != nullptr; });
}

std::string host_name() {
  char name[256] = {};
  gethostname(name, sizeof name - 1);
  return name;
}

comm::Job joined(const WorldOptions& options) {
  if (options.mpi_communicator || is_launched()) return comm::joined_job(options.mpi_communicator);
  return {nullptr, comm::self()};
}

// MPI itself may take longer to start than a collective may last.
constexpr std::chrono::seconds least_time_to_join{30};

std::unique_ptr<comm::Watchdog> started_watchdog() {
  if (!is_launched()) return nullptr;
  return std::make_unique<comm::Watchdog>(std::max(timeout_setting(), least_time_to_join));
}

int shards_or_default(int asked, int ranks) {
  check<UsageError>(asked >= 0, [&] {
    return Complaint{fmt::format("World: {} shards", asked),
                     "give 1 shard or more, or 0 for the default"};
  });
  if (asked > 0) return asked;
  return static_cast<int>(integer_setting("LOCKSTEP_SHARDS", ranks, 1, 1'000'000));
}

void warn_if_crowded(const comm::Communicator& ranks) {
  const long cores = sysconf(_SC_NPROCESSORS_ONLN);
  if (ranks.local_rank() != 0 || cores <= 0 || ranks.local_size() <= cores) return;
  obs::warning(
      fmt::format("{} ranks share the {} cores of this host and will wait for each other; start at "
                  "most one rank per core",
                  ranks.local_size(), cores));
}

int exit_code_of(const std::exception& error) {
  if (dynamic_cast<const UsageError*>(&error) != nullptr) return 2;
  if (dynamic_cast<const IoError*>(&error) != nullptr) return 3;
  if (dynamic_cast<const CommError*>(&error) != nullptr) return 4;
  return 1;
}

void print_error(int rank, int size, const std::string& text) {
  const std::string prefix = size > 1 ? fmt::format("[rank {} of {}] ", rank, size) : std::string();
  fmt::print(stderr, "{}{}\n", prefix, text);
  std::fflush(stderr);
}

// Whether this rank's message is the one that the job prints.
bool is_first_failure(const comm::Watchdog::Failure& failure) {
  comm::Watchdog* const watchdog = comm::Watchdog::current();
  return watchdog == nullptr || watchdog->is_first_failure(failure);
}

bool is_consequence(const std::exception& error) {
  return dynamic_cast<const comm::ConsequentError*>(&error) != nullptr;
}

}  // namespace

World::World(const WorldOptions& options) : World(started_watchdog(), options) {}

World::World(std::unique_ptr<comm::Watchdog> watchdog, const WorldOptions& options)
    : World(std::move(watchdog), joined(options), options) {
  is_of_a_job_ = communicator_->transport() != "self";
  if (watchdog_) watchdog_->join(*communicator_);
  obs::set_log_identity(rank(), size(), host_name());
  comm::prepare_flight_folder(rank(), size());
  warn_if_crowded(*communicator_);
}

World::World(std::unique_ptr<comm::Communicator> communicator, const WorldOptions& options)
    : World(nullptr, comm::Job{nullptr, std::move(communicator)}, options) {}

World::World(std::unique_ptr<comm::Watchdog> watchdog, comm::Job job, const WorldOptions& options)
    : watchdog_(std::move(watchdog)),
      launcher_(std::move(job.launcher)),
      communicator_(std::move(job.ranks)),
      shards_(shards_or_default(options.shards, communicator_->size())),
      are_shards_chosen_(options.shards > 0 || setting("LOCKSTEP_SHARDS").has_value()),
      exceptions_(std::uncaught_exceptions()) {
  device_ = comm::device_for(*communicator_, options.device);
}

World::~World() {
  if (!is_of_a_job_) return;
  if (std::uncaught_exceptions() > exceptions_) {
    // Whoever catches the exception prints it and ends; the launcher then ends the other ranks.
    communicator_->poison("an exception left the World");
    if (launcher_) launcher_->poison("an exception left the World");
    return;
  }
  comm::Watchdog::Failure failure{.code = 4,
                                  .why = "its World ended on a communicator that had failed before",
                                  .is_consequence = true};
  bool is_told = false;
  try {
    if (!communicator_->is_poisoned()) comm::finish_trace(*communicator_);
    if (!communicator_->is_poisoned())
      communicator_->barrier();  // unlike MPI_Finalize, with a deadline
  } catch (const std::exception& error) {
    failure.why = error.what();
    failure.is_consequence = is_consequence(error);
    is_told = true;
  }
  if (communicator_->is_poisoned()) {
    if (is_first_failure(failure)) {
      if (is_told) print_error(rank(), size(), failure.why);
    } else if (watchdog_) {
      watchdog_->let_the_first_end();
    }
    std::fflush(nullptr);
    _exit(failure.code);
  }
  if (watchdog_) watchdog_->leave();
}

void World::use_shards(int total) {
  check<UsageError>(total >= 1, [&] {
    return Complaint{fmt::format("World: {} shards", total), "give 1 shard or more"};
  });
  shards_ = total;
  are_shards_chosen_ = true;
}

void World::give_up(int exit_code) noexcept {
  comm::Communicator& whole = launcher_ ? *launcher_ : *communicator_;
  whole.give_up(exit_code);
}

core::ShardRange World::shards() const { return core::shards_of(rank(), size(), shards_); }

namespace {

// The job's first failure is printed; a later one waits for the first to end the job.
void tell(int rank, int size, const comm::Watchdog::Failure& failure) {
  if (failure.code != 4)  // else the call has done so
    comm::record_failure(comm::FailureKind::own, failure.why);
  if (is_first_failure(failure))
    print_error(rank, size, failure.why);
  else
    comm::Watchdog::current()->let_the_first_end();
}

}  // namespace

int report_exception(int rank, int size) noexcept {
  try {
    throw;
  } catch (const std::exception& error) {
    const int code = exit_code_of(error);
    tell(rank, size, {code, error.what(), is_consequence(error)});
    return code;
  } catch (...) {
    tell(rank, size, {1, "the program threw something that is not a std::exception"});
    return 1;
  }
}

int run_program(const std::function<int(World&)>& program, const WorldOptions& options) {
  std::unique_ptr<World> world;
  try {
    refuse_unknown_settings();
    world = std::make_unique<World>(options);
    if (world->size() > 1)
      describe_thread(fmt::format("rank {} of {}", world->rank(), world->size()));
    return program(*world);
  } catch (...) {
    const int code = report_exception(world ? world->rank() : 0, world ? world->size() : 1);
    if (world && world->size() > 1) world->give_up(code);
    return code;
  }
}

}  // namespace lockstep
