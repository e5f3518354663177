# cmake -DHEADERS=a.h,b.h -DOUTPUT=abi.h -P abi_hash.cmake
string(REPLACE "," ";" HEADERS "${HEADERS}")
set(digests "")
foreach(header IN LISTS HEADERS)
  file(SHA256 ${header} digest)
  string(APPEND digests ${digest})
endforeach()
string(SHA256 digest "${digests}")
string(SUBSTRING ${digest} 0 16 number)
file(WRITE ${OUTPUT} "#pragma once
// Generated: names this build's backend headers, so that a stale plug-in is refused.

#include <cstdint>

namespace lockstep::core {

inline constexpr std::uint64_t abi_number = 0x${number}u;

}  // namespace lockstep::core
")
