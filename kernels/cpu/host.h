// What the library lends to this plug-in: the number of threads and a way to fail.
#pragma once

#include "lockstep/core/plugin.h"

namespace lockstep::kernels::cpu {

// Set once by the plug-in's entry, before any kernel runs.
inline const core::Host* host = nullptr;

inline int threads() { return host != nullptr && host->threads != nullptr ? host->threads() : 1; }

}  // namespace lockstep::kernels::cpu
