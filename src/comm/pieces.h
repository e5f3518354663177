// Long buffers travel in pieces.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace lockstep::comm {

// Calls visit(piece number, offset, bytes of the piece).
template <class Visit>
void for_each_piece(std::size_t bytes, std::size_t limit, const Visit& visit) {
  std::int64_t piece = 0;
  for (std::size_t offset = 0; offset < bytes; offset += limit)
    visit(piece++, offset, std::min(limit, bytes - offset));
}

}  // namespace lockstep::comm
