#include "lockstep/base/config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <vector>

#include "lockstep/base/error.h"

extern char** environ;

namespace lockstep {
namespace {

constexpr std::array known{
    Setting{"LOCKSTEP_ALLOW_GPU_SHARING", "1: several ranks may compute on one CUDA device", "0"},
    Setting{"LOCKSTEP_CPU_PLUGIN", "path of the CPU kernels' plug-in", "found beside liblockstep"},
    Setting{"LOCKSTEP_CUDA_MEMORY",
            "device memory: grow, cap=BYTES, cap=SHARE, preallocate=BYTES, preallocate=SHARE",
            "grow"},
    Setting{"LOCKSTEP_CUDA_PLUGIN", "path of the CUDA backend's plug-in",
            "found beside liblockstep"},
    Setting{"LOCKSTEP_DATA", "folder of the data sets", "the packaged data sets"},
    Setting{"LOCKSTEP_FLIGHT_DIR", "folder for what each rank did before a failure", "none"},
    Setting{"LOCKSTEP_LOG", "least level that is logged: debug, info, warning, error", "info"},
    Setting{"LOCKSTEP_PLUGIN_DIR", "folder that holds the plug-ins", "beside liblockstep"},
    Setting{"LOCKSTEP_SHARDS", "number of shards of the global batch", "ranks at the first launch"},
    Setting{"LOCKSTEP_THREADS", "threads of each rank", "1"},
    Setting{"LOCKSTEP_TIMEOUT", "seconds that a collective may take", "300"},
    Setting{"LOCKSTEP_TRACE", "file for the trace of operations", "none"},
    Setting{"LOCKSTEP_TRANSPORT", "how launched ranks are joined: auto, mpi, shm, hybrid", "auto"},
};

std::vector<std::string_view> known_names() {
  std::vector<std::string_view> names;
  for (const Setting& each : known) names.push_back(each.name);
  return names;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

std::string suggestion(std::string_view name) {
  const auto near = nearest(name, known_names());
  return near.empty() ? "unset it; lockstep-info lists the known variables"
                      : "did you mean " + std::string(near) + "? Otherwise unset it";
}

}  // namespace

std::span<const Setting> settings() { return known; }

std::optional<std::string> setting(std::string_view name) {
  const bool is_known =
      std::any_of(known.begin(), known.end(), [&](const Setting& s) { return s.name == name; });
  check<UsageError>(is_known, [&] {
    return Complaint{"setting: " + std::string(name) + " is not a known variable",
                     suggestion(name)};
  });
  const char* value = std::getenv(std::string(name).c_str());
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

std::int64_t integer_setting(std::string_view name, std::int64_t fallback, std::int64_t low,
                             std::int64_t high) {
  const auto text = setting(name);
  if (!text) return fallback;
  std::int64_t value = 0;
  const auto [end, status] = std::from_chars(text->data(), text->data() + text->size(), value);
  const bool is_valid =
      status == std::errc{} && end == text->data() + text->size() && value >= low && value <= high;
  check<UsageError>(is_valid, [&] {
    return Complaint{"environment: " + std::string(name) + "=" + *text +
                         " is not a whole number from " + std::to_string(low) + " to " +
                         std::to_string(high),
                     "give such a number, or unset it", "environment"};
  });
  return value;
}

void refuse_unknown_settings() {
  const auto names = known_names();
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view line = *entry;
    const std::string_view name = line.substr(0, line.find('='));
    if (!name.starts_with("LOCKSTEP_")) continue;
    check<UsageError>(std::find(names.begin(), names.end(), name) != names.end(), [&] {
      return Complaint{"environment: " + std::string(name) + " is set, but nothing reads it",
                       suggestion(name)};
    });
  }
}

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
  std::string_view best;
  std::size_t least = word.size() / 3 + 2;
  for (const std::string_view candidate : candidates) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

}  // namespace lockstep
