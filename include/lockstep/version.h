#pragma once
// The version of the library that a program runs with.

namespace lockstep {

/// "major.minor.patch" of the loaded library, which may be newer than the headers compiled against.
const char* version();

}  // namespace lockstep
