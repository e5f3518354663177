// Broadcast and barrier as state machines over messages.
#pragma once

#include <memory>

#include "lockstep/comm/call.h"
#include "src/comm/exchange.h"

namespace lockstep::comm {

// Down a binomial tree, piece by piece, so that ranks pass on the first piece while the next
// arrives.
class Broadcast final : public Exchange {
 public:
  Broadcast(const Call& call, const Membership& member, std::unique_ptr<Messages> messages)
      : Exchange(call, member, std::move(messages)), data_(call.out), root_(call.root) {}

 private:
  void begin() override;
  void completed(const Token& token) override;
  void pass_on(std::int64_t piece);

  core::Buffer data_;
  int root_;
};

// By dissemination: in round k a rank tells the one 2^k further on, once it has heard all rounds
// before.
class Barrier final : public Exchange {
 public:
  Barrier(const Call& call, const Membership& member, std::unique_ptr<Messages> messages)
      : Exchange(call, member, std::move(messages)) {}

 private:
  void begin() override { enter(0); }
  void completed(const Token& token) override;
  void enter(int round);
};

}  // namespace lockstep::comm
