// The collectives in which every rank sends parts of its memory straight to those they belong to:
// gathers, scatters, all_to_all, and a message between two ranks.
#pragma once

#include <cstddef>
#include <memory>

#include "lockstep/comm/call.h"
#include "src/comm/exchange.h"
#include "src/comm/parts.h"

namespace lockstep::comm {

class Direct final : public Exchange {
 public:
  // `call` must stay where it is until the exchange is finished.
  Direct(const Call& call, int rank, int size, std::unique_ptr<Messages> messages)
      : Exchange(rank, size, std::move(messages)), call_(call) {}

 private:
  // Bytes of this rank's `in` or `out`.
  struct Part {
    std::size_t offset = 0;
    std::size_t bytes = 0;
  };

  void begin() override;
  void completed(const Token&) override {}
  void send_to(int peer);
  void receive_from(int peer);
  void keep_own_part();
  Part outgoing(int peer) const;
  Part incoming(int peer) const;
  Part part_of(const Parts& parts, int peer) const;

  const Call& call_;
  const std::byte* in_ = nullptr;
  core::Memory copy_;  // of an `in` that is also `out`
};

}  // namespace lockstep::comm
