// What an output can show: whether it is a terminal, how wide, and with or without colour.
#pragma once

namespace lockstep::obs {

struct Terminal {
  bool is_terminal = false;
  bool has_color = false;  // a terminal, NO_COLOR unset or empty, TERM not "dumb"
  int columns = 80;
};

// The terminal behind a file descriptor (1: stdout, 2: stderr).
Terminal terminal_of(int descriptor);

}  // namespace lockstep::obs
