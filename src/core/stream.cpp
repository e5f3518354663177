#include "lockstep/core/stream.h"

#include "lockstep/core/platform.h"

namespace lockstep::core {

Stream& stream_of(Device device, StreamRole role) {
  if (device != Device{}) return platform(device).stream(device.index, role);
  thread_local Stream stream;
  return stream;
}

Stream& current_stream(Device device) { return stream_of(device, StreamRole::compute); }

}  // namespace lockstep::core
