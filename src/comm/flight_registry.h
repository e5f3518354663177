// The communicators of this process, for whoever tells where it is: the watchdog, and the files
// that are written after a failure.
#pragma once

#include <vector>

#include "lockstep/comm/flight_record.h"
#include "lockstep/comm/membership.h"
#include "src/comm/diagnosis.h"
#include "src/comm/flight_file.h"

namespace lockstep::comm {

// Between the two calls the record must live. Safe from every thread.
void register_flights(const Membership& member, const FlightRecord& record);
void unregister_flights(const FlightRecord& record) noexcept;

// Ranks that are threads of this process: those that name the same team.
void join_team(const FlightRecord& record, const void* team);
// By rank, how far the team of that record is; empty where it has none.
std::vector<RankView> team_of(const FlightRecord& record);

// Where this process is now, and all that it remembers of its calls.
RankStatus own_status();
std::vector<FlightGroup> own_flights();

// "all_reduce #41 (sum, f32 x 10) at train.cpp:118"
std::string description(const FlightEntry& entry);

}  // namespace lockstep::comm
