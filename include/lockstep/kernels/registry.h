// The backend of a device, opened on first use, or an error that says how to get it.
#pragma once

#include <string>
#include <vector>

#include "lockstep/kernels/backend.h"

namespace lockstep::kernels {

// DeviceError where the plug-in is missing, stale or cannot serve. While this thread is recorded
// (recorder.h), one that also notes the calls.
Backend& backend(Device device);

// What lockstep-info shows of a device type: its description, or why it is not there.
struct BackendStatus {
  std::string name;  // "cpu"
  bool is_available = false;
  std::string description;  // "avx512", or the reason
};
// Opens the plug-in of that type only.
BackendStatus backend_status(DeviceType type);
std::vector<BackendStatus> backends();

}  // namespace lockstep::kernels
