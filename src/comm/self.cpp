#include "lockstep/comm/transport.h"
#include "src/comm/message_communicator.h"

namespace lockstep::comm {
namespace {

class Self final : public MessageCommunicator {
 public:
  Self() : MessageCommunicator(Membership{.rank = 0, .size = 1, .transport = "self"}) {}

 private:
  std::unique_ptr<Messages> open(std::uint64_t /*sequence*/) override { return nullptr; }
  void abort(const CommError& /*why*/) noexcept override {}
};

}  // namespace

std::unique_ptr<Communicator> self() { return std::make_unique<Self>(); }

}  // namespace lockstep::comm
