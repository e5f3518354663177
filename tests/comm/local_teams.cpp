#include <thread>

#include "lockstep/comm/transport.h"
#include "tests/support/conformance.h"
#include "tests/support/mistakes.h"
#include "tests/support/thread_world.h"

namespace lockstep::tests {
namespace {

Team thread_team(int size) {
  return {"threads" + std::to_string(size), [size](const RankBody& body) {
            on_ranks(size, [&body](World& world) { body(world.communicator()); });
          }};
}

Team shared_memory_team(int size) {
  return {"shm" + std::to_string(size), [size](const RankBody& body) {
            auto ranks = comm::shm_threads(size);
            std::vector<std::jthread> threads;
            for (auto& rank : ranks) threads.emplace_back([&] { body(*rank); });
          }};
}

}  // namespace

std::vector<Team> teams() {
  std::vector<Team> all{{"self", [](const RankBody& body) { body(*comm::self()); }}};
  for (const int size : {1, 2, 3, 4, 5, 6, 7, 8, 15}) all.push_back(thread_team(size));
  for (const int size : {1, 2, 3, 4, 7, 16}) all.push_back(shared_memory_team(size));
  return all;
}

std::vector<Team> fragile_teams() {
  std::vector<Team> all;
  for (const int size : {2, 3, 6}) all.push_back(thread_team(size));
  for (const int size : {2, 3, 6}) all.push_back(shared_memory_team(size));
  return all;
}

}  // namespace lockstep::tests
