// Transfers through page-locked memory, piece by piece.
#pragma once

#include <cstddef>

#include "lockstep/core/platform.h"

namespace lockstep::core {

inline constexpr std::size_t staged_piece = std::size_t{4} << 20;
inline constexpr int staged_pieces = 3;  // in flight at a time

// Queues on the device's compute stream; `from` may be written anew when it returns.
void upload(Platform& platform, int device, void* to, const void* from, std::size_t bytes);
// Behind the device's compute stream; the bytes are there when it returns.
void download(Platform& platform, int device, void* to, const void* from, std::size_t bytes);

}  // namespace lockstep::core
