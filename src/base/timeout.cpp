#include "lockstep/base/timeout.h"

#include "lockstep/base/config.h"

namespace lockstep {

std::chrono::seconds timeout_setting() {
  return std::chrono::seconds(integer_setting("LOCKSTEP_TIMEOUT", 300, 1, 1'000'000));
}

}  // namespace lockstep
