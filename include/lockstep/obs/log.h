// Messages for people, on stderr: rank 0 speaks, other ranks only warn and say who they are.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lockstep::obs {

enum class LogLevel : std::uint8_t { debug, info, warning, error };

// Says who this process is. Ranks other than 0 then log warnings and errors only, with a "[rank 3
// host gpu1]" prefix.
void set_log_identity(int rank, int size, std::string host);
// The rank given to set_log_identity; 0 before. Rank 0 alone prints results and progress.
int log_rank();

// Messages below it are dropped: LOCKSTEP_LOG (debug, info, warning or error), else info.
// UsageError for another value.
LogLevel log_level();
void set_log_level(LogLevel level);

// One line on stderr, e.g. "21:40:02 warning: 3 ranks share 2 cores". Safe from every thread.
void log(LogLevel level, std::string_view text);

inline void debug(std::string_view text) { log(LogLevel::debug, text); }
inline void info(std::string_view text) { log(LogLevel::info, text); }
inline void warning(std::string_view text) { log(LogLevel::warning, text); }
inline void error(std::string_view text) { log(LogLevel::error, text); }

}  // namespace lockstep::obs
