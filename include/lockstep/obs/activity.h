// What a process does between its collectives, for the account after a failure: "loader.next".
#pragma once

#include <cstdint>

namespace lockstep::obs {

// From its construction to its end the process is in `name`, a literal; the innermost one counts.
// Only those of the first thread that makes one are told.
class Activity {
 public:
  explicit Activity(const char* name) noexcept;
  Activity(const Activity&) = delete;
  Activity& operator=(const Activity&) = delete;
  ~Activity();

 private:
  const char* outer_ = nullptr;
  std::int64_t outer_since_ = 0;
};

struct CurrentActivity {
  const char* name = "";   // empty: none that has a name
  std::int64_t since = 0;  // of obs::trace_now()
};
// Safe from every thread.
CurrentActivity current_activity();

}  // namespace lockstep::obs
