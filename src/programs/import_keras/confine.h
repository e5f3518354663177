// What a process that reads untrusted files gives up before it opens them.
#pragma once

#include <cstdint>

namespace lockstep::programs {

// From now on the process gets at most `memory` more bytes of address space (sanitizers' builds,
// which reserve terabytes, have no cap) and neither network nor other programs: their system calls
// fail with EPERM. Cannot be undone. Kernels without seccomp leave the latter open.
void confine(std::int64_t memory);

// Whether this build knows a cap.
bool caps_memory();

}  // namespace lockstep::programs
