// All messages of one rank to the ranks of its host, over the rings that they share.
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <vector>

#include "src/comm/agreement.h"
#include "src/comm/messages.h"
#include "src/comm/shm_board.h"
#include "src/comm/shm_ring.h"

namespace lockstep::comm {

class ShmMessages;

// Short messages go at once and wait at the receiver; a long one is announced and sent, in
// fragments, once its receive is there. So a ring is never blocked by what nobody receives yet.
class ShmMailbox {
 public:
  explicit ShmMailbox(std::shared_ptr<ShmBoard> board);

  // What a message is called between two ranks.
  struct Name {
    Channel channel;
    std::uint64_t index = 0;
    friend bool operator==(const Name&, const Name&) = default;
  };
  struct Sent {
    Name name;
    const std::byte* data = nullptr;
    std::size_t bytes = 0;
    ShmMessages* owner = nullptr;
    Token token;
  };
  struct Awaited {
    Name name;
    std::byte* data = nullptr;
    std::size_t bytes = 0;
    ShmMessages* owner = nullptr;
    Token token;
  };

  void send(int peer, const Sent& message);
  void receive(int peer, const Awaited& message);
  // Moves everything on, without blocking.
  void progress();
  // What another rank says of a collective that this rank has not called.
  std::optional<Agreement::Notice> unanswered();
  // Drops what a call that is given up still has under way.
  void forget(const ShmMessages* owner) noexcept;
  const ShmBoard& board() const { return *board_; }

 private:
  enum Kind : std::uint8_t { fragment, announcement, invitation };
  enum class Stage : std::uint8_t { new_, announced, flowing };
  struct Outgoing : Sent {
    std::size_t sent = 0;
    Stage stage = Stage::new_;
  };
  struct Incoming : Awaited {
    std::size_t arrived = 0;
  };
  // A message that came before its receive.
  struct Early {
    Name name;
    std::size_t total = 0;
    bool is_announced = false;
    std::vector<std::byte> bytes;
  };
  struct Peer {
    std::deque<ShmRing::Record> control;  // waits for room
    std::list<Outgoing> outgoing;
    std::list<Incoming> incoming;
    std::list<Early> early;
  };

  bool take_in(int from);
  void accept(int from, const ShmRing::Record& record);
  void accept_fragment(int from, const ShmRing::Record& record);
  void accept_announcement(int from, const ShmRing::Record& record);
  void accept_invitation(int from, const ShmRing::Record& record);
  bool send_out(int to);
  bool send_on(int to, Outgoing& message);
  void invite(int from, const Name& name);
  void require_size(int from, const Incoming& expected, std::size_t total) const;
  static ShmRing::Record record_of(const Name& name, Kind kind, std::size_t total);
  Peer& peer(int rank) { return peers_[static_cast<std::size_t>(rank)]; }

  std::shared_ptr<ShmBoard> board_;
  ShmRings rings_;
  std::vector<Peer> peers_;
};

}  // namespace lockstep::comm
