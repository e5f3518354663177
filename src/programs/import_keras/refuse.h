// How the importer refuses: what about which file, and what helps.
#pragma once

#include <string>

#include "lockstep/base/error.h"

namespace lockstep::programs {

// Text of a foreign file, made fit for a message: no control characters, not too long.
std::string shown(const std::string& text);

[[noreturn]] void refuse(const std::string& what,
                         const std::string& fix = "save the model again with model.save()");

}  // namespace lockstep::programs
