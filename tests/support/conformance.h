// What every transport must do; the executables say over which teams of ranks it is run.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "lockstep/comm/communicator.h"

namespace lockstep::tests {

using RankBody = std::function<void(comm::Communicator&)>;

// Ranks joined by one transport. run(body) calls body on every rank (of this process) and returns
// when all have.
struct Team {
  std::string name;  // "threads4"
  std::function<void(const RankBody&)> run;
};

// The teams of this executable.
std::vector<Team> teams();

class Conformance : public testing::TestWithParam<Team> {
 protected:
  void on_every_rank(const RankBody& body) { GetParam().run(body); }
};

inline std::string team_name(const testing::TestParamInfo<Team>& info) { return info.param.name; }

}  // namespace lockstep::tests
