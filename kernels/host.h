// What the library lends to a plug-in: the number of threads and a way to fail.
#pragma once

#include "lockstep/core/plugin.h"

namespace lockstep::kernels {

// Set once by the plug-in's entry, before any kernel runs.
inline const core::Host* host = nullptr;

inline int threads() { return host != nullptr && host->threads != nullptr ? host->threads() : 1; }

// Throws DeviceError in the library, for what this backend cannot do.
[[noreturn]] inline void fail(const char* what, const char* fix) {
  host->fail(what, fix);
  __builtin_unreachable();
}

// Throws UsageError in the library, for a setting that is wrong.
[[noreturn]] inline void refuse(const char* what, const char* fix) {
  host->refuse(what, fix);
  __builtin_unreachable();
}

}  // namespace lockstep::kernels
