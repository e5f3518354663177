// Tells from the flight files of a job which rank kept the others.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "src/comm/flight_file.h"

namespace lockstep::programs {

// What each rank did last, the first failure, and the culprit, in lines for people.
std::string flight_report(std::vector<comm::Flight> flights);

}  // namespace lockstep::programs
