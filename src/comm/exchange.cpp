#include "src/comm/exchange.h"

namespace lockstep::comm {
bool Exchange::advance() {
  if (!has_started_) start();
  while (open_ > 0) {
    finished_.clear();
    messages_->poll(finished_);
    for (const Token& token : finished_) {
      if (token.kind < 0) {
        settle(token);
      } else {
        completed(token);
      }
      --open_;
    }
    if (agreement_) agreement_->refuse_difference();
    if (finished_.empty()) return false;
  }
  return true;
}

void Exchange::start() {
  has_started_ = true;
  if (agreement_) {
    open_ += agreement_->begin(*messages_);
  } else {
    begin();
  }
}

void Exchange::settle(const Token& token) {
  open_ += agreement_->completed(token, *messages_);
  if (token.kind == Agreement::received && agreement_->is_reached()) begin();
}

void Exchange::send(int peer, std::uint64_t index, const void* data, std::size_t bytes,
                    Token token) {
  ++open_;
  messages_->send(peer, Agreement::first_data_index + index, data, bytes, token);
}

void Exchange::receive(int peer, std::uint64_t index, void* data, std::size_t bytes, Token token) {
  ++open_;
  messages_->receive(peer, Agreement::first_data_index + index, data, bytes, token);
}

}  // namespace lockstep::comm
