// The check of every constant that a user hands to an optimizer or a schedule.
#pragma once

#include <limits>

namespace lockstep::optim {

inline constexpr double unbounded = std::numeric_limits<double>::infinity();

// UsageError unless low <= value < high; NaN is refused.
void check_constant(const char* who, const char* name, double value, double low, double high);

}  // namespace lockstep::optim
