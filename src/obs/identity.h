// Which rank this process is, as given to set_log_identity.
#pragma once

#include <string>

namespace lockstep::obs {

struct Identity {
  int rank = 0;
  int size = 1;
  std::string host;
};
Identity identity();

}  // namespace lockstep::obs
