// A call as a state machine over messages: what finishes decides what is sent next.
#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "lockstep/comm/call.h"
#include "lockstep/comm/membership.h"
#include "lockstep/comm/work.h"
#include "src/comm/agreement.h"
#include "src/comm/messages.h"

namespace lockstep::comm {

class Exchange : public Work::State {
 public:
  // No data moves before the ranks have compared their signatures of the call.
  void agree_first() { agreement_.emplace(call_, member_); }
  bool advance() final;

 protected:
  // `call` must stay where it is until the exchange is finished.
  Exchange(const Call& call, const Membership& member, std::unique_ptr<Messages> messages)
      : call_(call), member_(member), messages_(std::move(messages)) {}

  // Posts the first messages.
  virtual void begin() = 0;
  // A message is through; its kind is not negative.
  virtual void completed(const Token& token) = 0;

  void send(int peer, std::uint64_t index, const void* data, std::size_t bytes, Token token);
  void receive(int peer, std::uint64_t index, void* data, std::size_t bytes, Token token);

  const Call& call() const { return call_; }
  const Membership& member() const { return member_; }
  int rank() const { return member_.rank; }
  int size() const { return member_.size; }

 private:
  void start();
  void settle(const Token& token);

  const Call& call_;
  const Membership& member_;
  std::unique_ptr<Messages> messages_;
  std::optional<Agreement> agreement_;
  std::vector<Token> finished_;
  std::int64_t open_ = 0;
  bool has_started_ = false;
};

}  // namespace lockstep::comm
