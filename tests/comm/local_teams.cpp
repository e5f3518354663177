#include <thread>

#include "lockstep/comm/transport.h"
#include "tests/support/conformance.h"
#include "tests/support/thread_world.h"

namespace lockstep::tests {
namespace {

Team thread_team(int size) {
  return {"threads" + std::to_string(size), [size](const RankBody& body) {
            on_ranks(size, [&body](World& world) { body(world.communicator()); });
          }};
}

}  // namespace

std::vector<Team> teams() {
  std::vector<Team> all{{"self", [](const RankBody& body) { body(*comm::self()); }}};
  for (const int size : {1, 2, 3, 4, 5, 6, 7, 8, 15}) all.push_back(thread_team(size));
  return all;
}

}  // namespace lockstep::tests
