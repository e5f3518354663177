#include "lockstep/comm/transport.h"
#include "src/comm/message_communicator.h"
#include "src/comm/thread_messages.h"

namespace lockstep::comm {
namespace {

class Self final : public MessageCommunicator {
 public:
  explicit Self(const Group& group = {})
      : MessageCommunicator(Membership{.rank = 0, .size = 1, .transport = "self", .group = group}) {
  }

 private:
  // Only messages to itself are ever sent.
  std::unique_ptr<Messages> open(const Channel& channel) override {
    if (!channel.is_point_to_point) return nullptr;
    return std::make_unique<ThreadMessages>(team_, 0, channel);
  }
  std::unique_ptr<Communicator> subset(std::span<const int> ranks, int /*index*/,
                                       const Group& group) override {
    if (ranks.empty()) return nullptr;
    return std::make_unique<Self>(group);
  }
  void abort(const CommError& why) noexcept override { team_->fail(0, why); }

  std::shared_ptr<ThreadTeam> team_ = std::make_shared<ThreadTeam>(1);
};

}  // namespace

std::unique_ptr<Communicator> self() { return std::make_unique<Self>(); }

}  // namespace lockstep::comm
