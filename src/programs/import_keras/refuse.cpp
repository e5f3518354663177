#include "src/programs/import_keras/refuse.h"

namespace lockstep::programs {

std::string shown(const std::string& text) {
  constexpr std::size_t longest = 100;
  std::string safe;
  for (const char each : text.substr(0, longest)) {
    const bool is_printable = each >= ' ' && each <= '~';
    safe += is_printable ? each : '?';
  }
  return text.size() > longest ? safe + "..." : safe;
}

void refuse(const std::string& what, const std::string& fix) { throw IoError({what, fix}); }

}  // namespace lockstep::programs
