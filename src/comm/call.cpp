#include "lockstep/comm/call.h"

#include <fmt/format.h>

#include <algorithm>

namespace lockstep::comm {

std::int64_t Call::count() const { return std::max(in.empty() ? 0 : in.front().count, out.count); }

std::string Call::description() const {
  std::string text(name_of(op));
  if (!counts.empty()) text += "_v";
  if (sequence > 0) text += fmt::format(" #{}", sequence);
  if (op == Op::barrier) return text;
  if (is_point_to_point(op))
    text += fmt::format(" {} rank {}", op == Op::send ? "to" : "from", root);
  const std::string how = is_reduction(op) ? fmt::format("{}, ", name_of(reduce)) : std::string();
  return text + fmt::format(" ({}{} x {})", how, name_of(out.dtype), count());
}

}  // namespace lockstep::comm
