// What one rank can tell about a call's arguments before anything is sent.
#pragma once

#include "lockstep/comm/communicator.h"

namespace lockstep::comm {

// "rank 1 of 4, cpu, transport mpi"
std::string place(const Membership& member, Device device);

// Throws DTypeError, ShapeError or UsageError with the call, its place and the mistake.
void check_arguments(const Call& call, const Membership& member);

}  // namespace lockstep::comm
