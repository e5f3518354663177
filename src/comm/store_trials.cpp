#include "src/comm/store_trials.h"

#include <unistd.h>

namespace lockstep::comm {

std::size_t last_level_cache_bytes() {
  for (const int level : {_SC_LEVEL3_CACHE_SIZE, _SC_LEVEL2_CACHE_SIZE}) {
    const long bytes = ::sysconf(level);
    if (bytes > 0) return static_cast<std::size_t>(bytes);
  }
  return std::size_t{8} << 20;
}

}  // namespace lockstep::comm
