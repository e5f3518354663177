// Builds batches: picks samples, transforms them, and writes them into memory that is used again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "lockstep/core/allocator.h"
#include "lockstep/core/shard.h"
#include "lockstep/core/stream.h"
#include "lockstep/data/batch.h"
#include "lockstep/data/dataset.h"
#include "lockstep/data/transform.h"

namespace lockstep::data {

// A batch and the memory behind it. Memory that someone still holds is not written to: the slot
// then takes a new block.
struct Slot {
  GlobalBatch batch;
  std::vector<core::Memory> x;  // one for each shard
  std::vector<core::Memory> y;
  // On a device (device_copies.h): its memory, and how far copies into it and its use are.
  std::vector<core::Memory> device_x;
  std::vector<core::Memory> device_y;
  core::Event arrived, given_back;
};

class Assembler {
 public:
  // ShapeError or DTypeError where the transforms do not take the dataset's samples.
  Assembler(DatasetPointer dataset, std::vector<Transform> transforms, std::uint64_t seed,
            core::Allocator& memory);

  // The batch of `indices`, of which this rank keeps `shards`. One thread at a time.
  void fill(Slot& slot, std::int64_t epoch, std::span<const std::int64_t> indices,
            const core::ShardRange& shards);

 private:
  void write_sample(std::int64_t epoch, std::int64_t index, std::byte* x, std::byte* y);

  DatasetPointer dataset_;
  std::vector<Transform> transforms_;
  std::uint64_t seed_;
  core::Allocator& memory_;
  std::vector<Meta> stages_;  // a sample before the first transform, and after each
  Meta y_;
  std::vector<std::byte> scratch_[2];
};

}  // namespace lockstep::data
