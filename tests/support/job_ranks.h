// Worlds of any size within one MPI job, for the exactness matrix: its first ranks are split off,
// and the others sleep.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "lockstep/comm/communicator.h"
#include "tests/support/exact_matrix.h"

namespace lockstep::tests {

// Joins the job at its first use, and leaves it when the tests are over.
comm::Communicator& job();
// The transports that serve processes. Collective over the job.
std::vector<JoinedRanks> job_ranks();
// A folder that all ranks of the job see; it goes when the tests are over.
const std::filesystem::path& job_folder();

}  // namespace lockstep::tests
