// The door through which bytes pass between the host and devices, and between devices.
#pragma once

#include "lockstep/core/buffer.h"
#include "lockstep/core/stream.h"

namespace lockstep::core {

// Writes from's elements into `to`, in order with what is queued on the current streams of both
// devices. When it returns, `from` may be written anew by what is queued next, and elements for the
// host have arrived. Host memory is staged through page-locked memory, a few MiB at a time, so that
// the host does not wait for elements that go to a device. UsageError where counts or types differ.
void transfer(const Buffer& to, const ConstBuffer& from);

}  // namespace lockstep::core
