// What a loader and the epoch that is being read share.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "lockstep/data/loader.h"
#include "lockstep/data/sampler.h"
#include "src/data/assembler.h"
#include "src/data/device_copies.h"

namespace lockstep::data {

struct Loader::Impl {
  Impl(const DatasetPointer& dataset, const LoaderOptions& given, core::ShardRange mine)
      : options(given),
        shards(mine),
        sampler(dataset->count(), {.seed = given.seed, .shuffle = given.shuffle}),
        copies(copies_to(given.device)),
        assembler(dataset, given.transforms, given.seed,
                  copies ? copies->host_memory() : core::allocator(Device{})),
        slots(static_cast<std::size_t>(given.prefetch) + 1) {}

  LoaderOptions options;
  core::ShardRange shards;
  Sampler sampler;
  std::optional<DeviceCopies> copies;  // none: batches stay on the host
  Assembler assembler;
  std::vector<Slot> slots;
  std::vector<std::int64_t> order;
  Cursor cursor;
  bool is_restored = false;  // the next epoch begins at the cursor
  bool is_reading = false;   // an Epoch lives

 private:
  static std::optional<DeviceCopies> copies_to(Device device) {
    if (device == Device{}) return std::nullopt;
    return DeviceCopies(core::platform(device), device);
  }
};

}  // namespace lockstep::data
