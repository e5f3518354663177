#include "src/comm/message_communicator.h"

#include <fmt/format.h>

#include <vector>

#include "src/comm/collectives.h"
#include "src/comm/direct.h"

namespace lockstep::comm {
namespace {

// Calls that were started together.
class Several final : public Work::State {
 public:
  explicit Several(std::vector<std::unique_ptr<Work::State>> states) : states_(std::move(states)) {}
  bool advance() override {
    std::erase_if(states_, [](const auto& state) { return state->advance(); });
    return states_.empty();
  }

 private:
  std::vector<std::unique_ptr<Work::State>> states_;
};

}  // namespace

std::unique_ptr<Work::State> MessageCommunicator::start(std::span<const Call> calls,
                                                        core::Stream& after) {
  after.wait();
  if (calls.size() == 1) return start_one(calls.front());
  std::vector<std::unique_ptr<Work::State>> states;
  for (const Call& call : calls) states.push_back(start_one(call));
  return std::make_unique<Several>(std::move(states));
}

std::unique_ptr<Work::State> MessageCommunicator::start_one(const Call& call) {
  auto exchange = exchange_for(call);
  const bool is_collective = !is_point_to_point(call.op);
  if (is_collective && call.is_checked && size() > 1 && !compares_signatures())
    exchange->agree_first();
  return exchange;
}

std::unique_ptr<Exchange> MessageCommunicator::exchange_for(const Call& call) {
  auto messages = open({call.sequence, is_point_to_point(call.op)});
  switch (call.op) {
    case Op::all_reduce:
    case Op::reduce_scatter:
    case Op::reduce:
      return std::make_unique<Reduction>(call, forest_of(call.shards), membership(),
                                         std::move(messages));
    case Op::all_gather:
    case Op::gather:
    case Op::scatter:
    case Op::all_to_all:
    case Op::send:
    case Op::receive:
      return std::make_unique<Direct>(call, membership(), std::move(messages));
    case Op::broadcast:
      return std::make_unique<Broadcast>(call, membership(), std::move(messages));
    case Op::barrier:
      break;
  }
  return std::make_unique<Barrier>(call, membership(), std::move(messages));
}

std::string MessageCommunicator::unanswered_call() {
  const auto notice = unanswered();
  if (!notice) return {};
  return fmt::format("rank {} of {} calls {}", notice->rank, name_of(membership().group),
                     description_of(notice->own));
}

std::shared_ptr<const Forest> MessageCommunicator::forest_of(int shards) {
  auto& forest = forests_[shards];
  if (!forest) forest = std::make_shared<const Forest>(size(), shards);
  return forest;
}

}  // namespace lockstep::comm
