// Every collective over messages: a transport on this base only says how one message travels.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "lockstep/comm/communicator.h"
#include "src/comm/exchange.h"
#include "src/comm/messages.h"
#include "src/comm/reduction.h"

namespace lockstep::comm {

class MessageCommunicator : public Communicator {
 protected:
  using Communicator::Communicator;

  virtual std::unique_ptr<Messages> open(const Channel& channel) = 0;
  // A transport that has a better way for some calls overrides this and calls it for the others.
  virtual std::unique_ptr<Work::State> start_one(const Call& call);
  virtual std::unique_ptr<Exchange> exchange_for(const Call& call);
  std::shared_ptr<const Forest> forest_of(int shards);
  // What another rank says of a collective here that this rank has not made.
  virtual std::optional<Agreement::Notice> unanswered() { return std::nullopt; }
  // Whether the transport compares the ranks' signatures of a collective in a way of its own,
  // before it starts the call here.
  virtual bool compares_signatures() const { return false; }

 private:
  std::string unanswered_call() final;
  std::unique_ptr<Work::State> start(std::span<const Call> calls, core::Stream& after) final;

  std::map<int, std::shared_ptr<const Forest>> forests_;
};

}  // namespace lockstep::comm
