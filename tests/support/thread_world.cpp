#include "tests/support/thread_world.h"

#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "lockstep/base/error.h"

namespace lockstep::tests {

void on_ranks(int size, const std::function<void(World&)>& body, const WorldOptions& options,
              const std::vector<comm::Disturbance>& disturbances) {
  on_ranks(comm::threads(size, disturbances), body, options);
}

void on_ranks(std::vector<std::unique_ptr<comm::Communicator>> communicators,
              const std::function<void(World&)>& body, const WorldOptions& options) {
  const std::size_t size = communicators.size();
  std::mutex mutex;
  std::exception_ptr first;
  {
    std::vector<std::jthread> ranks;
    for (auto& communicator : communicators) {
      ranks.emplace_back([&, own = std::move(communicator)]() mutable {
        describe_thread("rank " + std::to_string(own->rank()) + " of " + std::to_string(size));
        World world(std::move(own), options);
        try {
          body(world);
        } catch (...) {
          const std::lock_guard lock(mutex);
          if (!first) first = std::current_exception();
          world.communicator().give_up(1);
        }
      });
    }
  }
  if (first) std::rethrow_exception(first);
}

std::set<std::uint64_t> results_on(std::vector<std::unique_ptr<comm::Communicator>> communicators,
                                   const std::function<std::uint64_t(World&)>& body,
                                   const WorldOptions& options) {
  std::set<std::uint64_t> found;
  std::mutex mutex;
  on_ranks(
      std::move(communicators),
      [&](World& world) {
        const std::uint64_t own = body(world);
        const std::lock_guard lock(mutex);
        found.insert(own);
      },
      options);
  return found;
}

}  // namespace lockstep::tests
