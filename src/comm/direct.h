// The calls in which ranks send parts of their memory straight to those they belong to: gathers,
// scatters, all_to_all, and a message between two ranks.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "lockstep/comm/call.h"
#include "src/comm/exchange.h"
#include "src/comm/parts.h"

namespace lockstep::comm {

// What a pair of ranks must agree on by itself (messages, all_to_all_v) travels ahead of the data,
// and the receiver compares it before it takes them.
class Direct final : public Exchange {
 public:
  Direct(const Call& call, const Membership& member, std::unique_ptr<Messages> messages);

 private:
  // Bytes of this rank's `in` or `out`.
  struct Part {
    std::size_t offset = 0;
    std::size_t bytes = 0;
  };

  void begin() override;
  void completed(const Token& token) override;
  void send_to(int peer);
  void receive_from(int peer);
  void take_from(int peer);
  void compare(int sender) const;
  void keep_own_part();
  Signature label(const Part& part) const;
  Part outgoing(int peer) const;
  Part incoming(int peer) const;
  Part part_of(const Parts& parts, int peer) const;

  bool is_labelled_;
  std::vector<Signature> labels_;  // by peer: sent, then received
  const std::byte* in_ = nullptr;
  core::Memory copy_;  // of an `in` that is also `out`
};

}  // namespace lockstep::comm
