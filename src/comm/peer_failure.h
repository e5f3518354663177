// What a rank says when an earlier failure, most often another rank's, ends its call.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>

#include "lockstep/base/error.h"

namespace lockstep::comm {

// It followed from a failure that tells more.
class ConsequentError : public CommError {
  using CommError::CommError;
};

inline ConsequentError peer_failure(int rank, const std::string& problem, const std::string& where,
                                    const std::string& fix) {
  return ConsequentError(
      {"rank " + std::to_string(rank) + " failed first: " + problem + " (" + where + ")", fix});
}

// As much of the text as there is room for, and a 0.
template <std::size_t size> void write_text(const std::string& text, char (&place)[size]) noexcept {
  const std::size_t length = std::min(text.size(), size - 1);
  std::memcpy(place, text.data(), length);
  place[length] = 0;
}

}  // namespace lockstep::comm
