// Batches on a device, copied there while the device computes.
#pragma once

#include "lockstep/core/platform.h"
#include "src/data/assembler.h"

namespace lockstep::data {

// Copies run on the device's copy stream, from page-locked memory into memory that a slot keeps.
// The host waits only before it writes over what is still being copied.
class DeviceCopies {
 public:
  DeviceCopies(core::Platform& platform, Device device) : platform_(platform), device_(device) {}

  core::Allocator& host_memory() { return platform_.pinned_memory(); }
  // Before the slot is filled anew: what was sent from it has arrived.
  static void make_writable(Slot& slot);
  // Behind fill(): the batch's tensors become those of the device, whose content is on its way.
  void send(Slot& slot);
  // What the compute stream does from now on sees the batch.
  void receive(Slot& slot);
  // Behind all use of the batch: its memory may be written when the compute stream has come so far.
  // What someone still holds is left to them.
  void give_back(Slot& slot);

 private:
  Tensor sent(const Tensor& from, core::Memory& memory);
  core::Stream& stream(core::StreamRole role) { return platform_.stream(device_.index, role); }

  core::Platform& platform_;
  Device device_;
};

}  // namespace lockstep::data
