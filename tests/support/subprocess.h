// Runs a program as a user would and keeps what it said.
#pragma once

#include <sys/wait.h>

#include <cstdlib>
#include <string>

#include "tests/support/scratch.h"

namespace lockstep::tests {

struct Outcome {
  int exit_code = -1;
  std::string out;
  std::string err;
};

// `command` goes through the shell: environment assignments may stand before the program.
inline Outcome run_command(const std::string& command) {
  const Scratch scratch;
  const std::string redirected = "( " + command + " ) </dev/null >" + (scratch / "out").string() +
                                 " 2>" + (scratch / "err").string();
  const int status = std::system(redirected.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text_of(scratch / "out"),
          text_of(scratch / "err")};
}

#ifdef LOCKSTEP_MPIRUN  // named by the build for tests that run programs on ranks
// The same program on `ranks` ranks under mpirun.
inline Outcome run_on_ranks(int ranks, const std::string& command) {
  return run_command(std::string(LOCKSTEP_UNDER_MPIRUN) + " " + LOCKSTEP_MPIRUN + " " +
                     std::to_string(ranks) + " " + command);
}
#endif

}  // namespace lockstep::tests
