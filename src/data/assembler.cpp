#include "src/data/assembler.h"

#include <algorithm>

#include "src/data/keys.h"

namespace lockstep::data {
namespace {

std::size_t bytes_of(const Meta& meta) {
  return static_cast<std::size_t>(meta.shape.elements()) * size_of(meta.dtype);
}

View view_of(std::byte* data, const Meta& meta) {
  return {data, meta.dtype, meta.shape, contiguous_strides(meta.shape)};
}

// `count` samples in `memory`, or in a new block where that one is in use or too small.
Tensor stacked(core::Allocator& allocator, core::Memory& memory, const Meta& sample,
               std::int64_t count) {
  Shape shape{count};
  for (const std::int64_t size : sample.shape) shape.append(size);
  const std::size_t bytes = bytes_of({shape, sample.dtype, {}});
  if (!memory || memory->references() > 1 || memory->bytes() < bytes) {
    memory = allocator.allocate(bytes);
  }
  auto storage = make_shared_object<core::Storage>(memory, std::size_t{0}, bytes);
  return {std::move(storage), 0, shape, contiguous_strides(shape), sample.dtype};
}

}  // namespace

Assembler::Assembler(DatasetPointer dataset, std::vector<Transform> transforms, std::uint64_t seed,
                     core::Allocator& memory)
    : dataset_(std::move(dataset)),
      transforms_(std::move(transforms)),
      seed_(seed),
      memory_(memory) {
  stages_.push_back(dataset_->x());
  for (const Transform& each : transforms_) stages_.push_back(each->output(stages_.back()));
  y_ = dataset_->y();
  std::size_t largest = 0;
  for (const Meta& stage : stages_) largest = std::max(largest, bytes_of(stage));
  for (auto& buffer : scratch_) buffer.resize(largest);
}

void Assembler::fill(Slot& slot, std::int64_t epoch, std::span<const std::int64_t> indices,
                     const core::ShardRange& shards) {
  const auto parts = static_cast<std::size_t>(shards.count());
  slot.x.resize(parts);
  slot.y.resize(parts);
  slot.batch.parts.resize(parts);
  slot.batch.count = static_cast<std::int64_t>(indices.size());
  for (std::size_t part = 0; part < parts; ++part) {
    const core::Range range = core::part_of(
        slot.batch.count, shards.first + static_cast<std::int64_t>(part), shards.total);
    Batch& batch = slot.batch.parts[part];
    batch = {};  // drops its hold on the memory before stacked() looks who else has one
    batch = {stacked(memory_, slot.x[part], stages_.back(), range.count()),
             stacked(memory_, slot.y[part], y_, range.count()), range.count()};
    auto* x = static_cast<std::byte*>(batch.x.view().data);
    auto* y = static_cast<std::byte*>(batch.y.view().data);
    for (std::int64_t i = range.begin; i < range.end; ++i) {
      write_sample(epoch, indices[static_cast<std::size_t>(i)], x, y);
      x += bytes_of(stages_.back());
      y += bytes_of(y_);
    }
  }
}

void Assembler::write_sample(std::int64_t epoch, std::int64_t index, std::byte* x, std::byte* y) {
  std::byte* from = transforms_.empty() ? x : scratch_[0].data();
  dataset_->read(index, from, y);
  for (std::size_t i = 0; i < transforms_.size(); ++i) {
    std::byte* const to = i + 1 == transforms_.size() ? x : scratch_[(i + 1) % 2].data();
    const auto random = transform_key(seed_, epoch, i).words(static_cast<std::uint64_t>(index));
    transforms_[i]->apply(view_of(from, stages_[i]), view_of(to, stages_[i + 1]), random);
    from = to;
  }
}

}  // namespace lockstep::data
