#include "lockstep/comm/call.h"

#include <fmt/format.h>

#include <algorithm>

namespace lockstep::comm {

std::string Call::description() const {
  std::string text(name_of(op));
  if (sequence > 0) text += fmt::format(" #{}", sequence);
  if (op == Op::barrier) return text;
  const bool reduces = op == Op::all_reduce || op == Op::reduce_scatter;
  const std::string how = reduces ? fmt::format("{}, ", name_of(reduce)) : std::string();
  const std::int64_t count = std::max(in.empty() ? 0 : in.front().count, out.count);
  return text + fmt::format(" ({}{} x {})", how, name_of(out.dtype), count);
}

}  // namespace lockstep::comm
