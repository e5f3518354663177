// Programs whose ranks disagree, over every transport; the executables say over which teams.
#pragma once

#include <vector>

#include "tests/support/conformance.h"

namespace lockstep::tests {

// Teams of at least two ranks whose communicator fails in every test: each run makes another one.
std::vector<Team> fragile_teams();

class Mistakes : public testing::TestWithParam<Team> {
 protected:
  void on_every_rank(const RankBody& body) { GetParam().run(body); }
};

}  // namespace lockstep::tests
