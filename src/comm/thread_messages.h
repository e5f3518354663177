// Messages between threads of one process, which a test may hold back.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "src/comm/messages.h"
#include "src/comm/thread_team.h"

namespace lockstep::comm {

// Holds the messages of a disturbed call back.
struct Detention {
  bool for_ever = false;
  std::chrono::steady_clock::time_point until;  // delay
  std::shared_ptr<const std::uint64_t> latest;  // reorder: the number of the rank's latest call
  std::uint64_t after = 0;                      // that must be reached

  bool is_over() const;
};

class ThreadMessages final : public Messages {
 public:
  ThreadMessages(std::shared_ptr<ThreadTeam> team, int rank, const Channel& channel,
                 std::optional<Detention> detention = std::nullopt)
      : team_(std::move(team)), rank_(rank), channel_(channel), detention_(std::move(detention)) {}

  void send(int peer, std::uint64_t index, const void* data, std::size_t bytes,
            Token token) override;
  void receive(int peer, std::uint64_t index, void* data, std::size_t bytes, Token token) override;
  void poll(std::vector<Token>& finished) override;

 private:
  struct Sent {
    std::shared_ptr<std::atomic<bool>> is_taken;
    Token token;
  };
  struct Awaited {
    int peer;
    std::uint64_t index;
    void* data;
    std::size_t bytes;
    Token token;
  };

  void release();

  std::shared_ptr<ThreadTeam> team_;
  int rank_;
  Channel channel_;
  std::optional<Detention> detention_;
  std::vector<Sent> sent_;
  std::vector<Awaited> awaited_;
  std::vector<std::pair<int, Offer>> detained_;
};

}  // namespace lockstep::comm
