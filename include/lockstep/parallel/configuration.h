// What the bits of a run depend on, besides its seed and its data.
#pragma once

#include "lockstep/comm/world.h"
#include "lockstep/parallel/checkpoint.h"
#include "lockstep/parallel/data_parallel.h"

namespace lockstep::parallel {

// Shards, threads, the backend with its instruction set, how sums are made, and the library's
// version.
Configuration configuration_of(const World& world, const DataParallelOptions& options);

}  // namespace lockstep::parallel
