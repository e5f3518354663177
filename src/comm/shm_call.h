// A collective over shared memory: every rank posts what it calls and where its data lie, compares
// the others' posts with its own, and does its part of the work straight in the peers' memory.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "lockstep/comm/communicator.h"
#include "src/comm/reduction.h"
#include "src/comm/shm_team.h"

namespace lockstep::comm {

// What a call needs of the communicator that starts it.
struct ShmCallContext {
  std::shared_ptr<ShmTeam> team;
  const Membership& member;
  std::shared_ptr<const Forest> forest;  // of reductions
  // The same call over messages, for data that the peers cannot see; reductions go through the
  // windows.
  std::function<std::unique_ptr<Work::State>(const Call&)> over_messages;
};

class ShmCall final : public Work::State {
 public:
  // `call` must stay where it is until the work is finished.
  ShmCall(const Call& call, ShmCallContext context);

  bool advance() override;

 private:
  enum class Stage : std::uint8_t { new_, posted, copying, through };
  // Where the data are that the ranks look at.
  enum class Route : std::uint8_t { nothing, payloads, segments, copies };

  bool post();
  void write(CallSlot& slot) const;
  void write_addresses(CallSlot& slot, std::span<const core::ConstBuffer> buffers) const;
  bool meet();
  void compare() const;
  Route route() const;
  void finish_own_part();

  void run(Route route);
  void fold(Route route);
  std::int64_t partial_elements() const;
  core::Range own_share(Route route) const;
  std::vector<void*> outputs(const core::Range& share, Route route) const;
  StoreTrials::Fold kind_of_fold() const;
  void pull(Route route);
  void pull_from(int from, Route route);
  const std::byte* input_of(int rank, std::size_t number, Route route) const;
  // What this rank's peers read of it.
  std::span<const core::ConstBuffer> given() const;
  std::size_t bytes_of(std::int64_t elements) const {
    return static_cast<std::size_t>(elements) * element_;
  }

  const Call& call_;
  ShmCallContext context_;
  ShmTeam& team_;
  ShmBoard& board_;
  std::uint64_t number_;
  std::size_t element_;  // bytes
  core::ConstBuffer broadcast_data_;
  Stage stage_ = Stage::new_;
  bool needs_peers_ = false;              // they read or write my memory until they are through
  std::unique_ptr<Work::State> copying_;  // piece by piece, through memory in between
};

}  // namespace lockstep::comm
