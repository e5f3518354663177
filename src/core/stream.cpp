#include "lockstep/core/stream.h"

#include "lockstep/base/error.h"

namespace lockstep::core {

Stream& current_stream(Device device) {
  check<DeviceError>(device == Device{}, [&] {
    return Complaint{"current_stream: " + name_of(device) + " has no backend in this build",
                     "use the device cpu"};
  });
  thread_local Stream stream;
  return stream;
}

}  // namespace lockstep::core
