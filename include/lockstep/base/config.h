// Settings from the environment (LOCKSTEP_*), each declared once, unknown ones refused by name.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace lockstep {

// One environment variable that the library reads.
struct Setting {
  std::string_view name;      // "LOCKSTEP_TIMEOUT"
  std::string_view meaning;   // "seconds that a collective may take"
  std::string_view fallback;  // shown in --help
};

// Every variable that the library knows, in alphabetical order.
std::span<const Setting> settings();

// The value of a known variable, or nothing when it is unset or empty. UsageError for a name not in
// settings().
std::optional<std::string> setting(std::string_view name);
// The same as a whole number in [low, high]; UsageError names the variable, the value and the
// range.
std::int64_t integer_setting(std::string_view name, std::int64_t fallback, std::int64_t low,
                             std::int64_t high);

// UsageError that names the first LOCKSTEP_* variable of the environment which nothing reads, and
// the nearest known one.
void refuse_unknown_settings();

// The candidate with the smallest edit distance to `word`; empty when none is near.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace lockstep
