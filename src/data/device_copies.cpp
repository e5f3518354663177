#include "src/data/device_copies.h"

namespace lockstep::data {

using core::StreamRole;

void DeviceCopies::make_writable(Slot& slot) {
  if (slot.arrived) slot.arrived->wait();
}

// A new block may still be in use by what the compute stream was given earlier.
Tensor DeviceCopies::sent(const Tensor& from, core::Memory& memory) {
  core::Stream& copies = stream(StreamRole::copy);
  const std::size_t bytes = from.storage()->bytes();
  if (!memory || memory->bytes() < bytes) {
    core::Allocator& allocator = platform_.allocator(device_.index);
    memory = allocator.allocate(bytes);
    allocator.used_on(memory, copies);
    copies.wait_for(stream(StreamRole::compute).record());
  }
  if (bytes > 0) copies.copy(memory->data(), from.view().data, bytes);
  auto storage = make_shared_object<core::Storage>(memory, std::size_t{0}, bytes);
  return {std::move(storage), 0, from.shape(), from.strides(), from.dtype()};
}

void DeviceCopies::send(Slot& slot) {
  const std::size_t parts = slot.batch.parts.size();
  slot.device_x.resize(parts);
  slot.device_y.resize(parts);
  stream(StreamRole::copy).wait_for(slot.given_back);
  for (std::size_t part = 0; part < parts; ++part) {
    Batch& batch = slot.batch.parts[part];
    batch.x = sent(batch.x, slot.device_x[part]);
    batch.y = sent(batch.y, slot.device_y[part]);
  }
  slot.arrived = stream(StreamRole::copy).record();
}

void DeviceCopies::receive(Slot& slot) { stream(StreamRole::compute).wait_for(slot.arrived); }

void DeviceCopies::give_back(Slot& slot) {
  slot.given_back = stream(StreamRole::compute).record();
  for (auto* memories : {&slot.device_x, &slot.device_y}) {
    for (core::Memory& memory : *memories) {
      if (memory && memory->references() > 1) memory.reset();
    }
  }
}

}  // namespace lockstep::data
