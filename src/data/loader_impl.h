// What a loader and the epoch that is being read share.
#pragma once

#include <cstdint>
#include <vector>

#include "lockstep/data/loader.h"
#include "lockstep/data/sampler.h"
#include "src/data/assembler.h"

namespace lockstep::data {

struct Loader::Impl {
  Impl(const DatasetPointer& dataset, const LoaderOptions& given, core::ShardRange mine)
      : options(given),
        shards(mine),
        sampler(dataset->count(), {.seed = given.seed, .shuffle = given.shuffle}),
        assembler(dataset, given.transforms, given.seed),
        slots(static_cast<std::size_t>(given.prefetch) + 1) {}

  LoaderOptions options;
  core::ShardRange shards;
  Sampler sampler;
  Assembler assembler;
  std::vector<Slot> slots;
  std::vector<std::int64_t> order;
  Cursor cursor;
  bool is_restored = false;  // the next epoch begins at the cursor
  bool is_reading = false;   // an Epoch lives
};

}  // namespace lockstep::data
