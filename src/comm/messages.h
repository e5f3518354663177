// What the collectives are made of: the messages between two ranks, sent and received without
// blocking.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace lockstep::comm {

// What a message means to the collective that sent or receives it.
struct Token {
  std::int32_t kind = 0;
  std::int32_t peer = 0;
  std::int64_t piece = 0;
};

// What messages belong to: a collective, or a send and its receive. A sequence is that of the
// communicator's collectives or of the messages from one rank to another.
struct Channel {
  std::uint64_t sequence = 0;
  bool is_point_to_point = false;

  friend bool operator==(const Channel&, const Channel&) = default;
};

// The messages of one call on one rank. A send meets the receive of the same index on the
// other side; between two ranks an index is used once in a collective.
class Messages {
 public:
  virtual ~Messages() = default;
  // `bytes` is at most piece_limit, and more than 0 except in a barrier. The memory is in use until
  // the token is given back.
  virtual void send(int peer, std::uint64_t index, const void* data, std::size_t bytes,
                    Token token) = 0;
  virtual void receive(int peer, std::uint64_t index, void* data, std::size_t bytes,
                       Token token) = 0;
  // Appends the tokens of the messages that finished since the last poll. CommError where the
  // transport failed.
  virtual void poll(std::vector<Token>& finished) = 0;

  static constexpr std::size_t piece_limit = std::size_t{1} << 30;
};

}  // namespace lockstep::comm
