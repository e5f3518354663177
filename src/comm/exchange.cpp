#include "src/comm/exchange.h"

namespace lockstep::comm {

bool Exchange::advance() {
  if (!has_begun_) {
    has_begun_ = true;
    begin();
  }
  while (open_ > 0) {
    finished_.clear();
    messages_->poll(finished_);
    if (finished_.empty()) return false;
    for (const Token& token : finished_) {
      completed(token);
      --open_;
    }
  }
  return true;
}

void Exchange::send(int peer, std::uint64_t index, const void* data, std::size_t bytes,
                    Token token) {
  ++open_;
  messages_->send(peer, index, data, bytes, token);
}

void Exchange::receive(int peer, std::uint64_t index, void* data, std::size_t bytes, Token token) {
  ++open_;
  messages_->receive(peer, index, data, bytes, token);
}

}  // namespace lockstep::comm
