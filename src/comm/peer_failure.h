// What a rank says when another one's failure ends its call.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>

#include "lockstep/base/error.h"

namespace lockstep::comm {

inline CommError peer_failure(int rank, const std::string& problem, const std::string& where,
                              const std::string& fix) {
  return CommError(
      {"rank " + std::to_string(rank) + " failed first: " + problem + " (" + where + ")", fix});
}

// As much of the text as there is room for, and a 0.
template <std::size_t size> void write_text(const std::string& text, char (&place)[size]) noexcept {
  const std::size_t length = std::min(text.size(), size - 1);
  std::memcpy(place, text.data(), length);
  place[length] = 0;
}

}  // namespace lockstep::comm
