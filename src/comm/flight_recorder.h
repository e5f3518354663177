// Writes what this process did into LOCKSTEP_FLIGHT_DIR when something fails.
#pragma once

#include <string_view>

#include "src/comm/flight_file.h"

namespace lockstep::comm {

// Before the ranks begin: makes the folder and removes what an earlier job of ours left in it.
// IoError where the folder cannot be written.
void prepare_flight_folder(int rank, int size);

// Notes the failure, and writes the file anew. Nothing where no folder is named. Safe from every
// thread; a file that cannot be written within a second is a warning.
void record_failure(FailureKind kind, std::string_view why) noexcept;

// Every flight of `folder`, in rank order. IoError where the folder holds none or one is damaged.
std::vector<Flight> flights_in(const std::filesystem::path& folder);

}  // namespace lockstep::comm
