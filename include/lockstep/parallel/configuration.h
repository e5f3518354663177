// What the bits of a run depend on, besides its seed and its data.
#pragma once

#include <filesystem>

#include "lockstep/comm/world.h"
#include "lockstep/parallel/checkpoint.h"
#include "lockstep/parallel/data_parallel.h"

namespace lockstep::parallel {

// Shards, threads, seed, the backend, the processor's instruction sets, how sums are made, and the
// library's version.
Configuration configuration_of(const World& world, const DataParallelOptions& options);

// Takes the number of shards and of threads from the newest checkpoint of `folder` where neither
// options nor environment ask for another, so that a resumed run keeps its bits on any number of
// ranks. To be called by all ranks, before loaders and DataParallel are made. False where there is
// no checkpoint. UsageError where LOCKSTEP_THREADS gives fewer threads than the checkpoint.
bool use_pinned(World& world, const std::filesystem::path& folder);

}  // namespace lockstep::parallel
