#include "lockstep/obs/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

namespace lockstep::obs {
namespace {

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

Terminal terminal_of(int descriptor) {
  Terminal terminal;
  const std::string_view kind = variable("TERM");
  terminal.is_terminal = isatty(descriptor) == 1 && kind != "dumb";
  if (!terminal.is_terminal) return terminal;
  terminal.has_color = variable("NO_COLOR").empty() && !kind.empty();
  winsize size{};
  if (ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) terminal.columns = size.ws_col;
  return terminal;
}

}  // namespace lockstep::obs
