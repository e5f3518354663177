// A collective under way.
#pragma once

#include <memory>

#include "lockstep/core/stream.h"

namespace lockstep::comm {

class Communicator;

// A collective that has been started. Destroying an unfinished Work waits for it; while an
// exception passes, it poisons the communicator instead. Must not be used after its communicator is
// gone.
class [[nodiscard]] Work {
 public:
  // What a transport keeps of a call between two polls.
  class State {
   public:
    virtual ~State() = default;
    // Moves on as far as possible without blocking; true when finished. Throws CommError where it
    // cannot go on.
    virtual bool advance() = 0;
  };

  // Finished work.
  Work() = default;
  Work(Work&& other) noexcept;
  Work& operator=(Work&& other) noexcept;
  ~Work();

  // Makes progress and says whether the result is there; never blocks.
  bool done() const;
  // Later work on `stream` sees the result; the host does not wait (a CPU stream is the host: it
  // does).
  void then(core::Stream& stream);
  // Returns when the result is there. CommError on failure or after the communicator's time limit.
  void wait();

 private:
  friend class Communicator;
  struct Flight;
  explicit Work(std::shared_ptr<Flight> flight);
  void finish_quietly() noexcept;

  std::shared_ptr<Flight> flight_;
  int exceptions_ = 0;
};

}  // namespace lockstep::comm
