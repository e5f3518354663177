#include "lockstep/obs/log.h"

#include <fmt/core.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/ansicolor_sink.h>

#include <array>
#include <atomic>
#include <mutex>
#include <optional>

#include "lockstep/base/config.h"
#include "lockstep/base/error.h"
#include "lockstep/obs/terminal.h"
#include "src/obs/identity.h"

namespace lockstep::obs {
namespace {

constexpr std::array<std::string_view, 4> level_names{"debug", "info", "warning", "error"};
constexpr std::array spdlog_levels{spdlog::level::debug, spdlog::level::info, spdlog::level::warn,
                                   spdlog::level::err};

struct State {
  std::mutex mutex;
  Identity identity;
};
// Never destroyed, as the logger: destructors of other objects may log while the process ends.
State& state() {
  static State& instance = *new State;
  return instance;
}
std::atomic<int> rank{0};
std::atomic<int> least_level{-1};  // -1: not read from the environment yet

void use_identity(spdlog::logger& logger, const Identity& who) {
  const std::string prefix =
      who.rank == 0 ? "" : fmt::format("[rank {} host {}] ", who.rank, who.host);
  logger.set_pattern(prefix + "%H:%M:%S %^%l%$: %v");
}

spdlog::logger& logger() {
  static auto* instance = [] {
    const auto mode =
        terminal_of(2).has_color ? spdlog::color_mode::always : spdlog::color_mode::never;
    auto sink = std::make_shared<spdlog::sinks::ansicolor_stderr_sink_mt>(mode);
    auto* made = new spdlog::logger("lockstep", std::move(sink));
    made->set_level(spdlog::level::trace);
    use_identity(*made, identity());
    return made;
  }();
  return *instance;
}

LogLevel level_of_environment() {
  const auto text = setting("LOCKSTEP_LOG");
  if (!text) return LogLevel::info;
  for (std::size_t i = 0; i < level_names.size(); ++i) {
    if (*text == level_names[i]) return static_cast<LogLevel>(i);
  }
  throw UsageError({fmt::format("environment: LOCKSTEP_LOG={} is not a level", *text),
                    "give debug, info, warning or error"});
}

}  // namespace

Identity identity() {
  const std::lock_guard lock(state().mutex);
  return state().identity;
}

void set_log_identity(int new_rank, int size, std::string host) {
  const Identity who{new_rank, size, std::move(host)};
  {
    const std::lock_guard lock(state().mutex);
    state().identity = who;
  }
  rank.store(new_rank, std::memory_order_relaxed);
  use_identity(logger(), who);
}

int log_rank() { return rank.load(std::memory_order_relaxed); }

LogLevel log_level() {
  int level = least_level.load(std::memory_order_relaxed);
  if (level < 0) {
    level = static_cast<int>(level_of_environment());
    least_level.store(level, std::memory_order_relaxed);
  }
  return static_cast<LogLevel>(level);
}

void set_log_level(LogLevel level) {
  least_level.store(static_cast<int>(level), std::memory_order_relaxed);
}

void log(LogLevel level, std::string_view text) {
  if (level < log_level()) return;
  if (log_rank() != 0 && level < LogLevel::warning) return;
  logger().log(spdlog_levels[static_cast<std::size_t>(level)],
               spdlog::string_view_t(text.data(), text.size()));
}

}  // namespace lockstep::obs
