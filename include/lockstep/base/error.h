// Every failure that a caller can meet, as an exception that says what, where and how to fix it.
#pragma once

#include <source_location>
#include <stdexcept>
#include <string>
#include <utility>

namespace lockstep {

// What happened (operation, actual values) and one concrete action that mends it.
struct Complaint {
  std::string what;
  std::string fix;
  std::string at =
      {};  // for "where", instead of the thread's description: "rank 3 of 4, transport mpi"
};

// Base of all exceptions of the library. what() is the full text: what, where, fix, one line each.
class __attribute__((visibility("default"))) Error : public std::runtime_error {
 public:
  explicit Error(const Complaint& complaint,
                 std::source_location where = std::source_location::current());

  const std::string& problem() const noexcept { return problem_; }
  const std::string& where() const noexcept { return where_; }
  const std::string& fix() const noexcept { return fix_; }

 private:
  Error(const Complaint& complaint, std::string where);
  std::string problem_;
  std::string where_;
  std::string fix_;
};

// Sizes or axes that do not fit together.
class ShapeError : public Error {
  using Error::Error;
};
// Element types that an operation does not take or that differ between its arguments.
class DTypeError : public Error {
  using Error::Error;
};
// Devices that differ, do not exist, or have no memory left.
class DeviceError : public Error {
  using Error::Error;
};
// A collective that failed, timed out, or was called differently on other ranks.
class CommError : public Error {
  using Error::Error;
};
// Files: missing, truncated, corrupt, not writable.
class IoError : public Error {
  using Error::Error;
};
// Calls that are wrong whatever the data: backward twice, an unknown flag, a batch of 0.
class UsageError : public Error {
  using Error::Error;
};

// Prepended to the `where` line of every error that this thread makes from now on, e.g. "rank 3 of
// 4".
void describe_thread(std::string where);

// Throws E with the complaint that `describe` makes when `status` is false; costs nothing else.
template <class E, class Describe>
void check(bool status, Describe&& describe,
           std::source_location where = std::source_location::current()) {
  if (!status) [[unlikely]]
    throw E(std::forward<Describe>(describe)(), where);
}

}  // namespace lockstep
